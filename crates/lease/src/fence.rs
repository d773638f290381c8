//! The fence (R8): how long a new leader declares nothing, so that every lease of the leaders before it has run out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Reading, Wait};
use crate::terms::Terms;

/// What a granted vote promises, and when it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Promise {
    /// The new leader's clocks when the vote came in.
    pub received: Reading,
    /// The lazy time, by the voter, since it last answered any leader of an older epoch. Zero when it led itself, or has
    /// started since: it cannot know then.
    pub silent: Duration,
}

/// What a new leader waits for before it may declare anything. It may replicate, commit and grant at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    wait: Wait,
    /// Who still has to drop older leases for the fence to fall early.
    holding: BTreeSet<u64>,
}

impl Fence {
    /// A fence from the moment of becoming leader. `terms` bound what is applied, what is not settled, and what any entry
    /// of the own log configures. `holding` are all voters, and all who are rostered by any roster of which leases may be
    /// left.
    pub fn new(became: &Reading, terms: Terms, holding: BTreeSet<u64>) -> Self {
        Self { wait: Wait::new(became, terms.fence()), holding }
    }

    /// A fence that is shorter by what all voters who elected this leader promise. `None` when there is no promise.
    pub fn promised(promises: &[Promise], terms: Terms, holding: BTreeSet<u64>) -> Option<Self> {
        let silent = |vote: &Promise| terms.drift.shortest(vote.silent);
        let waits = promises.iter().map(|vote| Wait::with_credit(&vote.received, silent(vote), terms.fence()));
        Some(Self { wait: waits.reduce(Wait::and)?, holding })
    }

    /// Counts that `node` has, for this epoch, a persisted vote no lower than it and no lease of an older one.
    pub fn dropped_by(&mut self, node: u64) {
        self.holding.remove(&node);
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(self, by: &Reading) -> Self {
        Self { wait: self.wait.aged(by), ..self }
    }

    /// Drops what no longer matters once the fence is over.
    pub fn forget(&mut self, now: &Reading) {
        if self.is_over(now) {
            *self = Self { wait: Wait::default(), holding: BTreeSet::new() };
        }
    }

    /// Returns whether the leader may declare.
    pub fn is_over(&self, now: &Reading) -> bool {
        self.holding.is_empty() || self.wait.is_over(now)
    }

    /// What is left of it at `now`.
    pub fn left(&self, now: &Reading) -> Duration {
        if self.holding.is_empty() { Duration::ZERO } else { self.wait.left(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn at(ms: u64) -> Reading {
        let time = Duration::from_millis(ms);
        Reading { boot: time, raw: time, monotonic: time }
    }

    /// They last 2.02 s by a slow clock.
    fn terms() -> Terms {
        Parameters::local().terms()
    }

    fn everyone() -> BTreeSet<u64> {
        BTreeSet::from([1, 2, 3])
    }

    #[test]
    fn a_plain_fence_waits_from_the_election_on() {
        let fence = Fence::new(&at(1_000), terms(), everyone());
        assert!(!fence.is_over(&at(3_019)));
        assert!(fence.is_over(&at(3_020)));
    }

    #[test]
    fn the_voter_that_was_silent_for_the_shortest_time_counts() {
        let vote = |received, silent| Promise { received: at(received), silent: Duration::from_millis(silent) };
        let promises = [vote(1_000, 1_000), vote(1_010, 500)];
        let fence = Fence::promised(&promises, terms(), everyone()).unwrap();
        assert_eq!(fence.left(&at(1_010)), Duration::from_millis(2_020 - 495));
        assert_eq!(Fence::promised(&[], terms(), everyone()), None);
    }

    #[test]
    fn the_fence_falls_when_everyone_has_dropped_older_leases() {
        let mut fence = Fence::new(&at(0), terms(), everyone());
        fence.dropped_by(1);
        fence.dropped_by(2);
        assert!(!fence.is_over(&at(0)));
        fence.dropped_by(3);
        assert!(fence.is_over(&at(0)));
        assert_eq!(fence.left(&at(0)), Duration::ZERO);
    }
}
