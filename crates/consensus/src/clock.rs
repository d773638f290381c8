//! Clocks: the one place that reads them.
//!
//! Time since an event is measured in two ways, always as the difference of two readings of one node. *Eager* time is
//! the longer of what the clocks say and counts wherever time limits what a node may do; *lazy* time is the shorter
//! and counts wherever a node waits for others. Wall time is read apart from both. The clocks are read through libc,
//! where fault injection can reach them.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use portcullis_model::Timestamp;

/// One reading of the clocks that measure elapsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Reads the clocks that measure elapsed time.
    fn read(&self) -> Reading;

    /// Reads the wall clock.
    fn wall(&self) -> Timestamp;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        Reading {
            boot: get(ClockId::CLOCK_BOOTTIME),
            raw: get(ClockId::CLOCK_MONOTONIC_RAW),
            monotonic: get(ClockId::CLOCK_MONOTONIC),
        }
    }

    fn wall(&self) -> Timestamp {
        let now = get(ClockId::CLOCK_REALTIME).as_millis();
        Timestamp(i64::try_from(now).unwrap_or(i64::MAX)).min(Timestamp::MAX)
    }
}

fn get(clock: ClockId) -> Duration {
    let time = clock_gettime(clock).expect("INVARIANT: Linux has these clocks");
    Duration::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(boot: u64, raw: u64, monotonic: u64) -> Reading {
        let ms = Duration::from_millis;
        Reading { boot: ms(boot), raw: ms(raw), monotonic: ms(monotonic) }
    }

    #[test]
    fn eager_is_the_longer_and_lazy_the_shorter() {
        let (start, later) = (reading(10, 10, 10), reading(50, 30, 20));
        assert_eq!(later.eager_since(&start), Some(Duration::from_millis(40)));
        assert_eq!(later.lazy_since(&start), Duration::from_millis(10));
    }

    #[test]
    fn a_clock_that_goes_backwards_proves_nothing() {
        let (start, later) = (reading(10, 10, 10), reading(50, 5, 20));
        assert_eq!(later.eager_since(&start), None);
        assert_eq!(later.lazy_since(&start), Duration::ZERO);
    }

    #[test]
    fn system_clocks_advance() {
        let start = SystemClock.read();
        let later = SystemClock.read();
        assert!(later.eager_since(&start).is_some());
        assert!(SystemClock.wall() > Timestamp(1_700_000_000_000));
    }
}
