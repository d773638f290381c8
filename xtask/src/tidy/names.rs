//! A file is named by its idea; these names say that there is none.

use crate::tree::{Finding, Tree};

const NAMELESS: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let nameless = tree.rust().filter_map(|(path, _)| {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let name = stem.split('/').find(|part| NAMELESS.contains(part))?;
        Some(Finding::file(path, format!("`{name}` names no idea; name the file by what it holds")))
    });
    nameless.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_without_an_idea_are_found() {
        let paths = ["a/src/utils.rs", "a/tests/common/mod.rs", "a/src/helpers.rs"];
        assert_eq!(check(&Tree::of(&paths.map(|path| (path, "")))).len(), 3);
        let paths = ["a/src/commons.rs", "a/src/utility_model.rs", "docs/common.md"];
        assert!(check(&Tree::of(&paths.map(|path| (path, "")))).is_empty());
    }
}
