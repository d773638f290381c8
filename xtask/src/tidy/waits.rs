//! Tests wait for a condition, never for a duration.

use super::modules;
use crate::source;
use crate::tree::{Finding, Tree};

/// Files that hold the loop which polls a condition until a deadline, and so may sleep between two looks; and the one where
/// time is simulated.
const POLLERS: &[&str] = &["tests/src/wait.rs", "tests/sim/src/time.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_but(tree, POLLERS)
}

fn check_but(tree: &Tree, pollers: &[&str]) -> Vec<Finding> {
    let tests = modules::test_files(tree);
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !pollers.contains(path)) {
        let code = source::bare(text);
        let whole = tests.contains(path) || path.starts_with("tests/");
        let parts = source::test_parts(&code);
        for at in ["sleep(", "sleep_until("].into_iter().flat_map(|word| source::find_words(&code, word)) {
            if whole || parts.iter().any(|part| part.contains(&at)) {
                findings.push(Finding::at(path, &code, at, "a test sleeps; wait for the condition instead"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("crates/a/Cargo.toml", "[package]\n");

    fn check(path: &str, text: &str) -> usize {
        check_but(&Tree::of(&[MANIFEST, (path, text)]), &[]).len()
    }

    #[test]
    fn a_sleeping_test_is_found() {
        assert_eq!(check("crates/a/tests/main.rs", "std::thread::sleep(d);"), 1);
        assert_eq!(check("tests/src/cluster.rs", "tokio::time::sleep(d).await;"), 1);
        assert_eq!(check("crates/a/src/lib.rs", "#[cfg(test)]\nmod tests { fn f() { sleep(d); } }"), 1);
    }

    #[test]
    fn code_may_sleep_and_so_may_the_poller() {
        assert_eq!(check("crates/a/src/lib.rs", "tokio::time::sleep(d).await;\n#[cfg(test)]\nmod tests {}"), 0);
        assert_eq!(check("crates/a/tests/main.rs", "// sleep(d)\nasleep(d);"), 0);
        let tree = Tree::of(&[("tests/src/wait.rs", "sleep(d);")]);
        assert!(check_but(&tree, &["tests/src/wait.rs"]).is_empty());
    }
}
