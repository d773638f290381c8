//! What was asked of which node when, what came of it, and what was done to the nodes meanwhile.
//!
//! All times are microseconds since the run began, by one monotonic clock of the harness, cut off and never rounded up.
//! What is cut off makes two operations look concurrent at worst, so a checker that compares them strictly never sees an
//! order that was none.
//!
//! INVARIANT: an operation whose outcome is not known stays open for ever. It may take effect at any time after it was
//! invoked, or never, so [`Operation::until_us`] is the end of time, whenever the client gave up waiting.

mod edn;
mod event;
mod lines;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use edn::write as write_edn;
pub(crate) use event::parts;
pub use event::{Came, Deed, Event, Foreign, Told};
pub use lines::{ReadError, read, write_line};

/// The version of the format. A reader refuses any later one.
pub const FORMAT: u32 = 2;
/// The first version. It knew operations only, and no events; what it had, it had as now.
const FORMAT_MIN: u32 = 1;

/// A grant, by its number: one question whose answer is given and taken away. Grants of any two numbers are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u64);

/// What was asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make the answer an allow.
    Grant,
    /// Make the answer a denial.
    Revoke,
    /// Tell the answer.
    Check,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was carried out, or answered.
    Ok {
        /// The answer.
        answer: Answer,
        /// Where in the log: of a write, where it took place; of a check, where its answer was true.
        revision: u64,
    },
    /// It did not take place, and never will.
    Fail {
        /// What the node, or the client library, said.
        error: String,
    },
    /// It may have taken place, may do so later, or may never.
    Unknown {
        /// What the node, or the client library, said.
        error: String,
    },
}

/// What a node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The write is done.
    Done,
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// A call of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The client.
    pub client: u32,
    /// The node that was called.
    pub node: u64,
    /// What it is about.
    pub key: Key,
    /// How the grant is made and taken away, in the words of the workload.
    pub way: String,
    /// What was asked.
    pub action: Action,
    /// When.
    pub invoked_us: u64,
    /// When the client heard of the outcome, or gave up.
    pub completed_us: u64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What any call has, whatever it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The node that was called.
    pub node: u64,
    /// Whether it changes anything.
    pub writes: bool,
    /// Whether it was answered.
    pub answered: bool,
    /// When.
    pub invoked_us: u64,
    /// When the client heard of the outcome, or gave up.
    pub completed_us: u64,
}

impl From<&Operation> for Call {
    fn from(operation: &Operation) -> Self {
        let Operation { node, action, invoked_us, completed_us, .. } = *operation;
        Self { node, writes: action.is_write(), answered: operation.answer().is_some(), invoked_us, completed_us }
    }
}

impl From<&Event> for Call {
    fn from(event: &Event) -> Self {
        let Event { node, writes, invoked_us, completed_us, .. } = *event;
        Self { node, writes, answered: event.is_ok(), invoked_us, completed_us }
    }
}

/// A fault begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// The step of the schedule.
    pub step: u32,
    /// When it was in place.
    pub at_us: u64,
    /// The nemesis.
    pub nemesis: String,
    /// What was done, in words.
    pub what: String,
    /// The nodes that it was done to.
    pub victims: Vec<u64>,
    /// Who led, as far as was known.
    pub leader: Option<u64>,
    /// Who held a read lease, as far as was known.
    pub holders: Vec<u64>,
}

/// A fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relief {
    /// The step of the schedule.
    pub step: u32,
    /// When it was undone.
    pub at_us: u64,
}

/// A fault that has ended was found to have done nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// The step of the schedule.
    pub step: u32,
    /// When it ended.
    pub at_us: u64,
    /// How that is known.
    pub why: String,
}

/// A node is out of the cluster for good, and is asked nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The node.
    pub node: u64,
    /// Since when.
    pub at_us: u64,
    /// Why.
    pub why: String,
}

/// What one node said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The node.
    pub node: u64,
    /// When its answer was there.
    pub at_us: u64,
    /// What it said; nothing if it did not answer.
    pub seen: Option<Seen>,
}

/// The state of a node, as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whom it takes for the leader.
    pub leader: Option<u64>,
    /// In which term.
    pub term: u64,
    /// Whether it holds a read lease.
    pub holds: bool,
    /// The last entry that its readers see.
    pub visible: u64,
}

/// The hash of a node's state at a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHash {
    /// The node.
    pub node: u64,
    /// At which revision.
    pub revision: u64,
    /// The hash.
    pub hash: String,
}

