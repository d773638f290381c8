//! What a run has covered. One that has covered too little proves nothing, and is rejected.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{Action, Answer, Call, Came, History, Outcome, Phase, Strike};

/// What was covered, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Grants that were acknowledged.
    pub granted: u64,
    /// Revocations that were acknowledged.
    pub revoked: u64,
    /// Other writes that were acknowledged.
    #[serde(default)]
    pub written: u64,
    /// Other reads that were answered.
    #[serde(default)]
    pub read: u64,
    /// Writes whose outcome is not known.
    pub unknown: u64,
    /// Checks that were answered by an allow.
    pub allowed: u64,
    /// Checks that were answered by a denial.
    pub denied: u64,
    /// Checks and other reads that were not answered.
    pub unanswered: u64,
    /// Faults.
    pub faults: u64,
    /// Faults that met the leader.
    pub met_leader: u64,
    /// Faults that met a holder of a read lease.
    pub met_holder: u64,
    /// Faults that met a write in flight, at the node that had taken it or at the leader.
    pub met_write: u64,
    /// Faults during which checks, or other reads, were answered.
    pub read_during: u64,
    /// Faults during which revocations, or other writes, were acknowledged.
    pub revoked_during: u64,
    /// Answers to final reads.
    pub final_reads: u64,
}

/// What a run lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortfall {
    /// Too few revocations were acknowledged.
    Revocations {
        /// How many were.
        acknowledged: u64,
        /// How many it takes.
        least: u64,
    },
    /// Too few writes were acknowledged.
    Writes {
        /// How many were.
        acknowledged: u64,
        /// How many it takes.
        least: u64,
    },
    /// Faults were asked for, and none of that nemesis happened.
    NoFault(String),
    /// No fault met the leader.
    NeverTheLeader,
    /// No fault met a holder of a lease.
    NeverAHolder,
    /// No fault met a write in flight.
    NeverAWrite,
    /// While faults of a nemesis lasted, no check was answered.
    NoReadDuring(String),
    /// A node answered no final read.
    NoFinalRead(u64),
    /// Nothing that was asked for could be done.
    EverythingSkipped,
    /// What a judge has to have seen did not happen.
    Untried(String),
}

impl Coverage {
    /// What a history covers.
    pub fn of(history: &History) -> Self {
        let mut covered = Self::default();
        let finally_us = history.phases.get(&Phase::FinalReads).copied().unwrap_or(u64::MAX);
        for operation in &history.operations {
            let count = match (operation.action, &operation.outcome) {
                (Action::Grant, Outcome::Ok { .. }) => &mut covered.granted,
                (Action::Revoke, Outcome::Ok { .. }) => &mut covered.revoked,
                (Action::Grant | Action::Revoke, Outcome::Unknown { .. }) => &mut covered.unknown,
                (Action::Grant | Action::Revoke, Outcome::Fail { .. }) => continue,
                (Action::Check, Outcome::Ok { answer: Answer::Allow, .. }) => &mut covered.allowed,
                (Action::Check, Outcome::Ok { .. }) => &mut covered.denied,
                (Action::Check, Outcome::Fail { .. } | Outcome::Unknown { .. }) => &mut covered.unanswered,
            };
            *count += 1;
        }
        for event in &history.events {
            let count = match (event.writes, &event.came) {
                (true, Came::Ok { .. }) => &mut covered.written,
                (true, Came::Unknown { .. }) => &mut covered.unknown,
                (true, Came::Fail { .. }) => continue,
                (false, Came::Ok { .. }) => &mut covered.read,
                (false, Came::Fail { .. } | Came::Unknown { .. }) => &mut covered.unanswered,
            };
            *count += 1;
        }
        let last = history.calls().filter(|call| is_answered_read(call) && call.invoked_us >= finally_us);
        covered.final_reads = last.count() as u64;
        let meets = Meetings::of(history);
        for strike in &history.strikes {
            covered.faults += 1;
            covered.met_leader += u64::from(met_leader(strike));
            covered.met_holder += u64::from(strike.holders.iter().any(|holder| strike.victims.contains(holder)));
            covered.met_write += u64::from(meets.a_write(strike));
            covered.read_during += u64::from(meets.a_read(history, strike));
            covered.revoked_during += u64::from(meets.an_acknowledgement(history, strike));
        }
        covered
    }

