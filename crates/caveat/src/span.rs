//! Spans of time, in nanoseconds, and their text.

use std::fmt;

/// A span of time. Negative ones lead back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(i64);

/// Units of the text, longest first, in nanoseconds. Two signs are in use for "micro".
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 60 * 60 * 1_000_000_000),
];

impl Span {
    pub(crate) fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    pub(crate) fn nanos(self) -> i64 {
        self.0
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(crate) fn negated(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// Reads numbers with units, such as `1h30m`, `-1.5s` or `0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total = 0_i128;
        loop {
            let (nanos, after) = part(rest)?;
            total += nanos;
            // Of the size of the result, so that the sum cannot overflow.
            if total > i128::from(i64::MAX) + 1 {
                return None;
            }
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        i64::try_from(if negative { -total } else { total }).ok().map(Self)
    }
}

/// The nanoseconds of the number and unit that a text begins with, and the rest of it.
fn part(text: &str) -> Option<(i128, &str)> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let whole_end = text.find(|letter| !is_digit(letter))?;
    let (whole, mut rest) = text.split_at(whole_end);
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|letter| !is_digit(letter))?;
        (fraction, rest) = after.split_at(end);
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest.find(|letter| is_digit(letter) || letter == '.').unwrap_or(rest.len());
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..unit_end])?;
    let unit = i128::from(*unit);
    let whole: i128 = if whole.is_empty() { 0 } else { i128::from(whole.parse::<i64>().ok()?) };
    // More digits than these are less than a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let numerator: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some((whole * unit + numerator * unit / scale, &rest[unit_end..]))
}

/// In seconds, as CEL prints them.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.unsigned_abs() / 1_000_000_000, self.0.unsigned_abs() % 1_000_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{seconds}")?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        for (text, printed) in [
            ("0", "0s"),
            ("1h30m", "5400s"),
            ("-1.5h", "-5400s"),
            ("+1m.5s", "60.5s"),
            ("1.s", "1s"),
            ("1us1µs1μs", "0.000003s"),
            ("1ns", "0.000000001s"),
            ("100ms", "0.1s"),
            ("2562047h47m16.854775807s", "9223372036.854775807s"),
            ("-2562047h47m16.854775808s", "-9223372036.854775808s"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.to_string(), printed);
            assert_eq!(Span::parse(printed), Some(span));
        }
        for bad in ["", "1", "h", ".s", "1x", "1h 30m", "10hm", "-", "1d", "2562048h", "99999999999999999999h", "1é"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }
}
