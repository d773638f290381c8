//! `layering`: which crate may use which. The table is the one of `docs/ARCHITECTURE.md`; both change in one commit.

mod graph;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use crate::tree::{Finding, Tree};
use graph::{Graph, Package};

/// The crates a crate may name. It may also name whatever those may name, and nothing else of the workspace.
const USES: &[(&str, &[&str])] = &[
    ("portcullis-model", &[]),
    ("portcullis-caveat", &["portcullis-model"]),
    ("portcullis-schema", &["portcullis-model", "portcullis-caveat"]),
    ("portcullis-eval", &["portcullis-model", "portcullis-caveat", "portcullis-schema"]),
    ("portcullis-machine", &["portcullis-model", "portcullis-schema", "portcullis-lease"]),
    ("portcullis-lease", &["portcullis-fault"]),
    ("portcullis-identity", &["portcullis-model"]),
    ("portcullis-fault", &[]),
    ("portcullis-storage", &["portcullis-model", "portcullis-schema", "portcullis-eval", "portcullis-machine"]),
    ("portcullis-consensus", &["portcullis-machine", "portcullis-lease", "portcullis-storage"]),
    ("portcullis-node", &["portcullis-eval", "portcullis-machine", "portcullis-storage", "portcullis-consensus"]),
    ("portcullis-wire", &["portcullis-model"]),
    ("portcullis-pki", &["portcullis-model"]),
    ("portcullis-server", &["portcullis-node", "portcullis-wire", "portcullis-pki"]),
    ("portcullis-client", &["portcullis-wire", "portcullis-model"]),
    ("portcullis", &["portcullis-server", "portcullis-client"]),
    ("xtask", &[]),
    // From outside, like any user; the simulation runs the node itself.
    ("portcullis-tests", &["portcullis-client"]),
    ("portcullis-sim", &["portcullis-server"]),
    ("portcullis-differential", &["portcullis-eval", "portcullis-machine"]),
    // It names what nodes can be told.
    ("portcullis-jepsen", &["portcullis-client", "portcullis-fault"]),
    // What reads input from outside.
    ("portcullis-fuzz", &["portcullis-schema", "portcullis-identity", "portcullis-pki", "portcullis-wire"]),
];

/// Values in, values out: time, randomness and input are arguments of these crates.
const PURE: &[&str] = &[
    "portcullis-model",
    "portcullis-caveat",
    "portcullis-schema",
    "portcullis-eval",
    "portcullis-machine",
    "portcullis-lease",
    "portcullis-fault",
];

/// Crates that are pure but for these files. Their dependencies may reach what is impure: cryptography and TLS bring it along.
const RIMMED: &[(&str, &[&str])] = &[("portcullis-identity", &["src/jwt/fetch.rs"])];

/// What pure crates must not reach, by whatever way: runtimes, engines, randomness, clocks and the operating system.
/// A name that ends in `*` stands for all that begin so.
const IMPURE: &[&str] = &[
    "axum",
    "clocksource",
    "coarsetime",
    "fastrand",
    "getrandom",
    "hyper",
    "instant",
    "librocksdb-sys",
    "minstant",
    "mio",
    "nix",
    "openraft*",
    "prost*",
    "quanta",
    "rand",
    "rocksdb",
    "rustix",
    "socket2",
    "time",
    "tokio*",
    "tonic*",
    "web-time",
];

/// External crates that only some crates may name, so that each engine has one owner. The first match counts.
const OWNERS: &[(&str, &[&str])] = &[
    ("rocksdb", &["portcullis-storage"]),
    ("librocksdb-sys", &["portcullis-storage"]),
    ("openraft*", &["portcullis-consensus"]),
    ("tonic-prost*", &["portcullis-wire"]),
    // Fuzzing takes messages apart that no listener has taken apart before.
    ("prost*", &["portcullis-wire", "portcullis-fuzz"]),
    ("protox*", &["portcullis-wire"]),
    // The harness calls another system, which the client library knows nothing of.
    ("tonic*", &["portcullis-wire", "portcullis-server", "portcullis-client", "portcullis-tests", "portcullis-jepsen"]),
];

