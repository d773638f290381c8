//! Patterns of `matches`: the syntax of RE2, and time that is linear in the text.
//!
//! The engine is of the same family and reads nearly the same syntax. What differs is translated: `\d`, `\w`, `\s` and `\b`
//! know ASCII only there, and classes have no sets within them.

use std::fmt;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{Compiler, Config};
use regex_automata::util::syntax;

use crate::error::PatternProblem;
use crate::limit;

/// A pattern, ready to be tried on texts.
#[derive(Clone)]
pub(crate) struct Pattern {
    source: Box<str>,
    regex: Regex,
    states: u64,
    memory_bytes: usize,
}

impl Pattern {
    /// Compiles a pattern, if its automaton takes at most `most` bytes.
    pub(crate) fn new(source: &str, most: usize) -> Result<Self, PatternProblem> {
        let (length, longest) = (source.len(), limit::PATTERN_BYTES_MAX);
        if length > longest {
            return Err(PatternProblem::TooLong { length, most: longest });
        }
        let syntax = syntax::Config::new().nest_limit(limit::PATTERN_NESTING_MAX);
        let parsed = syntax::parse_with(&translated(source), &syntax).map_err(|_| PatternProblem::Syntax)?;
        let automaton = Compiler::new()
            .configure(Config::new().nfa_size_limit(Some(most)))
            .build_from_hir(&parsed)
            .map_err(|_| PatternProblem::TooLarge { most })?;
        let config = Regex::config()
            .nfa_size_limit(Some(most))
            .hybrid_cache_capacity(limit::PATTERN_MEMORY_BYTES_MAX)
            .onepass(false)
            .dfa(false);
        let regex = Regex::builder()
            .configure(config)
            .build_from_hir(&parsed)
            .map_err(|_| PatternProblem::TooLarge { most })?;
        let (states, memory_bytes) = (automaton.states().len() as u64, automaton.memory_usage());
        Ok(Self { source: source.into(), regex, states, memory_bytes })
    }

    /// Whether some part of a text matches.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// How large its automaton is.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// How many states its automaton has.
    pub(crate) fn states(&self) -> u64 {
        self.states
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// A pattern as the engine reads it.
fn translated(source: &str) -> String {
    let mut pattern = String::with_capacity(source.len() + 16);
    let mut letters = source.chars().peekable();
    // How many letters of a class there were, from its `[`.
    let mut class: Option<usize> = None;
    while let Some(letter) = letters.next() {
        match (letter, class) {
            ('\\', _) => {
                match letters.next() {
                    Some('d') => pattern.push_str("[0-9]"),
                    Some('D') => pattern.push_str("[^0-9]"),
                    Some('w') => pattern.push_str("[0-9A-Za-z_]"),
                    Some('W') => pattern.push_str("[^0-9A-Za-z_]"),
                    Some('s') => pattern.push_str(r"[\t\n\x0c\r ]"),
                    Some('S') => pattern.push_str(r"[^\t\n\x0c\r ]"),
                    Some('b') if class.is_none() => pattern.push_str(r"(?-u:\b)"),
                    Some(other) => pattern.extend(['\\', other]),
                    None => pattern.push('\\'),
                }
                class = class.map(|length| length + 1);
            }
            ('[', None) => {
                pattern.push('[');
                class = Some(0);
                if letters.next_if_eq(&'^').is_some() {
                    pattern.push('^');
                }
            }
            // The first letter of a class stands for itself.
            (']', Some(length)) if length > 0 => {
                pattern.push(']');
                class = None;
            }
            ('[', Some(length)) if letters.peek() == Some(&':') => {
                pattern.push('[');
                for inner in letters.by_ref() {
                    pattern.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                class = Some(length + 1);
            }
            (letter, Some(length)) => {
                // Doubled, `-` is an operator of sets.
                if matches!(letter, '[' | ']' | '&' | '~') || (letter == '-' && pattern.ends_with('-')) {
                    pattern.push('\\');
                }
                pattern.push(letter);
                class = Some(length + 1);
            }
            (letter, None) => pattern.push(letter),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> Result<Pattern, PatternProblem> {
        Pattern::new(source, limit::PATTERN_MEMORY_BYTES_MAX)
    }

    #[test]
    fn patterns_mean_what_re2_makes_of_them() {
        for (source, text, found) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "é", false),
            (r"\bfoo\b", "a foo b", true),
            (r"\bfoo\b", "éfooé", true),
            (r"^[\w.]+@[a-z]+\.com$", "a.b@c.com", true),
            (r"^[^\d]$", "1", false),
            (r"^[\D]$", "x", true),
            (r"^[[&&a]+$", "[&a", true),
            ("^[]a]+$", "]a", true),
            ("^[^]a]+$", "b", true),
            ("^[[:alpha:]]+$", "abc", true),
            (r"^[\w.-]+$", "a-b.c", true),
            (r"^[\w-]+$", "a-b", true),
            ("^[+--]+$", "+,-", true),
            ("^[a&&b]+$", "a&b", true),
            ("(?i)^ABC$", "abc", true),
            (r"^\pL+$", "é", true),
            (".", "é", true),
            (r"\\d", r"\d", true),
            ("^(a|b){2,3}$", "abab", false),
            ("^.{0,255}$", "é", true),
        ] {
            assert_eq!(pattern(source).unwrap().is_in(text), found, "{source} in {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_its_kind() {
        for bad in ["(", "[a", "\\", "(?=a)", r"(a)\1", r"\Qa\E"] {
            assert_eq!(pattern(bad).unwrap_err(), PatternProblem::Syntax, "{bad}");
        }
        let large = PatternProblem::TooLarge { most: limit::PATTERN_MEMORY_BYTES_MAX };
        assert_eq!(pattern("(a{200}){200}").unwrap_err(), large);
        assert!(matches!(pattern(&"a".repeat(1_025)).unwrap_err(), PatternProblem::TooLong { .. }));
        assert_eq!(pattern(&"(".repeat(1_000)).unwrap_err(), PatternProblem::Syntax);
    }
}
