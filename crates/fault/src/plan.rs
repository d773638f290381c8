//! What is to happen at which points, as text: `log.batch.before-sync=sleep:200ms:10%,vote.saved=exit:1%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::point::{Kind, Point};

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The machine dies: `exit`.
    Exit,
    /// The task waits, or its thread: `sleep:200ms`.
    Sleep(Duration),
    /// What is being done fails: `error`. Only where something can.
    Error,
}

/// What happens at a point, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub point: Point,
    /// What.
    pub act: Act,
    /// Of a million times that the point is passed.
    pub chance_ppm: u32,
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// No point is called so.
    NoSuchPoint(String),
    /// It does not read `point=act` or `point=act:chance%`.
    Malformed(String),
    /// Nothing can fail there.
    CannotFail(Point),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPoint(name) => write!(f, "no point is called `{name}`"),
            Self::Malformed(text) => {
                write!(
                    f,
                    "`{text}` is not `point=exit`, `point=sleep:200ms` or `point=error`, perhaps with `:10%` behind it"
                )
            }
            Self::CannotFail(point) => write!(f, "nothing can fail at `{point}`"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Reads plans that are separated by commas.
    pub fn list(text: &str) -> Result<Vec<Self>, PlanError> {
        text.split(',').map(str::trim).filter(|plan| !plan.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let malformed = || PlanError::Malformed(text.to_owned());
        let (name, what) = text.split_once('=').ok_or_else(malformed)?;
        let point: Point = name.trim().parse().map_err(|_| PlanError::NoSuchPoint(name.trim().to_owned()))?;
        let mut words = what.split(':').map(str::trim).peekable();
        let act = match words.next() {
            Some("exit") => Act::Exit,
            Some("error") if point.kind() == Kind::Fails => Act::Error,
            Some("error") => return Err(PlanError::CannotFail(point)),
            Some("sleep") => {
                let ms = words.next().and_then(|time| time.strip_suffix("ms")).and_then(|ms| ms.parse().ok());
                Act::Sleep(Duration::from_millis(ms.ok_or_else(malformed)?))
            }
            Some(_) | None => return Err(malformed()),
        };
        let chance_ppm = match words.next() {
            None => 1_000_000,
            Some(chance) => chance.strip_suffix('%').and_then(millionths).ok_or_else(malformed)?,
        };
        if words.next().is_some() {
            return Err(malformed());
        }
        Ok(Self { point, act, chance_ppm })
    }
}

/// Millionths of a number of hundredths, which may have up to four digits behind its point.
fn millionths(percent: &str) -> Option<u32> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    if part.len() > 4 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let ppm = whole.parse::<u32>().ok()?.checked_mul(10_000)? + format!("{part:0<4}").parse::<u32>().ok()?;
    (ppm <= 1_000_000).then_some(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plans =
            Plan::list("log.batch.before-sync=sleep:200ms:10%, vote.saved=exit:0.5%,log.batch.synced=error").unwrap();
        let sleep = Act::Sleep(Duration::from_millis(200));
        assert_eq!(
            plans,
            [
                Plan { point: Point::LogBatchBeforeSync, act: sleep, chance_ppm: 100_000 },
                Plan { point: Point::VoteSaved, act: Act::Exit, chance_ppm: 5_000 },
                Plan { point: Point::LogBatchSynced, act: Act::Error, chance_ppm: 1_000_000 },
            ]
        );
        assert_eq!(Plan::list(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        assert_eq!(Plan::list("vote=exit"), Err(PlanError::NoSuchPoint("vote".into())));
        assert_eq!(Plan::list("vote.saved=error"), Err(PlanError::CannotFail(Point::VoteSaved)));
        for text in ["vote.saved", "vote.saved=", "vote.saved=exit:101%", "vote.saved=sleep:1", "vote.saved=exit:1%:2"]
        {
            assert_eq!(Plan::list(text), Err(PlanError::Malformed(text.into())), "{text}");
        }
    }
}
