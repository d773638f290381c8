//! Which points nodes passed, and at which something was done. Many seeds that together leave one out prove nothing of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::AddAssign;

use portcullis_fault::Point;

/// Points that no run passes, and why.
const NEVER: &[(Point, &str)] = &[];

/// How often a point was passed, and how often something was done there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Passed.
    pub passed: u64,
    /// Something was done.
    pub struck: u64,
}

/// The points that were passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed(BTreeMap<Point, Count>);

impl Passed {
    /// Counts a point, and returns its count.
    pub(crate) fn count(&mut self, point: Point) -> &mut Count {
        self.0.entry(point).or_default()
    }

    /// As one line that [`Passed::parse`] reads.
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (point, Count { passed, struck }) in &self.0 {
            // INVARIANT: writing to a String succeeds.
            write!(line, "{point}={passed}/{struck} ").expect("a String grows");
        }
        line
    }

    /// Reads what [`Passed::line`] has written; `None` if it is something else.
    pub fn parse(line: &str) -> Option<Self> {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| {
            let (point, counts) = word.split_once('=')?;
            let (passed, struck) = counts.split_once('/')?;
            let count = Count { passed: passed.parse().ok()?, struck: struck.parse().ok()? };
            Some((point.parse().ok()?, count))
        });
        words.collect::<Option<_>>().map(Self)
    }

    /// The points that should have been passed and were not.
    pub fn missing(&self) -> Vec<Point> {
        let is_expected = |point: &&Point| !NEVER.iter().any(|(never, _)| never == *point);
        let missing = Point::ALL.iter().filter(is_expected).filter(|point| !self.0.contains_key(point));
        missing.copied().collect()
    }

    /// How many points were passed, and at how many something was done.
    pub fn numbers(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().filter(|count| count.struck > 0).count())
    }
}

impl AddAssign for Passed {
    fn add_assign(&mut self, other: Self) {
        for (point, Count { passed, struck }) in other.0 {
            let count = self.count(point);
            count.passed += passed;
            count.struck += struck;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let mut passed = Passed::default();
        *passed.count(Point::VoteSaved) = Count { passed: 3, struck: 1 };
        *passed.count(Point::LogOpenRead) = Count { passed: 7, struck: 0 };
        assert_eq!(Passed::parse(&passed.line()), Some(passed.clone()));
        let mut twice = passed.clone();
        twice += passed;
        assert_eq!(twice.line(), "log.open.read=14/0 vote.saved=6/2 ");
        assert_eq!(twice.numbers(), (2, 1));
        assert_eq!(Passed::parse("vote=1/1"), None);
    }
}
