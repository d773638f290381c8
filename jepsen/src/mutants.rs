//! Rules that nodes break on purpose, and what it takes to notice each.
//!
//! That a harness finds nothing means something only if it finds what is there. A node built with the feature `planted-faults`
//! breaks one rule of leases when its environment names it.

use crate::checker::{Rule, Violation};
use crate::schedule::Nemesis;

/// The environment variable by which nodes are told which rule to break.
pub const VARIABLE: &str = "PORTCULLIS_PLANTED_FAULT";

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name here.
    pub name: &'static str,
    /// Its name in `crates/lease`.
    pub fault: &'static str,
    /// What the nodes do then.
    pub what: &'static str,
    /// Under what it shows.
    pub nemeses: &'static [Nemesis],
}

/// All of them.
pub const ALL: &[Mutant] = &[
    Mutant {
        name: "fence",
        fault: "NoFence",
        what: "a new leader does not wait for the leases of the one before",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "proof",
        fault: "GrantWithoutProof",
        what: "a leader grants leases without a proof that it still leads",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "sessions",
        fault: "NoSessions",
        what: "a write is acknowledged before every holder of a lease has registered it",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "renewal",
        fault: "SessionNotProlonged",
        what: "a renewal prolongs the lease of its holder, and not what the leader waits for",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "expiry",
        fault: "NoExpiry",
        what: "a holder goes on when its lease has run out",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "wait",
        fault: "NoWait",
        what: "a read does not wait for entries that may change its answer",
        nemeses: &[Nemesis::Partition],
    },
    Mutant {
        name: "registered",
        fault: "WaitForVisible",
        what: "a read waits for what its node knows to be visible, in place of what is registered",
        nemeses: &[Nemesis::Partition],
    },
];

/// The violation by which a broken rule was noticed. That a node stopped itself is not for the harness to be proud of.
pub fn noticed(violations: &[Violation]) -> Option<&Violation> {
    violations.iter().find(|violation| violation.rule != Rule::Health)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_of_one_mutant_each() {
        let names: BTreeSet<&str> = ALL.iter().flat_map(|mutant| [mutant.name, mutant.fault]).collect();
        assert_eq!(names.len(), 2 * ALL.len());
    }

    #[test]
    fn a_node_that_stopped_itself_is_not_noticed() {
        let of =
            |rule| Violation { rule, key: None, operations: Vec::new(), events: Vec::new(), detail: String::new() };
        assert_eq!(noticed(&[of(Rule::Health)]), None);
        let stale = [of(Rule::Health), of(Rule::AllowAfterRevoke)];
        assert_eq!(noticed(&stale).map(|violation| violation.rule), Some(Rule::AllowAfterRevoke));
    }
}
