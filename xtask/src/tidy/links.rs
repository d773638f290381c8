//! Markdown links to files lead somewhere.

use crate::tree::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.markdown() {
        for (line, target) in links(text) {
            if let Some(file) = file_of(path, target)
                && !tree.holds(&file)
            {
                let text = format!("the link `{target}` leads nowhere: there is no `{file}`");
                findings.push(Finding { path: path.to_owned(), line, text });
            }
        }
    }
    findings
}

/// The path within the checkout that a link means; nothing for other places and for the document itself.
fn file_of(document: &str, target: &str) -> Option<String> {
    let target = target.trim_start_matches('<').split(['>', ' ', '#', '?']).next().unwrap_or_default();
    let scheme = target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()));
    if target.is_empty() || scheme {
        return None;
    }
    let folder = if target.starts_with('/') { "" } else { document.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            // A link out of the checkout keeps its dots and so is found to lead nowhere.
            ".." if !parts.is_empty() => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The targets of inline links and of reference definitions, outside code, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        if let Some(mark) = mark {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_some() {
            continue;
        }
        if let Some((label, target)) = start.strip_prefix('[').and_then(|rest| rest.split_once("]: "))
            && !label.contains(['[', ']'])
        {
            found.push((at + 1, target.trim()));
        }
        found.extend(inline(line).into_iter().map(|target| (at + 1, target)));
    }
    found
}

fn inline(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut code = false;
    for (at, letter) in line.char_indices() {
        if letter == '`' {
            code = !code;
        }
        if !code && line[at..].starts_with("](") {
            let rest = &line[at + 2..];
            found.extend(rest.find(')').map(|end| &rest[..end]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> usize {
        let files = [("docs/a.md", text), ("docs/b.md", ""), ("docs/deep/c.md", ""), ("README.md", "")];
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(check_text("see [b](c.md)"), 1);
        assert_eq!(check_text("[x]: gone.md"), 1);
        assert_eq!(check_text("[out](../../other/README.md)"), 1);
        assert_eq!(check_text("a `b` [one](b.md) [two](no.md#part)"), 1);
    }

    #[test]
    fn links_that_lead_somewhere_are_free() {
        assert_eq!(
            check_text("[b](b.md) [b](./b.md#part) [c](deep/c.md \"C\") [up](../README.md) [d](deep/) [r](/docs)"),
            0
        );
        assert_eq!(check_text("[w](https://example.org/x.md) [m](mailto:a@b.c) [here](#part)"), 0);
        assert_eq!(check_text("`[x](no.md)`\n```\n[x](no.md)\n```\n"), 0);
    }
}
