//! Clocks that went backwards count as if more time had passed than any lease lasts.
//!
//! A lease that has run out would come back to life when the clocks return to its time, because whoever reads a lease
//! compares the clocks with it and remembers nothing. So what was read is remembered here, by everyone who reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_lease::{Parameters, Reading};
use portcullis_model::Timestamp;

use crate::clock::Clock;

/// How far the clocks may go on before it is noted, and how far back they may go before it counts. What is noted is written
/// to memory that all readers share, so it is not done each time.
const NOTED_EVERY: Duration = Duration::from_micros(100);

/// Clocks that are watched.
pub(crate) struct Watched {
    clock: Arc<dyn Clock>,
    /// The newest readings of the clocks by which leases run out, in nanoseconds; after they went backwards, those since.
    boot_ns: AtomicU64,
    raw_ns: AtomicU64,
    /// What is added to the reading of `CLOCK_BOOTTIME`, which counts only where time limits what a node may do. Whoever
    /// waits for others counts by the other two, and waits the longer for their having gone backwards.
    added_ns: AtomicU64,
}

impl Watched {
    /// Watches clocks from now on.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let Reading { boot, raw, .. } = clock.read();
        Self { clock, boot_ns: nanos(boot).into(), raw_ns: nanos(raw).into(), added_ns: AtomicU64::new(0) }
    }
}

impl Clock for Watched {
    fn read(&self) -> Reading {
        // These first: what was noted is no newer than a reading that is taken after it was loaded. And the sum last of
        // them: whoever finds the new notes finds what was added before they were made.
        let (boot_ns, raw_ns) = (self.boot_ns.load(Ordering::Acquire), self.raw_ns.load(Ordering::Acquire));
        let mut added = self.added_ns.load(Ordering::Acquire);
        let reading = self.clock.read();
        let (boot, raw) = (nanos(reading.boot), nanos(reading.raw));
        let step = nanos(NOTED_EVERY);
        if boot + step < boot_ns || raw + step < raw_ns {
            let back = boot_ns.saturating_sub(boot);
            let more = nanos(Parameters::LENGTH_MAX) + back;
            // Two who notice it add twice, which does no harm.
            added = self.added_ns.fetch_add(more, Ordering::AcqRel) + more;
            self.boot_ns.store(boot, Ordering::Release);
            self.raw_ns.store(raw, Ordering::Release);
            tracing::error!(?reading, "a clock went backwards; this node gives up its lease");
        } else if boot > boot_ns + step || raw > raw_ns + step {
            self.boot_ns.fetch_max(boot, Ordering::AcqRel);
            self.raw_ns.fetch_max(raw, Ordering::AcqRel);
        }
        Reading { boot: reading.boot + Duration::from_nanos(added), ..reading }
    }

    fn wall(&self) -> Timestamp {
        self.clock.wall()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("INVARIANT: a machine does not run for centuries")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    struct Hands(Mutex<Reading>);

    impl Clock for Hands {
        fn read(&self) -> Reading {
            *self.0.lock().unwrap()
        }

        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    fn at(boot: u32, raw: u32) -> Reading {
        Reading { boot: MS * boot, raw: MS * raw, monotonic: MS * raw }
    }

    #[test]
    fn a_lease_that_has_run_out_does_not_come_back() {
        let hands = Arc::new(Hands(Mutex::new(at(1_000, 500))));
        let watched = Watched::new(hands.clone());
        let set = |reading| *hands.0.lock().unwrap() = reading;
        let lease = portcullis_lease::Limit::new(watched.read(), MS * 2_000);
        set(at(2_900, 2_400));
        assert!(lease.holds(&watched.read()));
        set(at(4_000, 3_500));
        assert!(!lease.holds(&watched.read()));
        for back in [at(1_500, 1_000), at(1_500, 3_500), at(2_000, 1_500), at(900, 400), at(1_100, 600)] {
            set(back);
            assert!(!lease.holds(&watched.read()), "{back:?}");
        }
        let later = portcullis_lease::Limit::new(watched.read(), MS * 2_000);
        set(at(2_000, 1_500));
        assert!(later.holds(&watched.read()), "a lease that was asked for since counts");
    }

    #[test]
    fn a_small_step_back_is_noticed() {
        let at_us = |count| {
            let time = Duration::from_micros(count);
            Reading { boot: time, raw: time, monotonic: time }
        };
        let hands = Arc::new(Hands(Mutex::new(at_us(1_000_000))));
        let watched = Watched::new(hands.clone());
        let lease = portcullis_lease::Limit::new(watched.read(), MS * 2_000);
        *hands.0.lock().unwrap() = at_us(1_000_300);
        assert!(lease.holds(&watched.read()));
        *hands.0.lock().unwrap() = at_us(1_000_250);
        assert!(lease.holds(&watched.read()), "readings of several threads may come in another order");
        *hands.0.lock().unwrap() = at_us(1_000_050);
        assert!(!lease.holds(&watched.read()));
    }

    #[test]
    fn whoever_waits_for_others_does_not_wait_less() {
        let hands = Arc::new(Hands(Mutex::new(at(5_000, 5_000))));
        let watched = Watched::new(hands.clone());
        let before = watched.read();
        *hands.0.lock().unwrap() = at(4_000, 4_000);
        assert_eq!(watched.read().lazy_since(&before), Duration::ZERO);
        *hands.0.lock().unwrap() = at(5_500, 5_500);
        assert_eq!(watched.read().lazy_since(&before), MS * 500);
    }
}
