//! Whatever was done to the nodes: at the same revision they have the same state, and none of them has failed.

use std::collections::BTreeMap;

use crate::history::{History, StateHash};

use super::{Findings, Judge, Rule, Violation};

/// The judge, of whatever the clients did.
pub const JUDGE: Judge =
    Judge { name: "agreement", what: "nodes have the same state at the same revision, and none fails", judge };

/// What the nodes came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Nodes that differ, and nodes that failed.
    pub violations: Vec<Violation>,
    /// Nodes that did not say what they came to, or at another revision than the others.
    pub silent: Vec<u64>,
    /// At how many revisions more than one node said what it had.
    pub compared: usize,
}

fn judge(history: &History) -> Findings {
    let Agreed { violations, silent, compared } = check(history);
    if let Some(system) = &history.run.system {
        let facts = vec![format!("no states compared: those of {system} are not known")];
        return Findings { violations, facts, ..Findings::default() };
    }
    let doubts = silent.iter().map(|node| format!("node {node} did not say what its state came to")).collect();
    let facts = vec![format!("states compared at {compared} revisions")];
    Findings { violations, doubts, facts, ..Findings::default() }
}

/// Compares the nodes.
pub fn check(history: &History) -> Agreed {
    let mut by_revision: BTreeMap<u64, Vec<&StateHash>> = BTreeMap::new();
    for hash in &history.hashes {
        by_revision.entry(hash.revision).or_default().push(hash);
    }
    let compared = by_revision.values().filter(|hashes| hashes.iter().any(|hash| hash.node != hashes[0].node)).count();
    let mut agreed = Agreed { compared, ..Agreed::default() };
    for (revision, hashes) in &by_revision {
        if hashes.iter().any(|other| other.hash != hashes[0].hash) {
            let told: Vec<String> = hashes.iter().map(|hash| format!("node {} has {}", hash.node, hash.hash)).collect();
            agreed.violations.push(wrong(Rule::Agreement, format!("at revision {revision} {}", told.join(", "))));
        }
    }
    let last = by_revision.last_key_value().map(|(_, hashes)| hashes.as_slice()).unwrap_or_default();
    agreed.silent = history.remaining().filter(|node| last.iter().all(|hash| hash.node != *node)).collect();
    let alarms = history.alarms.iter().map(|alarm| wrong(Rule::Health, format!("node {}: {}", alarm.node, alarm.what)));
    agreed.violations.extend(alarms);
    agreed
}

fn wrong(rule: Rule, detail: String) -> Violation {
    Violation { rule, key: None, operations: Vec::new(), events: Vec::new(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::history;
    use crate::history::{Alarm, Retired};

    fn agreed(hashes: &[(u64, u64, &str)]) -> Agreed {
        let mut history = history([]);
        history.hashes = hashes
            .iter()
            .map(|(node, revision, hash)| StateHash { node: *node, revision: *revision, hash: (*hash).to_owned() })
            .collect();
        check(&history)
    }

    #[test]
    fn nodes_that_have_the_same_pass() {
        let same = agreed(&[(1, 5, "cd"), (2, 5, "cd"), (1, 9, "ab"), (2, 9, "ab"), (3, 9, "ab")]);
        assert_eq!(same, Agreed { compared: 2, ..Agreed::default() });
    }

    #[test]
    fn a_node_that_differs_is_found() {
        let found = agreed(&[(1, 9, "ab"), (2, 9, "ab"), (3, 9, "cd")]);
        assert_eq!(found.violations[0].rule, Rule::Agreement);
        assert!(found.violations[0].detail.contains("node 3 has cd"));
        let before = agreed(&[(1, 5, "cd"), (2, 5, "ef"), (1, 9, "ab"), (2, 9, "ab"), (3, 9, "ab")]);
        assert_eq!(before.violations.len(), 1, "also if they came to the same in the end");
    }

    #[test]
    fn a_node_that_says_nothing_leaves_it_open() {
        assert_eq!(agreed(&[(1, 9, "ab"), (3, 9, "ab")]).silent, [2]);
        assert_eq!(agreed(&[(1, 9, "ab"), (2, 8, "cd"), (3, 9, "ab")]).silent, [2]);
        assert_eq!(agreed(&[]).silent, [1, 2, 3]);
    }

    #[test]
    fn a_node_that_is_out_of_the_cluster_is_asked_nothing() {
        let mut history = history([]);
        history.retired.push(Retired { node: 2, at_us: 1, why: "its log is damaged".to_owned() });
        assert_eq!(check(&history).silent, [1, 3]);
    }

    #[test]
    fn a_node_that_failed_is_found() {
        let mut history = history([]);
        history.alarms.push(Alarm { node: 2, what: "it ended with exit status: 1".to_owned() });
        assert_eq!(check(&history).violations[0].rule, Rule::Health);
    }
}
