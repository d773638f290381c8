//! Judges of histories. Each takes a history and returns what must not be in it, and what it could not tell.
//!
//! Which judges are asked is for the [workload](crate::workload) to say.
//! [`revocation`] is the promise itself, in a few comparisons. [`linearizable`] asks for more, that there is one order in
//! which everything can have happened, and finds it by search; [`by_revision`] asks the same and believes the revisions of
//! the answers, so that it needs no search. The two share no code. [`agreement`] compares what the nodes came to, whatever
//! was asked of them.

pub mod agreement;
pub mod append;
pub mod by_revision;
pub mod exact;
pub mod expiry;
pub mod linearizable;
pub mod new_enemy;
mod presence;
pub mod retry;
pub mod revocation;
pub mod watch;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{Event, Foreign, History, Key, Operation};

/// A judge.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    /// Its name.
    pub name: &'static str,
    /// What it looks for.
    pub what: &'static str,
    /// Looks for it.
    pub judge: fn(&History) -> Findings,
}

/// What a judge has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// What could not be decided, in words.
    pub doubts: Vec<String>,
    /// What did not happen, and without which the history proves nothing, in words.
    pub untried: Vec<String>,
    /// What else there is to say, in words.
    pub facts: Vec<String>,
    /// How close it was, in microseconds, if that can be said.
    pub margin_us: Option<u64>,
}

/// What must not be in a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub rule: Rule,
    /// The grant that it is about, if it is about one.
    pub key: Option<Key>,
    /// The calls that contradict each other; the wrong answer is the last.
    pub operations: Vec<Operation>,
    /// The same, in the words of the workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What else is to be said.
    pub detail: String,
}

/// What a history must hold to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// No allow once a revocation has returned.
    AllowAfterRevoke,
    /// No allow once another check has shown the revocation, anywhere.
    AllowAfterDeny,
    /// No allow before anybody granted.
    AllowBeforeGrant,
    /// There is an order in which everything happened.
    Linearizable,
    /// No denial of what was given and stays.
    DenyAfterGrant,
    /// Nobody sees by an old policy what was put under it later.
    NewEnemy,
    /// There is an order of transactions that agrees with real time.
    Serializable,
    /// What is read was written.
    NeverWritten,
    /// What was acknowledged stays.
    Lost,
    /// What was refused did not happen.
    Undead,
    /// What nobody knows of is the same everywhere.
    Torn,
    /// What is sent under one key takes place once.
    AppliedTwice,
    /// What is sent under one key is answered the same.
    AnswerChanged,
    /// A key has one request.
    KeyReused,
    /// Nothing is given before its start.
    BeforeStart,
    /// Nothing is given at its end or later.
    AfterEnd,
    /// What is kept closed until a time is not open before.
    RestrictionEndedEarly,
    /// What was seen to have ended is over everywhere.
    CameBack,
    /// What was true at a revision stays true of it.
    ExactDiffers,
    /// A watch tells in order, and nothing twice.
    WatchOrder,
    /// A watch leaves nothing out.
    WatchGap,
    /// A watch tells what was done, and the same to everybody.
    WatchDiffers,
    /// An answer is that of its revision.
    AnswerOfRevision,
    /// Revisions never go back.
    RevisionOrder,
    /// Nodes at the same revision have the same state.
    Agreement,
    /// A node neither ends by itself nor reports an error.
    Health,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::AllowAfterRevoke,
        Self::AllowAfterDeny,
        Self::AllowBeforeGrant,
        Self::Linearizable,
        Self::DenyAfterGrant,
        Self::NewEnemy,
        Self::Serializable,
        Self::NeverWritten,
        Self::Lost,
        Self::Undead,
        Self::Torn,
        Self::AppliedTwice,
        Self::AnswerChanged,
        Self::KeyReused,
        Self::BeforeStart,
        Self::AfterEnd,
        Self::RestrictionEndedEarly,
        Self::CameBack,
        Self::ExactDiffers,
        Self::WatchOrder,
        Self::WatchGap,
        Self::WatchDiffers,
        Self::AnswerOfRevision,
        Self::RevisionOrder,
        Self::Agreement,
        Self::Health,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllowAfterRevoke => "an allow after the revocation returned",
            Self::AllowAfterDeny => "an allow after another check had shown the revocation",
            Self::AllowBeforeGrant => "an allow before anybody granted",
            Self::Linearizable => "no order in which everything can have happened",
            Self::DenyAfterGrant => "a denial of what was given and stays",
            Self::NewEnemy => "new content that was judged by an old policy",
            Self::Serializable => "transactions that have no order",
            Self::NeverWritten => "a read of what nobody wrote",
            Self::Lost => "an acknowledged write that is gone",
            Self::Undead => "a refused write that took place",
            Self::Torn => "a write of unknown outcome that is here and not there",
            Self::AppliedTwice => "a request that took place twice under one key",
            Self::AnswerChanged => "a request that was answered differently under one key",
            Self::KeyReused => "another request that was taken under a key that was used",
            Self::BeforeStart => "an allow before its start",
            Self::AfterEnd => "an allow at its end or later",
            Self::RestrictionEndedEarly => "a restriction that ended early",
            Self::CameBack => "an answer of what had been seen to have ended",
            Self::ExactDiffers => "answers as of one revision that differ",
            Self::WatchOrder => "a watch that told out of order, or twice",
            Self::WatchGap => "a watch that left something out",
            Self::WatchDiffers => "a watch that told otherwise than it was done, or than others",
            Self::AnswerOfRevision => "an answer that is not that of its revision",
            Self::RevisionOrder => "a revision that was overtaken before the call began",
            Self::Agreement => "nodes that differ at the same revision",
            Self::Health => "a node that ended by itself or reported an error",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)?;
        if let Some(key) = self.key {
            write!(f, ", of grant {key}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for operation in &self.operations {
            write!(f, "\n    {operation}")?;
        }
        for event in &self.events {
            write!(f, "\n    {event}")?;
        }
        Ok(())
    }
}

/// A violation that calls about a grant show.
fn wrong(rule: Rule, operations: &[&Operation]) -> Violation {
    let key = operations.first().map(|operation| operation.key);
    let operations = operations.iter().copied().cloned().collect();
    Violation { rule, key, operations, events: Vec::new(), detail: String::new() }
}

/// A violation that calls in the words of a workload show.
fn about(rule: Rule, events: &[&Event]) -> Violation {
    let events = events.iter().copied().cloned().collect();
    Violation { rule, key: None, operations: Vec::new(), events, detail: String::new() }
}

/// The findings about a history that makes no sense to a judge.
fn unreadable(foreign: &Foreign) -> Findings {
    Findings { doubts: vec![foreign.to_string()], ..Findings::default() }
}
