//! Elapsed time, measured in two ways, and what is bounded by it.
//!
//! Nothing is synchronised: readings of different nodes are never compared. *Eager* time since an event is the longer of
//! what the clocks say and counts wherever time limits what a node may do; *lazy* time is the shorter and counts
//! wherever a node waits for others. A clock daemon may run the monotonic clock fast, and a suspended machine stops it.

use std::time::Duration;

/// One reading of the clocks of one node that measure elapsed time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reading {
    /// Counts on while the machine is suspended.
    pub boot: Duration,
    /// Never steered by the clock daemon.
    pub raw: Duration,
    /// What timers run by.
    pub monotonic: Duration,
}

impl Reading {
    /// The longest that may have passed since `earlier`. `None` when a clock went backwards.
    pub fn eager_since(&self, earlier: &Self) -> Option<Duration> {
        Some(self.boot.checked_sub(earlier.boot)?.max(self.raw.checked_sub(earlier.raw)?))
    }

    /// The shortest that may have passed since `earlier`. Zero when a clock went backwards.
    pub fn lazy_since(&self, earlier: &Self) -> Duration {
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        monotonic.min(self.raw.saturating_sub(earlier.raw))
    }

    /// This reading moved into the past, each clock by its reading in `by`. What follows from readings follows from
    /// their differences, so values that are aged alike decide alike; a checker may so let the present stand still.
    pub fn aged(self, by: &Self) -> Self {
        Self {
            boot: self.boot.saturating_sub(by.boot),
            raw: self.raw.saturating_sub(by.raw),
            monotonic: self.monotonic.saturating_sub(by.monotonic),
        }
    }
}

/// Until when a node may do something: eager time since an event stays below a length.
///
/// It is one value, so that readers that race with a renewal see one expiry and never half of two. The default never holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limit {
    event: Reading,
    length: Duration,
}

impl Limit {
    /// Begins at the event, not at the moment when its answer came back.
    pub fn new(event: Reading, length: Duration) -> Self {
        Self { event, length }
    }

    /// Returns whether `now` is within the limit. A clock that reads earlier than the event proves nothing: not within.
    pub fn holds(&self, now: &Reading) -> bool {
        now.eager_since(&self.event).is_some_and(|age| age < self.length)
    }

    /// What is left of it at `now`; zero when nothing is.
    pub fn left(&self, now: &Reading) -> Duration {
        now.eager_since(&self.event).map_or(Duration::ZERO, |age| self.length.saturating_sub(age))
    }

    /// Returns whether this limit ends no earlier than `other` by every clock, so that it may take its place.
    pub fn outlasts(&self, other: &Self) -> bool {
        self.event.boot + self.length >= other.event.boot + other.length
            && self.event.raw + self.length >= other.event.raw + other.length
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(self, by: &Reading) -> Self {
        Self { event: self.event.aged(by), ..self }
    }
}

/// How long a node waits for others: lazy time since an event reaches a length. The default is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wait {
    monotonic: Duration,
    raw: Duration,
}

impl Wait {
    /// Waits for `length` from `event` on.
    pub fn new(event: &Reading, length: Duration) -> Self {
        Self { monotonic: event.monotonic + length, raw: event.raw + length }
    }

    /// Waits for what is left of `length` when `credit` of it had passed before `event`.
    pub fn with_credit(event: &Reading, credit: Duration, length: Duration) -> Self {
        Self::new(event, length.saturating_sub(credit))
    }

    /// Returns whether the wait is over.
    pub fn is_over(&self, now: &Reading) -> bool {
        now.monotonic >= self.monotonic && now.raw >= self.raw
    }

    /// Returns whether the wait is over by the faster clock, which is too early.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn is_over_by_either(&self, now: &Reading) -> bool {
        now.monotonic >= self.monotonic || now.raw >= self.raw
    }

    /// What is left of it at `now`; zero when it is over.
    pub fn left(&self, now: &Reading) -> Duration {
        self.monotonic.saturating_sub(now.monotonic).max(self.raw.saturating_sub(now.raw))
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(self, by: &Reading) -> Self {
        Self { monotonic: self.monotonic.saturating_sub(by.monotonic), raw: self.raw.saturating_sub(by.raw) }
    }

    /// The wait that is over when both are.
    pub fn and(self, other: Self) -> Self {
        Self { monotonic: self.monotonic.max(other.monotonic), raw: self.raw.max(other.raw) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(boot: u64, raw: u64, monotonic: u64) -> Reading {
        Reading { boot: ms(boot), raw: ms(raw), monotonic: ms(monotonic) }
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn eager_is_the_longer_and_lazy_the_shorter() {
        let (start, later) = (reading(10, 10, 10), reading(50, 30, 20));
        assert_eq!(later.eager_since(&start), Some(ms(40)));
        assert_eq!(later.lazy_since(&start), ms(10));
    }

    #[test]
    fn a_clock_that_goes_backwards_proves_nothing() {
        let (start, later) = (reading(10, 10, 10), reading(50, 5, 20));
        assert_eq!(later.eager_since(&start), None);
        assert_eq!(later.lazy_since(&start), Duration::ZERO);
        assert!(!Limit::new(start, ms(1_000)).holds(&later));
        assert_eq!(Limit::new(start, ms(1_000)).left(&later), Duration::ZERO);
    }

    #[test]
    fn a_limit_ends_by_the_fastest_clock_and_a_wait_by_the_slowest() {
        let start = reading(0, 0, 0);
        let (limit, wait) = (Limit::new(start, ms(100)), Wait::new(&start, ms(100)));
        assert!(limit.holds(&reading(99, 99, 500)));
        // A suspended machine: only the boot clock went on.
        assert!(!limit.holds(&reading(100, 20, 20)));
        assert!(!wait.is_over(&reading(100, 20, 20)));
        assert_eq!(wait.left(&reading(100, 20, 30)), ms(80));
        // A slewed monotonic clock runs ahead of the raw one.
        assert!(!wait.is_over(&reading(99, 99, 108)));
        assert!(wait.is_over(&reading(100, 100, 108)));
    }

    #[test]
    fn a_renewal_replaces_only_what_it_outlasts_by_every_clock() {
        let held = Limit::new(reading(100, 100, 100), ms(50));
        assert!(Limit::new(reading(110, 110, 0), ms(50)).outlasts(&held));
        assert!(Limit::new(reading(110, 110, 0), ms(40)).outlasts(&held));
        assert!(!Limit::new(reading(200, 90, 0), ms(50)).outlasts(&held));
    }

    #[test]
    fn two_waits_are_over_when_both_are() {
        let both = Wait::new(&reading(0, 10, 0), ms(10)).and(Wait::new(&reading(0, 0, 10), ms(10)));
        assert!(!both.is_over(&reading(0, 20, 19)));
        assert!(!both.is_over(&reading(0, 19, 20)));
        assert!(both.is_over(&reading(0, 20, 20)));
    }

    #[test]
    fn time_that_has_passed_before_counts_once() {
        let now = reading(0, 0, 0);
        assert_eq!(Wait::with_credit(&now, ms(30), ms(100)).left(&now), ms(70));
        assert!(Wait::with_credit(&now, ms(300), ms(100)).is_over(&now));
    }
}
