//! Words that mark unfinished work or switch a check off without saying why.

use crate::source;
use crate::tree::{Finding, Tree};

const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "remove it"),
    ("#[ignore", "a test that does not run is deleted"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(|(path, text)| scan(path, text)).collect()
}

fn scan(path: &str, text: &str) -> Vec<Finding> {
    let code = source::bare(text);
    let mut findings = Vec::new();
    for (word, remedy) in FORBIDDEN {
        let places = source::find_words(&code, word);
        findings.extend(places.map(|at| Finding::at(path, &code, at, format!("`{word}`: {remedy}"))));
    }
    for (at, attribute) in attributes(&code) {
        let names = |lint: &str| source::find_words(attribute, lint).next().is_some();
        if names("allow(") {
            let text = "`allow`: suppress a lint only by `#[expect(…, reason = \"…\")]`";
            findings.push(Finding::at(path, &code, at, text));
        }
        if names("expect(") && !names("reason") {
            findings.push(Finding::at(path, &code, at, "`expect` without a reason"));
        }
    }
    findings
}

/// The attributes of bare code, each with its position.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = code.match_indices('#').map(|(at, _)| at);
    starts.filter_map(|at| {
        let rest = &code[at..];
        let open = rest.find('[').filter(|open| matches!(&rest[..*open], "#" | "#!"))?;
        let mut depth = 0_usize;
        let end = rest[open..].char_indices().find_map(|(offset, letter)| {
            match letter {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(open + offset + 1)
        });
        Some((at, &rest[..end?]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> usize {
        scan("a.rs", text).len()
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(check("fn f() { todo!() }"), 1);
        assert_eq!(check("fn f() { unimplemented!(\"later\") }"), 1);
        assert_eq!(check("let a = dbg!(b);"), 1);
        assert_eq!(check("#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(check("#[ignore = \"slow\"]"), 1);
    }

    #[test]
    fn a_lint_is_suppressed_by_expect_with_a_reason() {
        assert_eq!(check("#[allow(dead_code)]"), 1);
        assert_eq!(check("#![allow(clippy::all)]"), 1);
        assert_eq!(check("#[cfg_attr(test, allow(dead_code))]"), 1);
        assert_eq!(check("#[expect(dead_code)]"), 1);
        assert_eq!(check("#[expect(\n    dead_code,\n    reason = \"used by [b]\"\n)]"), 0);
    }

    #[test]
    fn the_words_may_be_spoken_of() {
        assert_eq!(check("// todo! and #[allow(x)]\nlet a = \"dbg!\"; a.allow(b).expect(\"c\"); mytodo!();"), 0);
    }
}
