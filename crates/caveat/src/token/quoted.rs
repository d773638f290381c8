//! Texts and bytes as they are written, between quotes.

use std::ops::Range;

use super::{Found, TokenKind};
use crate::problem::ProblemKind;

/// What a text in quotes begins with.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    raw: bool,
    bytes: bool,
    letters: usize,
}

/// Whether a text begins with one in quotes.
pub(super) fn prefix(text: &str) -> Option<Prefix> {
    // No prefix is longer; to look further for a quote would make long texts slow.
    let letters = text.bytes().take(3).position(|letter| matches!(letter, b'"' | b'\''))?;
    let (raw, bytes) = match &text[..letters] {
        "" => (false, false),
        "r" | "R" => (true, false),
        "b" | "B" => (false, true),
        "rb" | "rB" | "Rb" | "RB" | "br" | "bR" | "Br" | "BR" => (true, true),
        _ => return None,
    };
    Some(Prefix { raw, bytes, letters })
}

/// Reads the text in quotes that a text begins with: its length, and what it is.
pub(super) fn read(text: &str, prefix: Prefix) -> Found<(usize, TokenKind)> {
    let body = &text[prefix.letters..];
    let long = body.starts_with("\"\"\"") || body.starts_with("'''");
    let quote = &body[..if long { 3 } else { 1 }];
    let mut at = prefix.letters + quote.len();
    let mut bytes = Vec::new();
    loop {
        let rest = &text[at..];
        if rest.starts_with(quote) {
            at += quote.len();
            break;
        }
        match rest.chars().next() {
            Some('\\') if !prefix.raw => {
                let length = escape(rest, prefix.bytes, &mut bytes).ok_or_else(|| bad_escape(rest, at))?;
                at += length;
            }
            Some('\r' | '\n') | None if !long || rest.is_empty() => {
                return Err((0..at, ProblemKind::UnterminatedText));
            }
            Some(letter) => {
                bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += letter.len_utf8();
            }
            None => return Err((0..at, ProblemKind::UnterminatedText)),
        }
    }
    if prefix.bytes {
        return Ok((at, TokenKind::Bytes(bytes)));
    }
    // INVARIANT: escapes of a text are characters, and so is the rest.
    Ok((at, TokenKind::Text(String::from_utf8(bytes).expect("a text is made of characters"))))
}

/// Adds what an escape stands for; returns its length.
fn escape(text: &str, is_bytes: bool, bytes: &mut Vec<u8>) -> Option<usize> {
    let sign = text[1..].chars().next()?;
    let simple = match sign {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' | '\'' | '`' | '?' => u8::try_from(sign).ok()?,
        'x' | 'X' => return coded(text, 2..4, 16, is_bytes, bytes),
        'u' if !is_bytes => return coded(text, 2..6, 16, false, bytes),
        'U' if !is_bytes => return coded(text, 2..10, 16, false, bytes),
        '0'..='3' => return coded(text, 1..4, 8, is_bytes, bytes),
        _ => return None,
    };
    bytes.push(simple);
    Some(2)
}

fn coded(text: &str, digits: Range<usize>, radix: u32, is_byte: bool, bytes: &mut Vec<u8>) -> Option<usize> {
    let written = text.get(digits.clone())?;
    if !written.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(written, radix).ok()?;
    if is_byte {
        bytes.push(u8::try_from(code).ok()?);
    } else {
        bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(digits.end)
}

/// The problem of an escape that a text begins with.
fn bad_escape(text: &str, at: usize) -> (Range<usize>, ProblemKind) {
    let signs = match text.as_bytes().get(1) {
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(b'x' | b'X' | b'0'..=b'3') => 4,
        _ => 2,
    };
    let ends = text.char_indices().map(|(start, letter)| start + letter.len_utf8());
    let end = ends.take(signs).last().unwrap_or_default();
    (at..at + end, ProblemKind::BadEscape { escape: text[..end].to_owned() })
}
