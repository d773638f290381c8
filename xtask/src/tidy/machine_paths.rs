//! No file knows where one machine keeps its things.

use crate::tree::{Finding, Tree};

/// First folders of absolute paths that exist on some machines only.
const FOLDERS: &[&str] = &["home", "root", "work"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files().flat_map(|(path, text)| scan(path, text)).collect()
}

fn scan(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let start = format!("/{folder}/");
        for (at, _) in text.match_indices(&start) {
            if text[..at].chars().next_back().is_none_or(begins_a_path) {
                findings.push(Finding::at(path, text, at, format!("a path of one machine: `{start}`")));
            }
        }
    }
    findings
}

/// Whether a slash after this character begins an absolute path, rather than goes on with a relative one or a URL.
fn begins_a_path(before: char) -> bool {
    !before.is_alphanumeric() && !"_-.~/}>*$)".contains(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> usize {
        // The sign stands for a slash, so that this file passes its own rule.
        scan("a.md", &text.replace('|', "/")).len()
    }

    #[test]
    fn absolute_paths_of_a_machine_are_found() {
        assert_eq!(check_text("|home|me|code"), 1);
        assert_eq!(check_text("see `|root|.cargo`\nand (|work|main)"), 2);
        assert_eq!(check_text("file:|work|main"), 1);
    }

    #[test]
    fn relative_paths_and_addresses_are_free() {
        assert_eq!(check_text("docs|work|a https:||example.org|home|b ~|work|c ${X}|root|d"), 0);
        assert_eq!(check_text("|homework |usr|lib"), 0);
    }
}
