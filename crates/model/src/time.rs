//! Points in time, and what a node knows about its clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NameError;

/// A point in time, in milliseconds since 1970-01-01 UTC. Prints and parses as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// One reading of a wall clock, and the most that it may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What the clock said.
    pub reading: Timestamp,
    /// The most by which true time may differ from the reading, in milliseconds.
    pub error_ms: u64,
}

impl Clock {
    /// The earliest that true time can be.
    pub fn earliest(&self) -> Timestamp {
        self.reading.minus_ms(self.error_ms)
    }

    /// The latest that true time can be.
    pub fn latest(&self) -> Timestamp {
        self.reading.plus_ms(self.error_ms)
    }
}

/// When a grant holds: from its start up to, and not including, its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The start; `None` is from the beginning.
    pub start: Option<Timestamp>,
    /// The end; `None` is for ever.
    pub end: Option<Timestamp>,
}

/// Why two points in time are no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the end {end} is not after the start {start}: give a later end or an earlier start")]
pub struct WindowError {
    /// The start that was given.
    pub start: Timestamp,
    /// The end that was given.
    pub end: Timestamp,
}

impl Window {
    /// Makes a window; the end must come after the start.
    pub fn new(start: Option<Timestamp>, end: Option<Timestamp>) -> Result<Self, WindowError> {
        match (start, end) {
            (Some(start), Some(end)) if end <= start => Err(WindowError { start, end }),
            (start, end) => Ok(Self { start, end }),
        }
    }
}

impl Timestamp {
    /// The earliest that a message or a text may hold, the beginning of year 1.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The latest that can be written as RFC 3339 in every zone, near the end of year 9999; arithmetic stops there.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// This time and `ms` milliseconds, at most [`Timestamp::MAX`].
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms)).min(Self::MAX)
    }

    /// This time less `ms` milliseconds.
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed {
            kind: "time",
            value: text.to_owned(),
            expected: "RFC 3339 with a zone, for example `2026-12-01T09:00:00Z`",
        };
        let time: jiff::Timestamp = text.parse().map_err(|_| malformed())?;
        let time = Self(time.as_millisecond());
        if (Self::MIN..=Self::MAX).contains(&time) { Ok(time) } else { Err(malformed()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_print() {
        for text in ["2026-12-01T09:00:00Z", "1970-01-01T00:00:00.25Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!("2026-12-01T10:00:00+01:00".parse::<Timestamp>().unwrap().to_string(), "2026-12-01T09:00:00Z");
        for bad in ["", "tomorrow", "2026-12-01", "2026-12-01T09:00:00", "-000001-12-01T09:00:00Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_latest_time_can_be_written() {
        assert_eq!(Timestamp(0).plus_ms(u64::MAX).to_string(), "9999-12-30T22:00:00Z");
    }

    #[test]
    fn windows_end_after_they_start() {
        let (early, late) = (Timestamp(1_000), Timestamp(2_000));
        assert!(Window::new(Some(early), Some(late)).is_ok());
        assert_eq!(
            Window::new(Some(late), Some(early)).unwrap_err().to_string(),
            "the end 1970-01-01T00:00:01Z is not after the start 1970-01-01T00:00:02Z: \
             give a later end or an earlier start"
        );
        assert!(Window::new(Some(early), Some(early)).is_err());
    }
}
