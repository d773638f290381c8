//! What a caller sent, made fit to be shown.

use std::fmt;

/// Most characters of a caller's text that a message repeats.
const CHARACTERS_MAX: usize = 80;

/// A piece of a caller's text for a message: short, and nothing in it but printable ASCII, since messages go to logs and
/// terminals and whoever sends the text has not been identified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown(Box<str>);

impl Shown {
    pub(crate) fn new(text: &str) -> Self {
        let mut shown = String::new();
        for (nth, letter) in text.chars().enumerate() {
            if nth == CHARACTERS_MAX {
                shown.push('…');
                break;
            }
            match letter {
                ' '..='~' => shown.push(letter),
                _ => shown.extend(letter.escape_default()),
            }
        }
        Self(shown.into())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_printable() {
        assert_eq!(Shown::new("a b").to_string(), "a b");
        assert_eq!(Shown::new("a\u{1b}[2J\n\u{202e}").to_string(), r"a\u{1b}[2J\n\u{202e}");
        assert_eq!(Shown::new(&"x".repeat(81)).to_string(), format!("{}…", "x".repeat(80)));
    }
}
