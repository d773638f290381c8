//! Points in time: the calendar of RFC 3339, from year 1 to year 9999, in nanoseconds.
//!
//! The years of the calendar are made to begin in March, so that the day that some have more is their last.

use crate::span::Span;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// Since 1970-01-01 UTC.
    seconds: i64,
    nanos: u32,
}

/// What a clock on the wall shows at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    /// From 0.
    pub(crate) day_of_year: i64,
    /// From 0, which is Sunday.
    pub(crate) day_of_week: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) nanos: u32,
}

const DAY_SECONDS: i64 = 24 * 60 * 60;
const SECOND_NANOS: i64 = 1_000_000_000;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// 0001-01-01T00:00:00Z.
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;

impl Moment {
    /// `None` if it is before year 1 or after year 9999.
    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(seconds, 0)
    }

    fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (SECONDS_MIN..=SECONDS_MAX).contains(&seconds).then_some(Self { seconds, nanos })
    }

    pub(crate) fn seconds(self) -> i64 {
        self.seconds
    }

    /// Reads RFC 3339, with a zone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?.strip_prefix('T')?);
        let (year, month, day) = (digits(date.get(..4)?)?, digits(date.get(5..7)?)?, digits(date.get(8..10)?)?);
        let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
        let (hour, minute, second) = (digits(clock.get(..2)?)?, digits(clock.get(3..5)?)?, digits(clock.get(6..8)?)?);
        let separators = [date.as_bytes()[4], date.as_bytes()[7], clock.as_bytes()[2], clock.as_bytes()[5]];
        if separators != *b"--::" || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
            return None;
        }
        let (nanos, zone) = fraction(rest)?;
        let offset = if zone == "Z" { 0 } else { offset_seconds(zone)? };
        let local = days(year, month, day) * DAY_SECONDS + (hour * 60 + minute) * 60 + second;
        Self::new(local - offset, nanos)
    }

    /// This time and a span. `None` if it is out of range.
    pub(crate) fn plus(self, span: Span) -> Option<Self> {
        let nanos = i64::from(self.nanos) + span.nanos() % SECOND_NANOS;
        let seconds = self.seconds + span.nanos() / SECOND_NANOS + nanos.div_euclid(SECOND_NANOS);
        Self::new(seconds, u32::try_from(nanos.rem_euclid(SECOND_NANOS)).ok()?)
    }

    /// From another time to this one. `None` if it is too long.
    pub(crate) fn since(self, other: Self) -> Option<Span> {
        let seconds = (self.seconds - other.seconds).checked_mul(SECOND_NANOS)?;
        Some(Span::new(seconds.checked_add(i64::from(self.nanos) - i64::from(other.nanos))?))
    }

    /// What a clock shows that is `offset` seconds ahead of UTC.
    pub(crate) fn read(self, offset: i64) -> Reading {
        let local = self.seconds + offset;
        let (day, second) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
        let shifted = day + EPOCH_DAYS;
        let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Reading {
            year,
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            day_of_year: day - days(year, 1, 1),
            // 1970-01-01 was a Thursday.
            day_of_week: (day + 4).rem_euclid(7),
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            nanos: self.nanos,
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Reading { year, month, day, hour, minute, second, nanos, .. } = self.read(0);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Reads a zone that is the same everywhere and always: how many seconds it is ahead of UTC.
pub(crate) fn zone_seconds(zone: &str) -> Option<i64> {
    match zone {
        "" | "UTC" | "Z" => Some(0),
        // CEL leaves out the `+`.
        _ if zone.starts_with(|first: char| first.is_ascii_digit()) => offset_seconds(&format!("+{zone}")),
        _ => offset_seconds(zone),
    }
}

fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// The nanoseconds that a text begins with, and the rest of it.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = rest.find(|digit: char| !digit.is_ascii_digit())?;
    // Beyond nanoseconds is cut off, as other readers do.
    let kept = &rest[..length.min(9)];
    let nanos = kept.parse::<u32>().ok()? * 10_u32.pow(9 - u32::try_from(kept.len()).ok()?);
    Some((nanos, &rest[length..]))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - EPOCH_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_print() {
        for text in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "2024-02-29T12:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), text);
        }
        let zoned = Moment::parse("2026-12-01T01:00:00.123456789123+02:30").unwrap();
        assert_eq!(zoned.to_string(), "2026-11-30T22:30:00.123456789Z");
        for bad in [
            "",
            "2026-12-01",
            "2026-12-01T09:00:00",
            "2026-12-01t09:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T09:00:00.Z",
            "2026-12-01T09:00:00+2:00",
            "2026-12-01T09:00:00Z ",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-01:00",
            "2026/12/01T09:00:00Z",
            "é026-12-01T09:00:00Z",
            "2026-12-0éT09:00:00Z",
        ] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_one_before() {
        let mut before = Moment::from_seconds(SECONDS_MIN).unwrap().read(0);
        assert_eq!((before.day_of_year, before.day_of_week), (0, 1));
        for seconds in (SECONDS_MIN + DAY_SECONDS..=SECONDS_MAX).step_by(usize::try_from(DAY_SECONDS).unwrap()) {
            let day = Moment::from_seconds(seconds).unwrap().read(0);
            assert_eq!(days(day.year, day.month, day.day) * DAY_SECONDS, seconds);
            assert_eq!(day.day_of_week, (before.day_of_week + 1) % 7);
            let new_year = day.day_of_year == 0;
            assert_eq!(new_year, day.month == 1 && day.day == 1);
            assert!(new_year || day.day_of_year == before.day_of_year + 1);
            before = day;
        }
        assert_eq!((before.year, before.month, before.day, before.day_of_week), (9999, 12, 31, 5));
    }

    #[test]
    fn spans_lead_from_one_time_to_another() {
        let (early, late) =
            (Moment::parse("1969-12-31T23:59:59.75Z").unwrap(), Moment::parse("1970-01-01T00:00:01.5Z").unwrap());
        let span = late.since(early).unwrap();
        assert_eq!(span, Span::parse("1.75s").unwrap());
        assert_eq!(early.plus(span), Some(late));
        assert_eq!(late.plus(span.negated().unwrap()), Some(early));
        assert_eq!(Moment::parse("9999-12-31T23:59:59Z").unwrap().plus(Span::parse("1s").unwrap()), None);
        let (first, last) = (Moment::from_seconds(SECONDS_MIN).unwrap(), Moment::from_seconds(SECONDS_MAX).unwrap());
        assert_eq!(last.since(first), None);
    }

    #[test]
    fn zones_are_offsets() {
        for (zone, seconds) in [("", 0), ("UTC", 0), ("+02:00", 7_200), ("02:00", 7_200), ("-00:30", -1_800)] {
            assert_eq!(zone_seconds(zone), Some(seconds), "{zone}");
        }
        for bad in ["Europe/Berlin", "+2", "+24:00", "+02:60", "+é2:00", "local"] {
            assert_eq!(zone_seconds(bad), None, "{bad}");
        }
    }
}