    /// What is missing for the run to prove anything.
    pub fn shortfalls(&self, history: &History) -> Vec<Shortfall> {
        let run = &history.run;
        let mut found = Vec::new();
        if !history.events.is_empty() && self.written < run.revokes_min {
            found.push(Shortfall::Writes { acknowledged: self.written, least: run.revokes_min });
        }
        if history.events.is_empty() && self.revoked < run.revokes_min {
            found.push(Shortfall::Revocations { acknowledged: self.revoked, least: run.revokes_min });
        }
        if run.nemeses.is_empty() && !run.skipped.is_empty() {
            found.push(Shortfall::EverythingSkipped);
        }
        if !run.nemeses.is_empty() {
            let never = [
                (self.met_leader, Shortfall::NeverTheLeader),
                (self.met_holder, Shortfall::NeverAHolder),
                (self.met_write, Shortfall::NeverAWrite),
            ];
            found.extend(never.into_iter().filter(|(met, _)| *met == 0).map(|(_, shortfall)| shortfall));
        }
        let meets = Meetings::of(history);
        for nemesis in &run.nemeses {
            let idle = |strike: &Strike| history.idle.iter().any(|idle| idle.step == strike.step);
            let strikes = history.strikes.iter().filter(|strike| strike.nemesis == *nemesis);
            let mut strikes = strikes.filter(|strike| !idle(strike)).peekable();
            if strikes.peek().is_none() {
                found.push(Shortfall::NoFault(nemesis.clone()));
            } else if !strikes.any(|strike| meets.a_read(history, strike)) {
                found.push(Shortfall::NoReadDuring(nemesis.clone()));
            }
        }
        let finally_us = history.phases.get(&Phase::FinalReads).copied().unwrap_or(u64::MAX);
        let last = history.calls().filter(|call| call.invoked_us >= finally_us);
        let answered: BTreeSet<u64> = last.filter(is_answered_read).map(|last| last.node).collect();
        found.extend(history.remaining().filter(|node| !answered.contains(node)).map(Shortfall::NoFinalRead));
        found
    }
}

/// What faults can have met.
struct Meetings {
    writes: Vec<Call>,
    reads: Vec<Call>,
    /// When revocations, or other writes, were acknowledged.
    acknowledged_us: Vec<u64>,
}

impl Meetings {
    fn of(history: &History) -> Self {
        let revoked = history.operations.iter().filter(|operation| operation.action == Action::Revoke).map(Call::from);
        let written = history.events.iter().filter(|event| event.writes).map(Call::from);
        let acknowledged = revoked.chain(written).filter(|call| call.answered);
        Self {
            writes: history.calls().filter(|call| call.writes).collect(),
            reads: history.calls().filter(is_answered_read).collect(),
            acknowledged_us: acknowledged.map(|call| call.completed_us).collect(),
        }
    }

    /// Whether a write was in flight, as long as its client waited for it.
    fn a_write(&self, strike: &Strike) -> bool {
        let under_way = |write: &&Call| write.invoked_us <= strike.at_us && strike.at_us <= write.completed_us;
        self.writes.iter().filter(under_way).any(|write| met_leader(strike) || strike.victims.contains(&write.node))
    }

    fn an_acknowledgement(&self, history: &History, strike: &Strike) -> bool {
        let until_us = history.relief_us(strike.step).unwrap_or(0);
        self.acknowledged_us.iter().any(|at_us| strike.at_us < *at_us && *at_us < until_us)
    }

    fn a_read(&self, history: &History, strike: &Strike) -> bool {
        let until_us = history.relief_us(strike.step).unwrap_or(0);
        self.reads.iter().any(|read| strike.at_us <= read.invoked_us && read.completed_us <= until_us)
    }
}

fn met_leader(strike: &Strike) -> bool {
    strike.leader.is_some_and(|leader| strike.victims.contains(&leader))
}

