//! How often a source may fail to say who it is.
//!
//! A source is an address, or the network of 64 bits that a host of IPv6 chooses its addresses in. Each may fail a few
//! times at once and then at a rate; beyond it, attempts are refused unseen, right or wrong. Attempts that succeed cost
//! nothing.
//!
//! A source is remembered by one number, the time at which it is forgiven everything. When too many are remembered, whoever
//! is forgiven first is forgotten first, so that a flood from many sources does not free the worst of them.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How much is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Failures of one source that are tolerated at once.
    pub burst: u32,
    /// Time after which one more is tolerated.
    pub interval: Duration,
    /// Sources that are remembered.
    pub sources: usize,
}

impl Default for Tolerance {
    /// Ten at once, then one in six seconds; 65,536 sources, which take about 10 MB.
    fn default() -> Self {
        Self { burst: 10, interval: Duration::from_secs(6), sources: 65_536 }
    }
}

/// Who counts as one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source(u128);

/// The failures of all sources. Times are those of a clock that only goes forward, since any start.
#[derive(Clone, Debug)]
pub struct Limiter {
    tolerance: Tolerance,
    forgiven: BTreeMap<Source, Duration>,
    /// INVARIANT: the same pairs, by time.
    order: BTreeSet<(Duration, Source)>,
}

/// A source has failed too often. Try again after that long; what was presented was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts to authenticate from this address: correct the credential, and try again in {} ms", wait.as_millis())]
pub struct TooMany {
    /// How long to wait for the next attempt.
    pub wait: Duration,
}

impl Limiter {
    /// Remembers nothing yet.
    pub fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, forgiven: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Whether a source may try.
    pub fn allow(&self, source: IpAddr, now: Duration) -> Result<(), TooMany> {
        let Some(forgiven) = self.forgiven.get(&Source::of(source)) else { return Ok(()) };
        let wait = forgiven.saturating_sub(now).saturating_sub(self.tolerated());
        if wait.is_zero() { Ok(()) } else { Err(TooMany { wait }) }
    }

    /// Takes note that a source has failed.
    pub fn failed(&mut self, source: IpAddr, now: Duration) {
        let source = Source::of(source);
        let before = self.forgiven.remove(&source);
        if let Some(before) = before {
            self.order.remove(&(before, source));
        }
        // Attempts that were allowed side by side may all fail; together they cost no more than the whole burst.
        let most = now.saturating_add(self.tolerated()).saturating_add(self.tolerance.interval);
        let after = before.unwrap_or(now).max(now).saturating_add(self.tolerance.interval).min(most);
        self.forget(now);
        if self.tolerance.sources > 0 {
            self.forgiven.insert(source, after);
            self.order.insert((after, source));
        }
    }

    /// How many sources are remembered.
    pub fn sources(&self) -> usize {
        self.forgiven.len()
    }

    /// The debt with which a source may still try.
    fn tolerated(&self) -> Duration {
        self.tolerance.interval.saturating_mul(self.tolerance.burst.saturating_sub(1))
    }

    /// Makes room for one, and drops a few that are forgiven.
    fn forget(&mut self, now: Duration) {
        for _ in 0..4 {
            let Some((forgiven, source)) = self.order.first().copied() else { return };
            if forgiven > now && self.order.len() < self.tolerance.sources {
                return;
            }
            self.order.remove(&(forgiven, source));
            self.forgiven.remove(&source);
        }
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // Apart from all networks of IPv6, whose lower half is zero.
            IpAddr::V4(address) => Self(u128::from(u32::from(address)) | 1 << 32),
            IpAddr::V6(address) => Self(u128::from(address) >> 64 << 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limiter(burst: u32, sources: usize) -> Limiter {
        Limiter::new(Tolerance { burst, interval: ms(100), sources })
    }

    /// Tries as often as allowed, and fails each time.
    fn failures(limiter: &mut Limiter, source: &str, now: Duration) -> u32 {
        let mut count = 0;
        while limiter.allow(address(source), now).is_ok() && count < 1_000 {
            limiter.failed(address(source), now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_burst_is_tolerated_and_then_a_rate() {
        let mut limiter = limiter(3, 10);
        for (now, expected) in [(0, 3), (50, 0), (99, 0), (100, 1), (101, 0), (350, 2), (10_000, 3)] {
            assert_eq!(failures(&mut limiter, "192.0.2.1", ms(now)), expected, "at {now}");
        }
        assert_eq!(limiter.allow(address("192.0.2.1"), ms(10_060)).unwrap_err().wait.as_millis(), 40);
        assert!(limiter.allow(address("192.0.2.2"), ms(10_060)).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_an_address_of_ipv4_is_one_however_written() {
        let mut limiter = limiter(2, 10);
        assert_eq!(failures(&mut limiter, "2001:db8:0:1::1", ms(0)), 2);
        for (source, blocked) in [
            ("2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:2::1", false),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
        ] {
            assert_eq!(limiter.allow(address(source), ms(0)).is_err(), blocked, "{source}");
        }
        assert_eq!(failures(&mut limiter, "::ffff:192.0.2.1", ms(0)), 2);
        assert!(limiter.allow(address("192.0.2.1"), ms(0)).is_err());
    }

    #[test]
    fn calls_that_fail_together_cost_no_more_than_one_that_is_too_many() {
        let mut limiter = limiter(2, 10);
        (0..1_000).for_each(|_| limiter.failed(address("192.0.2.1"), ms(0)));
        assert!(limiter.allow(address("192.0.2.1"), ms(99)).is_err());
        assert!(limiter.allow(address("192.0.2.1"), ms(100)).is_ok());
    }

    #[test]
    fn a_flood_of_sources_does_not_free_the_worst() {
        let mut limiter = limiter(5, 10);
        assert_eq!(failures(&mut limiter, "192.0.2.1", ms(0)), 5);
        for nth in 0..1_000 {
            limiter.failed(address(&format!("2001:db8:0:{nth:x}::1")), ms(1));
            assert!(limiter.sources() <= 10);
        }
        assert!(limiter.allow(address("192.0.2.1"), ms(1)).is_err());
    }

    proptest! {
        #[test]
        fn memory_is_bounded(steps in prop::collection::vec((any::<[u8; 4]>(), 0..80_u64), 1..200)) {
            let (mut limiter, mut now) = (limiter(4, 3), 0);
            for (source, pause) in steps {
                now += pause;
                limiter.failed(source.into(), ms(now));
                prop_assert!(limiter.sources() <= 3);
                prop_assert_eq!(limiter.order.len(), limiter.forgiven.len());
            }
        }

        #[test]
        fn no_time_span_holds_more_failures_than_tolerated(pauses in prop::collection::vec(0..80_u64, 1..200)) {
            let (mut limiter, mut now, mut failed) = (limiter(4, 3), 0, Vec::new());
            let source = address("192.0.2.1");
            for pause in pauses {
                now += pause;
                if limiter.allow(source, ms(now)).is_ok() {
                    limiter.failed(source, ms(now));
                    failed.push(now);
                }
            }
            for (nth, start) in failed.iter().enumerate() {
                for (count, end) in (1..).zip(&failed[nth..]) {
                    prop_assert!(count <= 4 + (end - start) / 100, "{} failures from {} to {}", count, start, end);
                }
            }
        }
    }
}
