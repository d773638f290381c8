//! A file holds one idea, and few ideas need more than 500 lines of code. Clippy counts functions.

use crate::source;
use crate::tree::{Finding, Tree};

/// Lines that are neither blank nor comment only.
const CODE_LINES_MAX: usize = 500;

/// Files over the limit, with their size. Entries may shrink and go; none may come or grow.
const OVERSIZE: &[(&str, usize)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, OVERSIZE)
}

fn check_against(tree: &Tree, oversize: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let lines = code_lines(text);
        let listed = oversize.iter().find(|(listed, _)| *listed == path).map(|(_, lines)| *lines);
        let limit = listed.unwrap_or(CODE_LINES_MAX);
        if lines > limit {
            findings.push(Finding::file(path, format!("{lines} lines of code, over {limit}; split it by ideas")));
        } else if listed.is_some_and(|listed| lines < listed) {
            let text = format!("{lines} lines of code; lower or remove its entry in xtask/src/tidy/size.rs");
            findings.push(Finding::file(path, text));
        }
    }
    let gone = oversize.iter().filter(|(path, _)| tree.text(path).is_none());
    findings.extend(gone.map(|(path, _)| Finding::file(path, "is gone; remove it from xtask/src/tidy/size.rs")));
    findings
}

fn code_lines(text: &str) -> usize {
    source::without_comments(text).lines().filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code_lines: usize, oversize: &[(&str, usize)]) -> usize {
        let text = format!("{}\n// A comment.\n\n", "let a;\n".repeat(code_lines));
        check_against(&Tree::of(&[("a.rs", &text)]), oversize).len()
    }

    #[test]
    fn only_code_counts() {
        assert_eq!(check(500, &[]), 0);
        assert_eq!(check(501, &[]), 1);
        assert_eq!(code_lines("/* a\n b */\nlet c; // d\nlet e = \"\n//\n\";"), 4);
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert_eq!(check(600, &[("a.rs", 600)]), 0);
        assert_eq!(check(601, &[("a.rs", 600)]), 1);
        assert_eq!(check(599, &[("a.rs", 600)]), 1);
        assert_eq!(check(1, &[("gone.rs", 600)]), 1);
    }
}
