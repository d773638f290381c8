//! No line ends in blanks, and every file ends its last line.

use crate::tree::{Finding, Tree};

/// Inputs of fuzzing are what they are, to the byte.
const CORPUS: &str = "fuzz/corpus/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().filter(|(path, _)| !path.starts_with(CORPUS)).flat_map(|(path, text)| scan(path, text)).collect()
}

fn scan(path: &str, text: &str) -> Vec<Finding> {
    let finding = |line: usize, text: &str| Finding { path: path.to_owned(), line, text: text.to_owned() };
    let lines = text.split('\n').enumerate().filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    let mut findings: Vec<Finding> = lines.map(|(at, _)| finding(at + 1, "trailing whitespace")).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(finding(text.lines().count(), "no line break at the end"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Vec<usize> {
        scan("a", text).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn blanks_at_a_line_end_are_found() {
        assert_eq!(check_text("a\nb \nc\t\nd\r\n"), [2, 3, 4]);
        assert_eq!(check_text("a\nb"), [2]);
        assert!(check_text("a\n  b\n\n").is_empty());
        assert!(check_text("").is_empty());
    }

    #[test]
    fn inputs_of_fuzzing_are_free() {
        assert_eq!(check(&Tree::of(&[("fuzz/corpus/token/a", "a \nb"), ("fuzz/src/lib.rs", "a \n")])).len(), 1);
    }
}
