//! Clocks: the one place that reads them.
//!
//! What elapsed time means is decided by [`Reading`]; wall time is read apart from it. The clocks are read through libc,
//! where fault injection can reach them.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
pub use portcullis_lease::Reading;
use portcullis_model::Timestamp;

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

    #[test]
    fn system_clocks_advance() {
        let start = SystemClock.read();
        let later = SystemClock.read();
        assert!(later.eager_since(&start).is_some());
        assert!(SystemClock.wall() > Timestamp(1_700_000_000_000));
    }
}
