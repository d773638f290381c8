//! The text files of a checkout, held in memory, so that rules are functions from text to findings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::toolchain;

/// Paths relative to the root of the checkout, with `/`, and their text.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
    /// Files that are not text; links may point to them.
    others: Vec<String>,
}

impl Tree {
    /// Reads what git tracks and what it would track: everything that is not ignored.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listing = toolchain::output(&mut git).context("cannot list the files; xtask needs a git checkout")?;
        let mut tree = Self { files: BTreeMap::new(), others: Vec::new() };
        for path in listing.split_terminator('\0') {
            let absolute = root.join(path);
            // A file deleted since the last commit is still listed, and a symbolic link is not text of its own.
            if !absolute.is_file() || absolute.is_symlink() {
                tree.others.extend(absolute.exists().then(|| path.to_owned()));
                continue;
            }
            let bytes = std::fs::read(&absolute).with_context(|| format!("cannot read `{}`", absolute.display()))?;
            match String::from_utf8(bytes) {
                Ok(text) => drop(tree.files.insert(path.to_owned(), text)),
                Err(_) => tree.others.push(path.to_owned()),
            }
        }
        Ok(tree)
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { files, others: Vec::new() }
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| has_extension(path, "rs"))
    }

    pub(crate) fn markdown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| has_extension(path, "md"))
    }

    /// Whether the path is a file or a folder of the checkout; the empty path is its root.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        let mut paths = self.files.keys().chain(&self.others);
        path.is_empty() || paths.any(|known| known == path || known.starts_with(&inside))
    }

    /// The folders that hold a package, deepest first, each with the text of its manifest.
    pub(crate) fn packages(&self) -> Vec<(&str, &str)> {
        let manifests = self.files().filter_map(|(path, text)| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            text.lines().any(|line| line.trim() == "[package]").then_some((folder, text))
        });
        let mut packages: Vec<(&str, &str)> = manifests.collect();
        packages.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        packages
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// One thing that must change, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1; 0 when the finding is about the whole file.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn file(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, text: text.into() }
    }

    /// A finding at a byte position of a file's text.
    pub(crate) fn at(path: &str, text_of_file: &str, position: usize, text: impl Into<String>) -> Self {
        let line = text_of_file[..position].matches('\n').count() + 1;
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.text),
            line => write!(formatter, "{}:{line}: {}", self.path, self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_held_as_well_as_files() {
        let tree = Tree::of(&[("docs/a.md", ""), ("docs/deep/b.md", "")]);
        assert!(tree.holds("docs") && tree.holds("docs/a.md") && tree.holds("docs/deep") && tree.holds(""));
        assert!(!tree.holds("doc") && !tree.holds("docs/a"));
    }

    #[test]
    fn a_workspace_manifest_is_no_package() {
        let tree = Tree::of(&[("Cargo.toml", "[workspace]\n"), ("a/Cargo.toml", "[package]\n"), ("b/Cargo.toml", "")]);
        assert_eq!(tree.packages(), [("a", "[package]\n")]);
    }

    #[test]
    fn findings_show_place_and_text() {
        assert_eq!(Finding::at("a.rs", "x\ny z", 4, "no z").to_string(), "a.rs:2: no z");
        assert_eq!(Finding::file("a.rs", "too long").to_string(), "a.rs: too long");
    }
}
