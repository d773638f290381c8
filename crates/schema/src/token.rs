//! Cuts a text into words and signs.

use crate::excerpt::Found;
use crate::place::Place;
use crate::problem::ProblemKind;

/// A word or sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    Text,
    BraceOpen,
    BraceClose,
    ParenOpen,
    ParenClose,
    Pipe,
    Plus,
    Minus,
    And,
    Slash,
    Equals,
    Colon,
    Semicolon,
    Comma,
    Hash,
    Star,
    Dot,
    Ellipsis,
    Arrow,
    Less,
    Greater,
    At,
    End,
}

/// A comment, and where it stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comment {
    pub(crate) place: Place,
    /// Whether the token before it is on the same line.
    pub(crate) trails: bool,
}

/// Signs; of those that begin alike the longest first.
const SIGNS: [(&str, TokenKind); 21] = [
    ("...", TokenKind::Ellipsis),
    ("->", TokenKind::Arrow),
    ("{", TokenKind::BraceOpen),
    ("}", TokenKind::BraceClose),
    ("(", TokenKind::ParenOpen),
    (")", TokenKind::ParenClose),
    ("|", TokenKind::Pipe),
    ("+", TokenKind::Plus),
    ("-", TokenKind::Minus),
    ("&", TokenKind::And),
    ("/", TokenKind::Slash),
    ("=", TokenKind::Equals),
    (":", TokenKind::Colon),
    (";", TokenKind::Semicolon),
    (",", TokenKind::Comma),
    ("#", TokenKind::Hash),
    ("*", TokenKind::Star),
    (".", TokenKind::Dot),
    ("<", TokenKind::Less),
    (">", TokenKind::Greater),
    ("@", TokenKind::At),
];

/// Reads tokens from a text, one by one.
pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
    /// Comments before the token that was read last, and not taken yet.
    pub(crate) comments: Vec<Comment>,
}

impl<'t> Tokens<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self { text, at: 0, comments: Vec::new() }
    }

    /// Goes on elsewhere.
    pub(crate) fn jump(&mut self, to: usize) {
        self.at = to;
    }

    /// The next token; what is none is noted and skipped.
    pub(crate) fn next(&mut self, found: &mut Found) -> Token {
        let mut same_line = true;
        loop {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else { return self.token(TokenKind::End, 0) };
            if first.is_whitespace() {
                same_line &= first != '\n';
                self.at += first.len_utf8();
            } else if rest.starts_with("//") || rest.starts_with("/*") {
                self.comment(rest, same_line && self.at > 0, found);
            } else if is_letter(first) {
                let length = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
                return self.token(TokenKind::Word, length);
            } else if let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                return self.token(*kind, sign.len());
            } else if let Some(length) = quoted(rest) {
                return self.token(TokenKind::Text, length);
            } else {
                self.skip_strange(rest, first, found);
            }
        }
    }

    /// Everything, until something that may be a token again, is one problem.
    fn skip_strange(&mut self, rest: &str, first: char, found: &mut Found) {
        let ends =
            |letter: char| letter.is_whitespace() || is_letter(letter) || "{}()|+-&/=:;,#*.<>@\"'".contains(letter);
        let after = first.len_utf8();
        let length = rest[after..].find(ends).map_or(rest.len(), |length| after + length);
        found.add(Place::new(self.at, self.at + length), ProblemKind::UnexpectedCharacter { found: first });
        self.at += length;
    }

    fn comment(&mut self, rest: &str, trails: bool, found: &mut Found) {
        let length = if rest.starts_with("//") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else if let Some(end) = rest[2..].find("*/") {
            2 + end + 2
        } else {
            found.add(Place::new(self.at, self.at + 2), ProblemKind::UnterminatedComment);
            self.at = self.text.len();
            return;
        };
        self.comments.push(Comment { place: Place::new(self.at, self.at + length), trails });
        self.at += length;
    }

    fn token(&mut self, kind: TokenKind, length: usize) -> Token {
        let place = Place::new(self.at, self.at + length);
        self.at += length;
        Token { kind, place }
    }
}

/// Any letter, so that a foreign one is a bad name and no strange character.
fn is_letter(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The length of a text in quotes on one line.
fn quoted(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let end = rest[1..].find([quote, '\n'])?;
    rest[1 + end..].starts_with(quote).then_some(end + 2)
}
