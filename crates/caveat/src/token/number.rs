//! Numbers as they are written.

use super::{Found, TokenKind, is_letter};
use crate::problem::ProblemKind;

/// Reads the number that a text begins with: its length, and what it is.
pub(super) fn read(text: &str) -> Found<(usize, TokenKind)> {
    let (length, kind) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => {
            let end = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
            (2 + end, u64::from_str_radix(&digits[..end], 16).ok().map(TokenKind::Int))
        }
        None => decimal(text),
    };
    let unsigned = text[length..].starts_with(['u', 'U']);
    let (length, kind) = match (kind, unsigned) {
        (Some(TokenKind::Int(number)), true) => (length + 1, Some(TokenKind::Uint(number))),
        (kind, _) => (length, kind),
    };
    // A name cannot begin right after a number.
    let tail = text[length..].find(|letter: char| !is_letter(letter) && !letter.is_ascii_digit());
    let end = length + tail.unwrap_or(text.len() - length);
    match kind {
        Some(kind) if end == length => Ok((length, kind)),
        _ => Err((0..end, ProblemKind::BadNumber { text: crate::error::shortened(&text[..end]) })),
    }
}

fn decimal(text: &str) -> (usize, Option<TokenKind>) {
    let digits = |from: usize| {
        let rest = &text[from..];
        from + rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len())
    };
    let whole = digits(0);
    let mut end = whole;
    // `1.size()` selects from a number: a dot without digits behind it is no part of it.
    if text[end..].starts_with('.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let kind = if end == whole {
        text[..end].parse().ok().map(TokenKind::Int)
    } else {
        text[..end].parse().ok().filter(|number: &f64| number.is_finite()).map(TokenKind::Double)
    };
    (end, kind)
}
