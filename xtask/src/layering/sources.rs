//! What the sources of pure crates must not name, outside their tests.

use crate::source;
use crate::tidy;
use crate::tree::{Finding, Tree};

/// Reading a clock, the environment, a file or a socket, or starting a thread.
const IMPURE_WORDS: &[&str] = &[
    "::now()",
    "Instant::now",
    "SystemTime::now",
    "SystemTime",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
];

/// Scans crates that are pure, and those that are but for some files.
pub(super) fn check(tree: &Tree, pure: &[&str], rimmed: &[(&str, &[&str])]) -> Vec<Finding> {
    let tests = tidy::test_files(tree);
    let mut findings = Vec::new();
    for (folder, manifest) in tree.packages() {
        let is = |name: &str| manifest.contains(&format!("name = \"{name}\""));
        let rim = match rimmed.iter().find(|(name, _)| is(name)) {
            Some((_, rim)) => *rim,
            None if pure.iter().any(|name| is(name)) => &[],
            None => continue,
        };
        let rim: Vec<String> = rim.iter().map(|file| format!("{folder}/{file}")).collect();
        let gone = rim.iter().filter(|path| tree.text(path).is_none());
        findings.extend(gone.map(|path| Finding::file(path, "is gone; remove it from xtask/src/layering.rs")));
        let inside = format!("{folder}/src/");
        let is_pure =
            |path: &str| path.starts_with(&inside) && !tests.contains(path) && !rim.iter().any(|file| file == path);
        for (path, text) in tree.rust().filter(|(path, _)| is_pure(path)) {
            findings.extend(scan(path, text));
        }
    }
    findings
}

fn scan(path: &str, text: &str) -> Vec<Finding> {
    let code = source::without_tests(&source::bare(text));
    let mut findings: Vec<Finding> = Vec::new();
    let mut report = |at: usize, word: &str| {
        let finding =
            Finding::at(path, &code, at, format!("a pure crate must not name `{word}`; take it as an argument"));
        // One word may be found by several rules.
        if findings.iter().all(|other| other.line != finding.line) {
            findings.push(finding);
        }
    };
    for word in IMPURE_WORDS {
        source::find_words(&code, word).for_each(|at| report(at, word));
    }
    for (name, at) in imported_from_std(&code) {
        if matches!(name, "env" | "fs" | "net" | "process" | "thread" | "Instant") {
            report(at, name);
        }
    }
    findings
}

/// The names within the braces of `use std::{…}` and `use std::time::{…}`.
fn imported_from_std(code: &str) -> Vec<(&str, usize)> {
    let mut names = Vec::new();
    for start in ["std::{", "std::time::{"] {
        for (at, _) in code.match_indices(start) {
            let open = at + start.len();
            let end = code[open..].find(';').map_or(code.len(), |length| open + length);
            let mut from = open;
            for name in code[open..end].split(|letter| !source::is_ident(letter)) {
                names.push((name, from));
                from += name.len() + 1;
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("crates/eval/Cargo.toml", "[package]\nname = \"portcullis-eval\"\n");

    fn lines(text: &str) -> Vec<usize> {
        let tree = Tree::of(&[MANIFEST, ("crates/eval/src/lib.rs", text)]);
        check(&tree, &["portcullis-eval"], &[]).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn clocks_files_sockets_threads_and_environment_are_found() {
        assert_eq!(lines("fn f() {\n    let t = Instant::now();\n}"), [2]);
        assert_eq!(lines("use std::time::{Duration, Instant};"), [1]);
        assert_eq!(lines("use std::time::SystemTime;"), [1]);
        assert_eq!(lines("let a = std::env::var(\"A\");"), [1]);
        assert_eq!(lines("\n\nuse std::fs::File;"), [3]);
        assert_eq!(lines("use std::{fmt, net};"), [1]);
        assert_eq!(lines("std::thread::spawn(f);"), [1]);
        assert_eq!(lines("let t = jiff::Timestamp::now();"), [1]);
    }

    #[test]
    fn values_tests_and_comments_are_free() {
        assert!(lines("use std::time::Duration;\nuse std::{fmt, str};\n").is_empty());
        assert!(lines("//! Never calls Instant::now.\nconst A: &str = \"std::fs\";").is_empty());
        assert!(lines("#[cfg(test)]\nmod tests { fn f() { std::fs::read(\"a\"); } }").is_empty());
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_free() {
        let root = ("crates/eval/src/lib.rs", "#[cfg(test)]\nmod tests;\n");
        let tests = ("crates/eval/src/tests.rs", "use std::fs::File;\n");
        assert!(check(&Tree::of(&[MANIFEST, root, tests]), &["portcullis-eval"], &[]).is_empty());
        let root = ("crates/eval/src/lib.rs", "mod tests;\n");
        assert_eq!(check(&Tree::of(&[MANIFEST, root, tests]), &["portcullis-eval"], &[]).len(), 1);
    }

    #[test]
    fn a_rim_is_free_as_long_as_it_is_there() {
        let root = ("crates/eval/src/lib.rs", "mod rim;\nuse std::fs::File;\n");
        let rim = ("crates/eval/src/rim.rs", "use std::fs::File;\n");
        let found =
            |files: &[(&str, &str)]| check(&Tree::of(files), &[], &[("portcullis-eval", &["src/rim.rs"])]).len();
        assert_eq!(found(&[MANIFEST, root, rim]), 1);
        assert_eq!(found(&[MANIFEST, root]), 2);
    }

    #[test]
    fn other_crates_are_free() {
        let manifest = ("crates/node/Cargo.toml", "[package]\nname = \"portcullis-node\"\n");
        let tree = Tree::of(&[manifest, ("crates/node/src/lib.rs", "use std::fs::File;\n")]);
        assert!(check(&tree, &["portcullis-eval"], &[]).is_empty());
    }
}
