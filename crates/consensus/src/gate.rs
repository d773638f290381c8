//! The start-up rule: a node that was restarted neither votes nor campaigns for one longest election timeout.
//!
//! Before the restart it may have acknowledged a leader that still counts on not being replaced for that long. What it
//! promised then is forgotten, so it keeps still until every such promise has run out. A node whose store is pristine
//! has promised nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Reading};

/// By how much the clocks of two machines may run apart: one percent.
const DRIFT_PERCENT: u32 = 1;

/// Whether this node may take part in elections yet.
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    started: Reading,
    closed_for: Duration,
    open: AtomicBool,
}

impl Gate {
    pub(crate) fn new(clock: Arc<dyn Clock>, pristine: bool, election_max: Duration) -> Self {
        let closed_for = election_max + election_max * DRIFT_PERCENT / 100;
        Self { started: clock.read(), clock, closed_for, open: AtomicBool::new(pristine) }
    }

    pub(crate) fn is_open(&self) -> bool {
        if self.open.load(Ordering::Acquire) {
            return true;
        }
        let open = self.remaining().is_zero();
        if open {
            self.open.store(true, Ordering::Release);
        }
        open
    }

    /// How much longer it stays closed, by the clock that is slowest.
    pub(crate) fn remaining(&self) -> Duration {
        if self.open.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        self.closed_for.saturating_sub(self.clock.read().lazy_since(&self.started))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use portcullis_model::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn read(&self) -> Reading {
            let now = Duration::from_millis(self.0.load(Ordering::Relaxed));
            Reading { boot: now, raw: now, monotonic: now }
        }

        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[test]
    fn a_restarted_node_waits_for_the_longest_timeout_and_its_drift() {
        let hands = Arc::new(Hands::default());
        let gate = Gate::new(hands.clone(), false, Duration::from_millis(600));
        for (now, open) in [(0, false), (600, false), (605, false), (606, true), (0, true)] {
            hands.0.store(now, Ordering::Relaxed);
            assert_eq!(gate.is_open(), open, "at {now} ms");
        }
    }

    #[test]
    fn a_pristine_node_need_not_wait() {
        assert!(Gate::new(Arc::new(Hands::default()), true, Duration::from_millis(600)).is_open());
    }
}
