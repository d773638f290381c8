//! How old a decision is: elapsed time by whichever clock has run further, suspension included.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    boot: Duration,
    raw: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { boot: get(ClockId::CLOCK_BOOTTIME), raw: get(ClockId::CLOCK_MONOTONIC_RAW) }
    }

    /// How long ago this was, at the most. A clock that went backwards proves nothing.
    pub(crate) fn age(&self, now: &Self) -> Duration {
        match (now.boot.checked_sub(self.boot), now.raw.checked_sub(self.raw)) {
            (Some(boot), Some(raw)) => boot.max(raw),
            _ => Duration::MAX,
        }
    }
}

fn get(clock: ClockId) -> Duration {
    Duration::from(clock_gettime(clock).expect("INVARIANT: Linux has these clocks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_ran_further_counts() {
        let at = |boot, raw| Moment { boot: Duration::from_secs(boot), raw: Duration::from_secs(raw) };
        assert_eq!(at(10, 10).age(&at(15, 12)), Duration::from_secs(5));
        assert_eq!(at(10, 10).age(&at(15, 9)), Duration::MAX);
    }
}