/// Something that a node must never do, whatever is done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The node.
    pub node: u64,
    /// What it did.
    pub what: String,
}

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Clients work, and faults happen.
    Traffic,
    /// Every fault is undone; clients go on.
    Healed,
    /// Every node answers again, and is asked about everything.
    FinalReads,
    /// Everything was recorded.
    End,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The version of the format.
    pub format: u32,
    /// The seed.
    pub seed: u64,
    /// The workload.
    pub workload: String,
    /// The system, if it is not ours. Its revisions and states are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The nemeses that acted.
    pub nemeses: Vec<String>,
    /// The nemeses that were asked for and could not act on this machine, with the reason.
    pub skipped: Vec<String>,
    /// The nodes.
    pub nodes: u64,
    /// The clients.
    pub clients: u32,
    /// How long faults happen, in seconds.
    pub time_s: u64,
    /// How the nodes are joined: `namespaces` or `loopback`.
    pub network: String,
    /// What the nodes say that they are.
    pub version: String,
    /// How many acknowledged revocations, or other writes, the run needs to prove anything.
    pub revokes_min: u64,
    /// How many calls of a hundred were to write, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<u8>,
    /// The rule that nodes were told to break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// What was run. The first line.
    Run(Run),
    /// A call about a grant that ended.
    Operation(Operation),
    /// A call in the words of its workload that ended.
    Event(Event),
    /// A fault begins.
    Strike(Strike),
    /// A fault ends.
    Relief(Relief),
    /// A fault did nothing.
    Idle(Idle),
    /// A node is out of the cluster.
    Retired(Retired),
    /// A node was looked at.
    Sample(Sample),
    /// The hash of a node, during the run or at the end.
    StateHash(StateHash),
    /// A node did what it must not.
    Alarm(Alarm),
    /// A part of the run begins.
    Phase {
        /// Which.
        phase: Phase,
        /// When.
        at_us: u64,
    },
}

/// Everything that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What was run.
    pub run: Run,
    /// The calls about grants, in the order of their invocations.
    pub operations: Vec<Operation>,
    /// The calls in the words of the workload, in the same order.
    pub events: Vec<Event>,
    /// Faults that began.
    pub strikes: Vec<Strike>,
    /// Faults that ended.
    pub reliefs: Vec<Relief>,
    /// Faults that did nothing.
    pub idle: Vec<Idle>,
    /// Nodes that are out of the cluster.
    pub retired: Vec<Retired>,
    /// How the nodes were.
    pub samples: Vec<Sample>,
    /// What the nodes came to.
    pub hashes: Vec<StateHash>,
    /// What must not have happened.
    pub alarms: Vec<Alarm>,
    /// When each part of the run began. A run that was broken off has no end.
    pub phases: BTreeMap<Phase, u64>,
}

impl History {
    /// The nodes that were started and belong to the cluster to the end, so that they have to answer.
    pub fn remaining(&self) -> impl Iterator<Item = u64> + '_ {
        (1..=self.run.nodes).filter(|node| self.retired.iter().all(|retired| retired.node != *node))
    }

    /// A history in which nothing has happened yet.
    pub fn new(run: Run) -> Self {
        Self {
            run,
            operations: Vec::new(),
            events: Vec::new(),
            strikes: Vec::new(),
            reliefs: Vec::new(),
            idle: Vec::new(),
            retired: Vec::new(),
            samples: Vec::new(),
            hashes: Vec::new(),
            alarms: Vec::new(),
            phases: BTreeMap::new(),
        }
    }

    /// The calls about each key, each list in the order of invocations.
    pub fn by_key(&self) -> BTreeMap<Key, Vec<&Operation>> {
        let mut by_key: BTreeMap<Key, Vec<&Operation>> = BTreeMap::new();
        for operation in &self.operations {
            by_key.entry(operation.key).or_default().push(operation);
        }
        by_key
    }

    /// All calls, whatever they are about.
    pub fn calls(&self) -> impl Iterator<Item = Call> {
        self.operations.iter().map(Call::from).chain(self.events.iter().map(Call::from))
    }

    /// When a fault ended: with the step, or with the run.
    pub fn relief_us(&self, step: u32) -> Option<u64> {
        let relief = self.reliefs.iter().find(|relief| relief.step == step).map(|relief| relief.at_us);
        relief.or_else(|| self.phases.get(&Phase::Healed).copied())
    }
}

impl Action {
    /// Whether it changes anything.
    pub fn is_write(self) -> bool {
        match self {
            Self::Grant | Self::Revoke => true,
            Self::Check => false,
        }
    }
}

impl Operation {
    /// The answer, if there was one.
    pub fn answer(&self) -> Option<Answer> {
        match &self.outcome {
            Outcome::Ok { answer, .. } => Some(*answer),
            Outcome::Fail { .. } | Outcome::Unknown { .. } => None,
        }
    }