fn is_answered_read(call: &Call) -> bool {
    !call.writes && call.answered
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { granted, revoked, written, read, unknown, allowed, denied, unanswered, .. } = self;
        let Self { faults, met_leader, met_holder, met_write, read_during, revoked_during, final_reads, .. } = self;
        if *written + *read > 0 {
            writeln!(f, "{written} writes acknowledged, {unknown} unknown")?;
            writeln!(f, "{read} reads answered, {unanswered} not, {final_reads} final reads")?;
            return write!(
                f,
                "{faults} faults: {met_leader} met the leader, {met_holder} a holder of a lease, {met_write} a write in \
                 flight; reads were answered during {read_during}, writes acknowledged during {revoked_during}"
            );
        }
        writeln!(f, "{granted} grants and {revoked} revocations acknowledged, {unknown} writes unknown")?;
        writeln!(f, "{allowed} allows, {denied} denials, {unanswered} checks unanswered, {final_reads} final reads")?;
        write!(
            f,
            "{faults} faults: {met_leader} met the leader, {met_holder} a holder of a lease, {met_write} a write in flight; \
             checks were answered during {read_during}, revocations acknowledged during {revoked_during}"
        )
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revocations { acknowledged, least } => {
                write!(f, "{acknowledged} revocations were acknowledged, and it takes {least}")
            }
            Self::Writes { acknowledged, least } => {
                write!(f, "{acknowledged} writes were acknowledged, and it takes {least}")
            }
            Self::Untried(what) => f.write_str(what),
            Self::NoFault(nemesis) => write!(f, "no fault of `{nemesis}` happened"),
            Self::NeverTheLeader => f.write_str("no fault met the leader"),
            Self::NeverAHolder => f.write_str("no fault met a holder of a read lease"),
            Self::NeverAWrite => f.write_str("no fault met a write in flight"),
            Self::NoReadDuring(nemesis) => write!(f, "no check was answered while a fault of `{nemesis}` lasted"),
            Self::NoFinalRead(node) => write!(f, "node {node} answered no final read"),
            Self::EverythingSkipped => f.write_str("every nemesis was skipped on this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{check, done, history};
    use crate::history::{Event, Idle, Operation, Relief};

    /// A run that covers what it has to.
    fn covered() -> History {
        let mut operations =
            vec![done(Action::Grant, 0, 10, 5), done(Action::Revoke, 50, 70, 7), check(Answer::Deny, 65, 66, 6)];
        for node in 1..=3 {
            operations.push(Operation { node, ..check(Answer::Deny, 101, 102, 7) });
        }
        let mut history = history(operations);
        history.strikes.push(Strike {
            step: 1,
            at_us: 60,
            nemesis: "partition".to_owned(),
            what: "isolate node 1".to_owned(),
            victims: vec![1],
            leader: Some(1),
            holders: vec![1, 2, 3],
        });
        history.reliefs.push(Relief { step: 1, at_us: 80 });
        history.phases.extend([(Phase::Traffic, 0), (Phase::Healed, 90), (Phase::FinalReads, 100), (Phase::End, 110)]);
        history
    }

    fn lacks(history: &History) -> Vec<Shortfall> {
        Coverage::of(history).shortfalls(history)
    }

    #[test]
    fn a_run_that_covers_enough_lacks_nothing() {
        let history = covered();
        let coverage = Coverage::of(&history);
        assert_eq!((coverage.granted, coverage.revoked, coverage.denied, coverage.final_reads), (1, 1, 4, 3));
        assert_eq!([coverage.met_leader, coverage.met_holder, coverage.met_write, coverage.read_during], [1; 4]);
        assert_eq!(coverage.revoked_during, 1);
        assert_eq!(lacks(&history), []);
    }

    #[test]
    fn what_a_run_lacks_is_named() {
        let mut history = covered();
        history.run.revokes_min = 2;
        assert_eq!(lacks(&history), [Shortfall::Revocations { acknowledged: 1, least: 2 }]);

        let mut history = covered();
        history.strikes[0].victims = vec![2];
        assert_eq!(lacks(&history), [Shortfall::NeverTheLeader, Shortfall::NeverAWrite]);
        history.strikes[0].holders = vec![1];
        assert!(lacks(&history).contains(&Shortfall::NeverAHolder));

        let mut history = covered();
        history.operations.retain(|operation| operation.invoked_us != 65);
        assert_eq!(lacks(&history), [Shortfall::NoReadDuring("partition".to_owned())]);

        let mut history = covered();
        history.operations.retain(|operation| operation.node != 3);
        assert_eq!(lacks(&history), [Shortfall::NoFinalRead(3)]);

        let mut history = covered();
        history.run.nemeses.push("kill".to_owned());
        assert_eq!(lacks(&history), [Shortfall::NoFault("kill".to_owned())]);
        history.run.nemeses.clear();
        history.run.skipped.push("partition: no".to_owned());
        assert_eq!(lacks(&history), [Shortfall::EverythingSkipped]);
    }

    #[test]
    fn calls_of_other_workloads_count_too() {
        let mut history = covered();
        let event = |operation: &Operation| Event {
            client: operation.client,
            node: operation.node,
            f: "something".to_owned(),
            value: serde_json::Value::Null,
            writes: operation.action.is_write(),
            invoked_us: operation.invoked_us,
            completed_us: operation.completed_us,
            came: Came::Ok { answer: serde_json::Value::Null, revision: 1 },
        };
        history.events = history.operations.drain(..).map(|operation| event(&operation)).collect();
        let coverage = Coverage::of(&history);
        assert_eq!((coverage.written, coverage.read, coverage.final_reads, coverage.granted), (2, 4, 3, 0));
        assert_eq!([coverage.met_leader, coverage.met_holder, coverage.met_write, coverage.read_during], [1; 4]);
        assert_eq!(lacks(&history), []);
        history.run.revokes_min = 3;
        assert_eq!(lacks(&history), [Shortfall::Writes { acknowledged: 2, least: 3 }]);
    }

    #[test]
    fn a_fault_that_did_nothing_is_none() {
        let mut history = covered();
        history.idle.push(Idle { step: 1, at_us: 80, why: "nothing was slow".to_owned() });
        assert_eq!(lacks(&history), [Shortfall::NoFault("partition".to_owned())]);
    }

    #[test]
    fn an_acknowledgement_before_the_fault_is_not_met() {
        let mut history = covered();
        history.strikes[0].at_us = 71;
        assert_eq!(lacks(&history), [Shortfall::NeverAWrite, Shortfall::NoReadDuring("partition".to_owned())]);
    }
}
