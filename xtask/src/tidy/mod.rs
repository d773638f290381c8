//! `tidy`: rules on files and words that no compiler checks. Each rule is a function from the tree to its findings.

mod links;
mod machine_paths;
mod modules;
mod names;
mod openings;
mod size;
mod waits;
mod whitespace;
mod words;

use crate::tree::{Finding, Tree};

pub(crate) use modules::test_files;

const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    size::check,
    words::check,
    waits::check,
    names::check,
    modules::check,
    openings::check,
    machine_paths::check,
    whitespace::check,
    links::check,
];

/// Applies every rule.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}