    /// The revision, if there was an answer.
    pub fn revision(&self) -> Option<u64> {
        match &self.outcome {
            Outcome::Ok { revision, .. } => Some(*revision),
            Outcome::Fail { .. } | Outcome::Unknown { .. } => None,
        }
    }

    /// When it had taken effect at the latest, if it ever does.
    pub fn until_us(&self) -> u64 {
        match &self.outcome {
            Outcome::Ok { .. } | Outcome::Fail { .. } => self.completed_us,
            Outcome::Unknown { .. } => u64::MAX,
        }
    }

    /// Whether it is a write that took place, or may have.
    pub fn may_have_written(&self) -> bool {
        self.action.is_write() && !matches!(self.outcome, Outcome::Fail { .. })
    }

    /// Whether it is a check that was answered so.
    pub fn is_check_answered(&self, expected: Answer) -> bool {
        self.action == Action::Check && self.answer() == Some(expected)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, node, key, way, action, invoked_us, completed_us, outcome } = self;
        let action = match action {
            Action::Grant => "grant",
            Action::Revoke => "revoke",
            Action::Check => "check",
        };
        write!(f, "{action} of {key} ({way}) by client {client} at node {node}, invoked at {invoked_us} us: ")?;
        match outcome {
            Outcome::Ok { answer, revision } => {
                let answer = match answer {
                    Answer::Done => "done",
                    Answer::Allow => "ALLOW",
                    Answer::Deny => "DENY",
                };
                write!(f, "{answer} at revision {revision}, returned at {completed_us} us")
            }
            Outcome::Fail { error } => write!(f, "failed at {completed_us} us: {error}"),
            Outcome::Unknown { error } => write!(f, "unknown, given up at {completed_us} us: {error}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Histories in a few words, for tests.

    use serde::Serialize;

    use super::{Action, Answer, Came, Deed, Event, FORMAT, History, Key, Operation, Outcome, Run, parts};

    pub(crate) fn run() -> Run {
        Run {
            format: FORMAT,
            seed: 7,
            workload: "revocation".to_owned(),
            system: None,
            nemeses: vec!["partition".to_owned()],
            skipped: Vec::new(),
            nodes: 3,
            clients: 4,
            time_s: 10,
            network: "namespaces".to_owned(),
            version: "0.1.0".to_owned(),
            revokes_min: 1,
            writes: None,
            planted: None,
        }
    }

    /// A call about key 1: invoked and completed when, with which outcome.
    pub(crate) fn operation(action: Action, invoked_us: u64, completed_us: u64, outcome: Outcome) -> Operation {
        let way = "direct".to_owned();
        Operation { client: 0, node: 1, key: Key(1), way, action, invoked_us, completed_us, outcome }
    }

    pub(crate) fn done(action: Action, invoked_us: u64, completed_us: u64, revision: u64) -> Operation {
        operation(action, invoked_us, completed_us, Outcome::Ok { answer: Answer::Done, revision })
    }

    pub(crate) fn check(answer: Answer, invoked_us: u64, completed_us: u64, revision: u64) -> Operation {
        operation(Action::Check, invoked_us, completed_us, Outcome::Ok { answer, revision })
    }

    pub(crate) fn unknown(action: Action, invoked_us: u64, completed_us: u64) -> Operation {
        operation(action, invoked_us, completed_us, Outcome::Unknown { error: "no answer".to_owned() })
    }

    pub(crate) fn fail(action: Action, invoked_us: u64, completed_us: u64) -> Operation {
        operation(action, invoked_us, completed_us, Outcome::Fail { error: "refused".to_owned() })
    }

    /// A call in the words of a workload, at node 1.
    pub(crate) fn event(deed: &impl Deed, invoked_us: u64, completed_us: u64, came: Came) -> Event {
        let ((f, value), writes) = (parts(deed), deed.writes());
        Event { client: 0, node: 1, f, value, writes, invoked_us, completed_us, came }
    }

    pub(crate) fn ok(answer: impl Serialize, revision: u64) -> Came {
        Came::Ok { answer: serde_json::to_value(answer).unwrap(), revision }
    }

    pub(crate) fn lost() -> Came {
        Came::Unknown { error: "no answer".to_owned() }
    }

    pub(crate) fn refused() -> Came {
        Came::Fail { reason: String::new(), error: "refused".to_owned() }
    }

    /// A history of calls in the words of a workload.
    pub(crate) fn of_events(events: impl IntoIterator<Item = Event>) -> History {
        let mut history = history([]);
        history.events = events.into_iter().collect();
        history.events.sort_by_key(|event| event.invoked_us);
        history
    }

    pub(crate) fn history(operations: impl IntoIterator<Item = Operation>) -> History {
        let mut history = History::new(run());
        history.operations = operations.into_iter().collect();
        history.operations.sort_by_key(|operation| operation.invoked_us);
        history
    }
}
