//! Patterns of names: `spiffe://example.org/ns/*/sa/*`, `*.example.org`.

/// A name in parts, of which each has at most one star. A star stands for at least one character and never reaches over the
/// end of its part, so there is one way at most in which a name matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    separator: Option<char>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Star { before: String, after: String },
}

impl Pattern {
    /// Reads a pattern; none if a part has two stars.
    pub(super) fn new(text: &str, separator: Option<char>) -> Option<Self> {
        let parts = split(text, separator).map(|part| match part.split_once('*') {
            None => Some(Part::Literal(part.to_owned())),
            Some((_, after)) if after.contains('*') => None,
            Some((before, after)) => Some(Part::Star { before: before.to_owned(), after: after.to_owned() }),
        });
        Some(Self { separator, parts: parts.collect::<Option<_>>()? })
    }

    /// How many stars there are.
    pub(super) fn stars(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Star { .. })).count()
    }

    /// What the stars stand for in a name, if it matches.
    pub(super) fn matched<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut stars = Vec::new();
        let mut rest = split(name, self.separator);
        for part in &self.parts {
            let found = rest.next()?;
            match part {
                Part::Literal(text) if found == text => {}
                Part::Literal(_) => return None,
                Part::Star { before, after } => {
                    let star = found.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    if star.is_empty() {
                        return None;
                    }
                    stars.push(star);
                }
            }
        }
        rest.next().is_none().then_some(stars)
    }
}

fn split(text: &str, separator: Option<char>) -> impl Iterator<Item = &str> {
    // A name without a separator is one part.
    text.split(move |letter| Some(letter) == separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_part() {
        for (pattern, separator, name, expected) in [
            ("a/*/c", Some('/'), "a/b/c", Some(vec!["b"])),
            ("a/*/c", Some('/'), "a/b/b/c", None),
            ("a/*/c", Some('/'), "a//c", None),
            ("a/*", Some('/'), "a/b/c", None),
            ("a/*", Some('/'), "xa/b", None),
            ("a/b", Some('/'), "a/b", Some(vec![])),
            ("a/b", Some('/'), "a/b/", None),
            ("*/x-*-y", Some('/'), "a/x-1-y", Some(vec!["a", "1"])),
            ("x*x", Some('/'), "x", None),
            ("*", None, "Alice / Bob", Some(vec!["Alice / Bob"])),
            ("*@example.org", None, "alice@example.org", Some(vec!["alice"])),
            ("*@example.org", None, "alice@example.org.evil", None),
        ] {
            assert_eq!(Pattern::new(pattern, separator).unwrap().matched(name), expected, "{pattern} {name}");
        }
        assert_eq!(Pattern::new("**", None), None);
        assert_eq!(Pattern::new("a/*b*", Some('/')), None);
    }
}
