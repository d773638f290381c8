//! Who has held up writes, and when it may have leases again (R3, R10).
//!
//! A holder that is lost stops writes until its session has run out, and one that acknowledges slowly slows each of them.
//! Once is bad luck. For a node that comes back only to be lost again, the wait before it gets another lease doubles each
//! time, so that what it can hold up in the long run is bounded.
//!
//! It is the leader's own opinion, and not replicated: to refuse a lease is always safe, and a new leader begins with a
//! good opinion of everyone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::{Reading, Wait};

/// How long a holder gets no lease after it was lost for the first time. Each further loss doubles it.
pub const RETURN_AFTER: Duration = Duration::from_secs(1);
/// The longest that a holder gets no lease.
pub const RETURN_AFTER_MAX: Duration = Duration::from_mins(1);
/// How long a holder has to do well after its return until its losses are forgotten.
pub const FORGIVEN_AFTER: Duration = Duration::from_mins(5);
/// Slow acknowledgements that weigh as much as a loss.
pub const SLOW_MAX: u32 = 8;

/// What a leader holds against holders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Quarantine {
    nodes: BTreeMap<u64, Record>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    losses: u32,
    /// Slow acknowledgements since the last loss.
    slow: u32,
    /// It gets no lease until this is over.
    returns: Wait,
    /// Nothing is held against it once this is over.
    forgiven: Wait,
}

impl Quarantine {
    /// Notes that the session of a node ran out while it held up an entry.
    pub(crate) fn lost(&mut self, node: u64, now: &Reading) {
        let record = self.record(node, now);
        record.losses = record.losses.saturating_add(1);
        record.slow = 0;
        let doubled = RETURN_AFTER.saturating_mul(1_u32.checked_shl(record.losses - 1).unwrap_or(u32::MAX));
        let delay = doubled.min(RETURN_AFTER_MAX);
        record.returns = Wait::new(now, delay);
        record.forgiven = Wait::new(now, delay + FORGIVEN_AFTER);
    }

    /// Notes that a node acknowledged an entry so late that it held up writes.
    pub(crate) fn slow(&mut self, node: u64, now: &Reading) {
        let record = self.record(node, now);
        record.slow += 1;
        record.forgiven = record.forgiven.and(Wait::new(now, FORGIVEN_AFTER));
        if record.slow >= SLOW_MAX {
            self.lost(node, now);
        }
    }

    /// For how much longer a node gets no lease; zero for one that may have one.
    pub(crate) fn left(&self, node: u64, now: &Reading) -> Duration {
        self.nodes.get(&node).map_or(Duration::ZERO, |record| record.returns.left(now))
    }

    /// Drops what no longer matters at `now`.
    pub(crate) fn forget(&mut self, now: &Reading) {
        self.nodes.retain(|_, record| !record.forgiven.is_over(now));
    }

    /// Moved into the past; see [`Reading::aged`].
    pub(crate) fn aged(mut self, by: &Reading) -> Self {
        for record in self.nodes.values_mut() {
            record.returns = record.returns.aged(by);
            record.forgiven = record.forgiven.aged(by);
        }
        self
    }

    /// What is held against a node at `now`.
    fn record(&mut self, node: u64, now: &Reading) -> &mut Record {
        self.forget(now);
        self.nodes.entry(node).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Reading {
        let time = Duration::from_secs(seconds);
        Reading { boot: time, raw: time, monotonic: time }
    }

    /// What is left at `now` of the quarantine of node 2 after losses at these times.
    fn left(losses: &[u64], now: u64) -> u64 {
        let mut quarantine = Quarantine::default();
        for seconds in losses {
            quarantine.lost(2, &at(*seconds));
        }
        assert_eq!(quarantine.left(1, &at(now)), Duration::ZERO, "of another node");
        quarantine.left(2, &at(now)).as_secs()
    }

    #[test]
    fn r10_each_loss_doubles_the_wait_up_to_a_minute() {
        assert_eq!(left(&[], 10), 0);
        assert_eq!([left(&[10], 10), left(&[10], 11)], [1, 0]);
        assert_eq!(left(&[10, 20], 20), 2);
        assert_eq!(left(&[10, 20, 30], 30), 4);
        assert_eq!(left(&[10, 20, 30, 40, 50, 60], 60), 32);
        assert_eq!(left(&[10, 20, 30, 40, 50, 60, 70], 70), 60);
        assert_eq!(left(&[10; 100], 10), 60);
    }

    #[test]
    fn r10_who_does_well_is_forgiven() {
        // The second loss keeps it away for two seconds, and is forgotten five minutes after that.
        assert_eq!(left(&[10, 20, 321], 321), 4);
        assert_eq!(left(&[10, 20, 322], 322), 1);
    }

    #[test]
    fn r3_acknowledging_slowly_again_and_again_is_a_loss() {
        let mut quarantine = Quarantine::default();
        (1..SLOW_MAX).for_each(|_| quarantine.slow(2, &at(10)));
        assert_eq!(quarantine.left(2, &at(10)), Duration::ZERO);
        quarantine.slow(2, &at(10));
        assert_eq!(quarantine.left(2, &at(10)), Duration::from_secs(1));
        (1..SLOW_MAX).for_each(|_| quarantine.slow(2, &at(20)));
        assert_eq!(quarantine.left(2, &at(20)), Duration::ZERO, "counted from zero again");
    }

    #[test]
    fn what_is_forgiven_is_not_kept() {
        let mut quarantine = Quarantine::default();
        quarantine.lost(2, &at(10));
        quarantine.forget(&at(310));
        assert_ne!(quarantine, Quarantine::default());
        quarantine.forget(&at(311));
        assert_eq!(quarantine, Quarantine::default());
    }
}
