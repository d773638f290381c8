//! From text to tokens.

mod number;
mod quoted;

use std::ops::Range;

use crate::problem::{Problem, ProblemKind};

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name, also one that CEL keeps for itself.
    Name(String),
    /// A whole number without its sign.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longest first, so that none hides behind its beginning.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", "=",
];

/// Words that are no names of parameters or variables.
pub(crate) const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

impl TokenKind {
    /// As messages show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => "a number".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Gives the tokens of a text, one after the other.
pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; at the end of the text, and after it, [`TokenKind::End`].
    pub(crate) fn next(&mut self) -> Result<Token, Box<Problem>> {
        self.skip();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok(Token { kind: TokenKind::End, span: start..start });
        };
        let (length, kind) = if let Some(prefix) = quoted::prefix(rest) {
            shifted(quoted::read(rest, prefix), start)?
        } else if is_letter(first) {
            let length = rest.find(|letter: char| !is_letter(letter) && !letter.is_ascii_digit());
            let word = &rest[..length.unwrap_or(rest.len())];
            (word.len(), TokenKind::Name(word.to_owned()))
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit()))
        {
            shifted(number::read(rest), start)?
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (sign.len(), TokenKind::Sign(sign))
        } else {
            let span = start..start + first.len_utf8();
            return Err(Box::new(Problem { kind: ProblemKind::UnexpectedCharacter { found: first }, span }));
        };
        self.at = start + length;
        Ok(Token { kind, span: start..self.at })
    }

    /// Leaves out spaces and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with("//") {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }
}

/// What was found in a part of the text that begins at `start`.
type Found<T> = Result<T, (Range<usize>, ProblemKind)>;

fn shifted<T>(found: Found<T>, start: usize) -> Result<T, Box<Problem>> {
    found.map_err(|(span, kind)| Box::new(Problem { kind, span: span.start + start..span.end + start }))
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut tokens = Tokens::new(text);
        std::iter::from_fn(|| Some(tokens.next().unwrap().kind).filter(|kind| *kind != TokenKind::End)).collect()
    }

    fn problem(text: &str) -> (ProblemKind, Range<usize>) {
        let mut tokens = Tokens::new(text);
        loop {
            match tokens.next() {
                Ok(token) => assert_ne!(token.kind, TokenKind::End, "{text} has no problem"),
                Err(problem) => return (problem.kind, problem.span),
            }
        }
    }

    #[test]
    fn numbers_are_whole_unsigned_or_not_whole() {
        use TokenKind::{Double, Int, Uint};
        assert_eq!(kinds("1 0x1F 2u 0xAu"), [Int(1), Int(31), Uint(2), Uint(10)]);
        assert_eq!(kinds("1.5 .5 1e3 2.5E-1"), [Double(1.5), Double(0.5), Double(1000.0), Double(0.25)]);
        assert_eq!(kinds("18446744073709551615"), [Int(u64::MAX)]);
        assert_eq!(problem("a 18446744073709551616").1, 2..22);
        assert_eq!(problem("1e999").1, 0..5);
        assert_eq!(problem("1abc").1, 0..4);
    }

    #[test]
    fn texts_have_escapes_unless_raw() {
        let text = |text: &str| vec![TokenKind::Text(text.to_owned())];
        assert_eq!(kinds(r#""a\n\"\x41\u00e9\U0001F600\101""#), text("a\n\"Aé😀A"));
        assert_eq!(kinds(r#"r"a\n""#), text("a\\n"));
        assert_eq!(kinds("'''it's \"so\"\n'''"), text("it's \"so\"\n"));
        assert_eq!(kinds("\"\""), text(""));
        assert_eq!(
            kinds(r#"b"\xffé" rb'\x'"#),
            [TokenKind::Bytes(vec![0xff, 0xc3, 0xa9]), TokenKind::Bytes(b"\\x".to_vec())]
        );
        assert_eq!(problem(r#"x "\q""#), (ProblemKind::BadEscape { escape: "\\q".to_owned() }, 3..5));
        assert_eq!(problem(r#""\ud800""#).1, 1..7);
        assert_eq!(problem("'abc\n'").0, ProblemKind::UnterminatedText);
        assert_eq!(problem("\"abc").0, ProblemKind::UnterminatedText);
        assert_eq!(problem("'''abc''").0, ProblemKind::UnterminatedText);
    }

    #[test]
    fn spaces_and_comments_are_left_out() {
        assert_eq!(kinds("a // b\n&& // c"), [TokenKind::Name("a".to_owned()), TokenKind::Sign("&&")]);
        assert_eq!(problem("a ; b"), (ProblemKind::UnexpectedCharacter { found: ';' }, 2..3));
        assert_eq!(problem("aé").1, 1..3);
    }
}