/// Checks the dependency graph and the sources of the pure crates.
pub(crate) fn check(metadata: &Metadata, tree: &Tree) -> Result<Vec<Finding>> {
    let graph = Graph::of(metadata)?;
    let mut findings = edges(&graph, USES);
    findings.extend(owners(&graph, OWNERS));
    findings.extend(purity(&graph, PURE, IMPURE));
    findings.extend(sources::check(tree, PURE, RIMMED));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Edges between crates of the workspace. Dev-dependencies may go anywhere: they shape tests only.
fn edges(graph: &Graph, uses: &[(&str, &[&str])]) -> Vec<Finding> {
    let table: BTreeMap<&str, &[&str]> = uses.iter().copied().collect();
    let mut findings = Vec::new();
    for package in graph.members() {
        if !table.contains_key(package.name.as_str()) {
            findings.push(finding(package, "is not in the table of xtask/src/layering.rs; say there what it may use"));
            continue;
        }
        let allowed = closure(&table, &package.name);
        for (kind, other) in graph.dependencies(package) {
            let tested = kind == DependencyKind::Development;
            if other.member && !tested && !allowed.contains(other.name.as_str()) {
                findings.push(finding(package, &format!("must not use {}", other.name)));
            }
        }
    }
    findings
}

fn closure<'a>(table: &BTreeMap<&str, &'a [&'a str]>, name: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = table.get(name).copied().unwrap_or_default().to_vec();
    while let Some(next) = waiting.pop() {
        if reached.insert(next) {
            waiting.extend(table.get(next).copied().unwrap_or_default());
        }
    }
    reached
}

/// Direct dependencies of any kind on crates that have an owner.
fn owners(graph: &Graph, owners: &[(&str, &[&str])]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in graph.members() {
        for (_, other) in graph.dependencies(package) {
            let owner = owners.iter().find(|(pattern, _)| matches(pattern, &other.name));
            if let Some((_, owners)) = owner.filter(|(_, owners)| !owners.contains(&package.name.as_str())) {
                let text = format!("must not name {}; only {} may", other.name, owners.join(", "));
                findings.push(finding(package, &text));
            }
        }
    }
    findings
}

/// Whatever a pure crate reaches through normal dependencies.
fn purity(graph: &Graph, pure: &[&str], impure: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in graph.members().filter(|package| pure.contains(&package.name.as_str())) {
        for way in graph.ways(package) {
            // INVARIANT: a way holds at least the crate it starts from.
            let end = way.last().expect("a way has an end");
            if impure.iter().any(|pattern| matches(pattern, end)) {
                findings.push(finding(package, &format!("is pure and must not reach {end}: {}", way.join(" -> "))));
            }
        }
    }
    findings
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn finding(package: &Package, text: &str) -> Finding {
    Finding::file(&package.manifest, format!("{} {text}", package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMAL: DependencyKind = DependencyKind::Normal;
    const DEV: DependencyKind = DependencyKind::Development;
    const BUILD: DependencyKind = DependencyKind::Build;

    /// Crates named `portcullis*` are members; every edge names its ends.
    fn graph(edges: &[(&str, DependencyKind, &str)]) -> Graph {
        Graph::made_up(edges, |name| name.starts_with("portcullis"))
    }

    fn texts(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.text.as_str()).collect()
    }

    fn check_edge(from: &str, kind: DependencyKind, to: &str) -> usize {
        edges(&graph(&[(from, kind, to)]), USES).len()
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        let found = edges(&graph(&[("portcullis-model", NORMAL, "portcullis-storage")]), USES);
        assert_eq!(texts(&found), ["portcullis-model must not use portcullis-storage"]);
        assert_eq!(check_edge("portcullis-wire", NORMAL, "portcullis-node"), 1);
        assert_eq!(check_edge("portcullis-storage", BUILD, "portcullis-consensus"), 1);
    }

    #[test]
    fn edges_of_the_table_and_below_it_are_free() {
        assert_eq!(check_edge("portcullis-server", NORMAL, "portcullis-node"), 0);
        assert_eq!(check_edge("portcullis-node", NORMAL, "portcullis-model"), 0);
        assert_eq!(check_edge("portcullis", NORMAL, "portcullis-eval"), 0);
        assert_eq!(check_edge("portcullis-model", DEV, "portcullis-eval"), 0);
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        let found = edges(&graph(&[("portcullis-new", NORMAL, "serde")]), USES);
        assert!(found[0].text.contains("portcullis-new is not in the table"));
    }

    #[test]
    fn the_table_has_no_cycle_and_names_only_itself() {
        let table: BTreeMap<&str, &[&str]> = USES.iter().copied().collect();
        for (name, uses) in USES {
            assert!(!closure(&table, name).contains(name), "{name} reaches itself");
            assert!(uses.iter().all(|used| table.contains_key(used)), "{name} uses an unknown crate");
        }
        assert!(PURE.iter().all(|name| table.contains_key(name)));
        assert!(RIMMED.iter().all(|(name, _)| table.contains_key(name) && !PURE.contains(name)));
    }

    #[test]
    fn an_engine_is_named_by_its_owner_only() {
        let found = owners(&graph(&[("portcullis-node", DEV, "rocksdb")]), OWNERS);
        assert_eq!(texts(&found), ["portcullis-node must not name rocksdb; only portcullis-storage may"]);
        assert_eq!(owners(&graph(&[("portcullis-node", NORMAL, "openraft-macros")]), OWNERS).len(), 1);
        assert_eq!(owners(&graph(&[("portcullis-server", NORMAL, "tonic-prost")]), OWNERS).len(), 1);
        assert_eq!(owners(&graph(&[("portcullis-server", NORMAL, "tonic-health")]), OWNERS).len(), 0);
        assert_eq!(owners(&graph(&[("portcullis-storage", NORMAL, "rocksdb")]), OWNERS).len(), 0);
    }

    #[test]
    fn a_pure_crate_reaches_nothing_impure_by_any_way() {
        let way = [("portcullis-eval", NORMAL, "imbl"), ("imbl", NORMAL, "rand")];
        let found = purity(&graph(&way), PURE, IMPURE);
        let text = "portcullis-eval is pure and must not reach rand: portcullis-eval -> imbl -> rand";
        assert_eq!(texts(&found), [text]);
        assert_eq!(purity(&graph(&[("portcullis-lease", NORMAL, "tokio-util")]), PURE, IMPURE).len(), 1);
    }

    #[test]
    fn tests_and_build_scripts_of_pure_crates_are_exempt() {
        let ways = [
            ("portcullis-eval", DEV, "proptest"),
            ("proptest", NORMAL, "rand"),
            ("portcullis-eval", BUILD, "getrandom"),
            ("portcullis-eval", NORMAL, "rand_core"),
            ("portcullis-storage", NORMAL, "rocksdb"),
        ];
        assert!(purity(&graph(&ways), PURE, IMPURE).is_empty());
    }
}
