//! Looks through CEL without parsing it, for where it ends.

/// A part of CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// A name, a number, a text in quotes, a comment, or whitespace.
    Opaque,
    Sign(char),
}

/// The length of what stands before the `}` that closes the braces. `None` if none does.
pub(crate) fn body_end(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, piece) in (Pieces { text, at: 0 }) {
        match piece {
            Piece::Sign('{') => open += 1,
            Piece::Sign('}') if open == 0 => return Some(at),
            Piece::Sign('}') => open -= 1,
            Piece::Opaque | Piece::Sign(_) => {}
        }
    }
    None
}

/// Where the next definition or caveat seems to begin: at the beginning of a line after `from`.
pub(crate) fn next_item(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let begins = ["\ndefinition ", "\ncaveat "].into_iter().filter_map(|word| rest.find(word));
    begins.min().map_or(text.len(), |at| from + at)
}

struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Pieces<'_> {
    /// Where it begins, and what it is.
    type Item = (usize, Piece);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let rest = &self.text[start..];
        let first = rest.chars().next()?;
        let (length, piece) = if is_letter(first) {
            let word = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
            let raw = matches!(&rest[..word], "r" | "R" | "rb" | "rB" | "Rb" | "RB" | "br" | "bR" | "Br" | "BR");
            match rest[word..].chars().next() {
                Some('"' | '\'') if raw => (word + quoted(&rest[word..], true), Piece::Opaque),
                _ => (word, Piece::Opaque),
            }
        } else if matches!(first, '"' | '\'') {
            (quoted(rest, false), Piece::Opaque)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), Piece::Opaque)
        } else if first.is_whitespace() {
            (first.len_utf8(), Piece::Opaque)
        } else {
            (first.len_utf8(), Piece::Sign(first))
        };
        self.at += length;
        Some((start, piece))
    }
}

fn is_letter(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The length of a text in quotes. One that does not end is as long as its line, or with three quotes as all there is.
fn quoted(text: &str, raw: bool) -> usize {
    let quote = &text[..1];
    let (close, lines) = match text.get(..3) {
        Some(triple) if triple.bytes().all(|byte| byte == quote.as_bytes()[0]) => (triple, true),
        _ => (quote, false),
    };
    let mut at = close.len();
    while let Some(letter) = text[at..].chars().next() {
        if text[at..].starts_with(close) {
            return at + close.len();
        }
        if letter == '\n' && !lines {
            return at;
        }
        at += letter.len_utf8();
        if letter == '\\' && !raw {
            at += text[at..].chars().next().filter(|next| lines || *next != '\n').map_or(0, char::len_utf8);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_texts_and_comments_do_not_count() {
        for (body, rest) in [
            ("a == 1 ", "} definition user {}"),
            ("a == {'b': {'c': 1}}", "}"),
            ("a == '}' && b == \"}\"", "}"),
            ("a == '\\'}' ", "}"),
            ("a == r'\\' ", "} b == '}'"),
            ("a == '''}\n}''' || a == \"\"\"}\"\"\"", "}"),
            ("a // }\n", "}"),
            ("", "}"),
        ] {
            assert_eq!(body_end(&format!("{body}{rest}")), Some(body.len()), "{body}");
        }
        for endless in ["a == 1", "{ }", "'''}", "a // }", "'\\"] {
            assert_eq!(body_end(endless), None, "{endless}");
        }
    }
}
