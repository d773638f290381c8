//! Rules that nodes break on purpose, and what it takes to notice each.
//!
//! That a harness finds nothing means something only if it finds what is there. A node built with the feature `planted-faults`
//! breaks one rule when its environment names it.

mod all;
pub mod scene;
pub mod stage;

use crate::checker::{Rule, Violation};
use crate::schedule::Nemesis;

pub use all::ALL;
use scene::Scene;

/// The environment variable by which nodes are told which rule to break.
pub const VARIABLE: &str = "PORTCULLIS_PLANTED_FAULT";

/// What is said behind the name of a rule to nodes that grant leases to whoever makes no progress, too. To refuse a lease never
/// makes an answer wrong, and to grant it does not either, but some rules matter only then.
const WITHOUT_GATES: &str = " without gates";

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name here.
    pub name: &'static str,
    /// Its name in `crates/fault`.
    pub fault: &'static str,
    /// What the nodes do then.
    pub what: &'static str,
    /// Where it shows.
    pub hunt: Hunt,
}

/// Where a broken rule shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hunt {
    /// In runs.
    Runs(Runs),
    /// In a situation that runs seldom come upon.
    Scene(Scene),
}

/// Runs in which a broken rule shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// What clients do, by its name.
    pub workload: &'static str,
    /// Who makes faults.
    pub nemeses: &'static [Nemesis],
    /// Whether leases are refused to who makes no progress, as they are by sound nodes.
    pub gates: bool,
}

impl Mutant {
    /// What its nodes are told.
    pub fn told(&self) -> String {
        let has_gates = match self.hunt {
            Hunt::Runs(runs) => runs.gates,
            Hunt::Scene(scene) => scene.has_gates(),
        };
        format!("{}{}", self.fault, if has_gates { "" } else { WITHOUT_GATES })
    }
}

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
    fn every_scene_is_for_something() {
        let is_for = |scene: &Scene| ALL.iter().any(|mutant| mutant.hunt == Hunt::Scene(*scene));
        assert!(Scene::ALL.iter().all(is_for));
    }

    #[test]
    fn every_workload_exists() {
        for mutant in ALL {
            if let Hunt::Runs(Runs { workload, .. }) = mutant.hunt {
                assert!(crate::workload::find(workload).is_some(), "{workload}");
            }
        }
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
