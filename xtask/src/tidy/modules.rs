//! Which file is a module of which, so that no file is forgotten and test files are known.
//!
//! Cargo compiles each file directly under `tests/` as a program of its own, which costs a link each; so a crate has one,
//! and the others are its modules. A file that nobody declares as a module is never compiled and never fails.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;
use crate::tree::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let packages = tree.packages();
    let mut findings = Vec::new();
    for (folder, manifest) in &packages {
        let reached = reach(tree, &roots(tree, folder, manifest), |_| true);
        for (path, _) in tree.rust().filter(|(path, _)| owner(&packages, path) == Some(folder)) {
            if !reached.contains(path) {
                findings.push(Finding::file(path, "is no module of any program, so it is never compiled"));
            }
        }
        let programs: Vec<&str> = roots(tree, folder, manifest)
            .into_iter()
            .filter(|root| root.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/tests/")))
            .collect();
        if let [first, others @ ..] = programs.as_slice()
            && !others.is_empty()
        {
            let text = format!("one integration program per crate; make its modules of {}", others.join(", "));
            findings.push(Finding::file(first, text));
        }
    }
    findings
}

/// The files that are compiled for tests only.
pub(crate) fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (folder, manifest) in tree.packages() {
        let is_test = |root: &&str| ["/tests/", "/benches/"].iter().any(|part| root[folder.len()..].starts_with(part));
        let (test_roots, roots): (Vec<&str>, Vec<&str>) = roots(tree, folder, manifest).into_iter().partition(is_test);
        let shipped = reach(tree, &roots, |module| !module.test_only);
        let all = reach(tree, &roots, |_| true);
        tests.extend(all.difference(&shipped).cloned());
        tests.extend(reach(tree, &test_roots, |_| true));
    }
    tests
}

/// The deepest package that a path lies in.
fn owner<'a>(packages: &[(&'a str, &str)], path: &str) -> Option<&'a str> {
    let inside = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    packages.iter().map(|(folder, _)| *folder).find(|folder| inside(folder))
}

/// The files that cargo starts compiling from, by its conventions and by the manifest's `path` keys.
fn roots<'a>(tree: &'a Tree, folder: &str, manifest: &str) -> Vec<&'a str> {
    let named: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("path = \"")?.split_once('"'))
        .map(|(path, _)| path)
        .collect();
    let is_root = |path: &str| {
        let Some(within) = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else { return false };
        match within.split('/').collect::<Vec<_>>().as_slice() {
            ["build.rs"] | ["src", "lib.rs" | "main.rs"] => true,
            ["src", "bin", inside @ ..] | ["tests" | "benches" | "examples", inside @ ..] => {
                matches!(inside, [_] | [_, "main.rs"]) || named.contains(&within)
            }
            _ => named.contains(&within),
        }
    };
    tree.rust().map(|(path, _)| path).filter(|path| is_root(path)).collect()
}

fn reach(tree: &Tree, roots: &[&str], follow: impl Fn(&Module) -> bool) -> BTreeSet<String> {
    let starts: BTreeSet<&str> = roots.iter().copied().collect();
    let mut waiting: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let Some(text) = tree.text(&path) else { continue };
        for module in declared(text).iter().filter(|module| follow(module)) {
            waiting
                .extend(module.places(&path, starts.contains(path.as_str())).filter(|place| !reached.contains(place)));
        }
        reached.insert(path);
    }
    reached
}

/// A `mod name;`, an `include!` of a file being one with a path.
struct Module {
    name: String,
    path: Option<String>,
    test_only: bool,
}

impl Module {
    /// Where the module's file may be, seen from the file that declares it.
    fn places(&self, from: &str, is_root: bool) -> impl Iterator<Item = String> {
        let (folder, file) = from.rsplit_once('/').unwrap_or(("", from));
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let own = if is_root || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
        let places = match &self.path {
            Some(path) => vec![normal(&format!("{folder}/{path}"))],
            None => vec![format!("{own}/{}.rs", self.name), format!("{own}/{}/mod.rs", self.name)],
        };
        places.into_iter()
    }
}

fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn declared(text: &str) -> Vec<Module> {
    let code = source::bare(text);
    let tests = source::test_parts(&code);
    let mut modules = Vec::new();
    for at in source::find_words(&code, "mod") {
        let rest = code[at + "mod".len()..].trim_start();
        let name: String =
            rest.trim_start_matches("r#").chars().take_while(|letter| source::is_ident(*letter)).collect();
        let after = rest.trim_start_matches("r#")[name.len()..].trim_start();
        if name.is_empty() || !after.starts_with(';') {
            continue;
        }
        let before = code[..at].rfind([';', '}', '{']).map_or(0, |end| end + 1);
        let path = attribute_path(&text[before..at]);
        modules.push(Module { name, path, test_only: tests.iter().any(|part| part.contains(&at)) });
    }
    for at in source::find_words(&code, "include!") {
        let path = text[at..].split('"').nth(1).map(str::to_owned);
        modules.push(Module { name: String::new(), path, test_only: false });
    }
    modules
}

fn attribute_path(attributes: &str) -> Option<String> {
    let values: BTreeMap<&str, &str> = attributes
        .split("#[")
        .filter_map(|attribute| attribute.split_once('='))
        .map(|(key, value)| (key.trim(), value.split('"').nth(1).unwrap_or_default()))
        .collect();
    values.get("path").map(|path| (*path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) = ("a/Cargo.toml", "[package]\n");

    fn check_paths(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(&str, &str)> = [MANIFEST].iter().chain(files).copied().collect();
        check(&Tree::of(&files)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_forgotten_file_is_found() {
        assert_eq!(
            check_paths(&[("a/tests/main.rs", "mod b;"), ("a/tests/b/mod.rs", ""), ("a/tests/b/c.rs", "")]),
            ["a/tests/b/c.rs"]
        );
        assert_eq!(check_paths(&[("a/src/lib.rs", "// mod b;"), ("a/src/b.rs", "")]), ["a/src/b.rs"]);
    }

    #[test]
    fn modules_are_found_where_rust_finds_them() {
        let files = [
            ("a/src/lib.rs", "mod b;\npub mod d;\n#[path = \"odd/place.rs\"]\nmod e;\nmod inline { }"),
            ("a/src/b.rs", "mod c;"),
            ("a/src/b/c.rs", ""),
            ("a/src/d/mod.rs", "mod f;"),
            ("a/src/d/f.rs", "include!(\"../g.rs\");"),
            ("a/src/g.rs", ""),
            ("a/src/odd/place.rs", ""),
            ("a/build.rs", ""),
            ("a/src/bin/tool.rs", ""),
            ("elsewhere/x.rs", ""),
        ];
        assert!(check_paths(&files).is_empty(), "{:?}", check_paths(&files));
    }

    #[test]
    fn a_manifest_may_name_further_programs() {
        let manifest = ("a/Cargo.toml", "[package]\n[[bin]]\npath = \"targets/t.rs\"\n");
        assert!(check(&Tree::of(&[manifest, ("a/targets/t.rs", "")])).is_empty());
        assert_eq!(check(&Tree::of(&[MANIFEST, ("a/targets/t.rs", "")])).len(), 1);
    }

    #[test]
    fn a_second_integration_program_is_found() {
        assert_eq!(check_paths(&[("a/tests/one.rs", ""), ("a/tests/two.rs", "")]), ["a/tests/one.rs"]);
        assert_eq!(check_paths(&[("a/tests/one.rs", ""), ("a/tests/two/main.rs", "")]), ["a/tests/one.rs"]);
        assert!(check_paths(&[("a/tests/one.rs", "mod two;"), ("a/tests/two.rs", "")]).len() == 1);
        assert!(check_paths(&[("a/tests/one/main.rs", "mod two;"), ("a/tests/one/two.rs", "")]).is_empty());
    }

    #[test]
    fn test_files_are_those_that_only_tests_reach() {
        let tree = Tree::of(&[
            MANIFEST,
            ("a/src/lib.rs", "mod b;\n#[cfg(test)]\nmod tests;"),
            ("a/src/b.rs", ""),
            ("a/src/tests.rs", "mod deep;"),
            ("a/src/tests/deep.rs", ""),
            ("a/tests/main.rs", "mod c;"),
            ("a/tests/c.rs", ""),
        ]);
        let found: Vec<String> = test_files(&tree).into_iter().collect();
        assert_eq!(found, ["a/src/tests.rs", "a/src/tests/deep.rs", "a/tests/c.rs", "a/tests/main.rs"]);
    }
}
