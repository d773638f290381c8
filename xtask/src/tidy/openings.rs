//! A crate opens by saying what it is.

use crate::tree::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, _) in tree.packages() {
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = format!("{folder}/{root}");
            if tree.text(&path).is_some_and(|text| !text.starts_with("//!")) {
                findings.push(Finding::file(&path, "must begin with `//!`: the problem, the idea, the invariants"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> usize {
        check(&Tree::of(&[("a/Cargo.toml", "[package]\n"), ("a/src/lib.rs", text)])).len()
    }

    #[test]
    fn a_crate_without_an_opening_is_found() {
        assert_eq!(check_text("//! The problem.\n"), 0);
        assert_eq!(check_text("use std::fmt;\n"), 1);
        assert_eq!(check_text("// Not a doc comment.\n"), 1);
        assert_eq!(check_text(""), 1);
    }
}
