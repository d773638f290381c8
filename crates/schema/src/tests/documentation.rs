//! The examples of `docs/schema.md`.

use std::fs;

use crate::{Problems, compile, lint, print};

#[test]
fn examples_compile() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.md");
    let page = fs::read_to_string(page).unwrap();
    let examples: Vec<&str> = page.split("```zed\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    let compiled: Result<Vec<_>, Problems> = examples.iter().copied().map(compile).collect();
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems}"));
    // The first is written as it is printed, and nothing to warn of.
    assert_eq!(print(&compiled[0]), examples[0]);
    assert!(lint(&compiled[0]).is_empty(), "{:?}", lint(&compiled[0]));
}
