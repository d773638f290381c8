//! When keys are fetched.

use std::time::Duration;

/// Time between two fetches that go well.
const INTERVAL: Duration = Duration::from_mins(5);
/// Time to the second attempt after one that failed; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest time between two attempts while they fail.
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// When the next fetch is due. Times are those of a clock that only goes forward, since any start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    next: Duration,
    failures: u32,
}

impl Schedule {
    /// Whether to fetch now; `wanted` if a key was asked for that is not known.
    pub(super) fn is_due(&self, now: Duration, wanted: bool) -> bool {
        // An issuer that fails is not asked more often because somebody has made up a key.
        now >= self.next || (wanted && self.failures == 0)
    }

    pub(super) fn succeeded(&mut self, now: Duration) {
        *self = Self { next: now + INTERVAL, failures: 0 };
    }

    pub(super) fn failed(&mut self, now: Duration) {
        let backoff = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(self.failures)).min(BACKOFF_MAX);
        *self = Self { next: now + backoff, failures: self.failures.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_the_time_longer_and_success_makes_it_regular() {
        let mut schedule = Schedule::default();
        let mut now = Duration::ZERO;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(schedule.is_due(now, false));
            schedule.failed(now);
            assert!(!schedule.is_due(now + Duration::from_millis(pause * 1_000 - 1), true));
            now += Duration::from_secs(pause);
        }
        schedule.succeeded(now);
        assert!(!schedule.is_due(now + Duration::from_secs(299), false));
        assert!(schedule.is_due(now + Duration::from_mins(5), false));
        assert!(schedule.is_due(now, true));
        schedule.failed(now);
        assert!(schedule.is_due(now + Duration::from_secs(1), false));
    }
}
