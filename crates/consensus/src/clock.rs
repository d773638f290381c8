//! Clocks: the one place that reads them.
//!
//! What elapsed time means is decided by [`Reading`]; wall time is read apart from it. The clocks are read through libc,
//! where fault injection can reach them.

use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
pub use portcullis_lease::Reading;
use portcullis_model::Timestamp;
use rtime_clock::adjtime::{Timex, adjtimex};

/// The flag with which the kernel says that nothing keeps its wall clock right (`STA_UNSYNC`).
const UNSYNCHRONISED: i32 = 0x40;
const MICROSECONDS_PER_MS: u64 = 1_000;

/// How wrong the wall clock may be, as far as the machine knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WallError {
    /// A time daemon keeps it right, to within this many milliseconds at the most.
    Kept(u64),
    /// Nothing keeps it right.
    Unsynchronised,
    /// The machine does not say, as in a container that forbids the question.
    #[default]
    Unknown,
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Reads the clocks that measure elapsed time.
    fn read(&self) -> Reading;

    /// Reads the wall clock.
    fn wall(&self) -> Timestamp;

    /// How wrong the wall clock may be.
    fn wall_error(&self) -> WallError {
        WallError::Unknown
    }
}

/// The wall clock in place of those that measure elapsed time: only where that rule is broken to see whether it is noticed.
pub(crate) struct ByWall(pub(crate) Arc<dyn Clock>);

impl Clock for ByWall {
    fn read(&self) -> Reading {
        let wall = Duration::from_millis(u64::try_from(self.0.wall().0).unwrap_or_default());
        Reading { boot: wall, raw: wall, monotonic: wall }
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }
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

    fn wall_error(&self) -> WallError {
        // All zero asks, and changes nothing.
        let mut answer = Timex::new();
        match adjtimex(&mut answer) {
            Ok(_) if answer.0.status & UNSYNCHRONISED != 0 => WallError::Unsynchronised,
            Ok(_) => {
                let error_us = u64::try_from(answer.0.maxerror).unwrap_or(u64::MAX);
                WallError::Kept(error_us.div_ceil(MICROSECONDS_PER_MS))
            }
            Err(_) => WallError::Unknown,
        }
    }
}

fn get(clock: ClockId) -> Duration {
    let time = clock_gettime(clock).expect("INVARIANT: Linux has these clocks");
    Duration::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clocks_advance() {
        let start = SystemClock.read();
        let later = SystemClock.read();
        assert!(later.eager_since(&start).is_some());
        assert!(SystemClock.wall() > Timestamp(1_700_000_000_000));
    }
}
