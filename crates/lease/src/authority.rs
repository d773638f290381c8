//! The right to lead (R2): how old the last proof is that nobody else can.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_fault::{Fault, Faults};

use crate::clock::{Limit, Reading};
use crate::round::Rounds;

/// What a leader knows of its own right to grant leases.
///
/// It comes only from rounds of its own. Nothing that the consensus library says about reads, leases or acknowledgement
/// times counts: those may credit a late answer to a newer question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Authority {
    rounds: Rounds,
    /// When the newest round that a majority confirmed began.
    proved: Option<Reading>,
    faults: Faults,
}

impl Authority {
    /// Begins a round; see [`Rounds::begin`].
    pub fn begin(&mut self, now: Reading, voters: Vec<BTreeSet<u64>>) -> u64 {
        self.rounds.begin(now, voters)
    }

    /// Counts an answer that came in at `now`. Returns whether it completed its round.
    pub fn confirmed(&mut self, now: &Reading, number: u64, voter: u64) -> bool {
        let began = self.rounds.confirmed(now, number, voter);
        self.proved = began.or(self.proved);
        began.is_some()
    }

    /// Returns whether an answer to round `number` still counts for anything.
    pub fn awaits(&self, number: u64) -> bool {
        self.rounds.is_open(number)
    }

    /// How long a lease of `length` granted at `now` may last: less by the eager age of the proof. `None` without one.
    pub fn left(&self, now: &Reading, length: Duration) -> Option<Duration> {
        if self.faults.has(Fault::GrantWithoutProof) {
            return Some(length);
        }
        let proved = self.proved?;
        let left = if self.faults.has(Fault::LazyProof) {
            length.saturating_sub(now.lazy_since(&proved))
        } else {
            Limit::new(proved, length).left(now)
        };
        (!left.is_zero()).then_some(left)
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(self, by: &Reading) -> Self {
        Self { rounds: self.rounds.aged(by), proved: self.proved.map(|proved| proved.aged(by)), ..self }
    }

    /// Drops what proves nothing at `now` for leases of `length`.
    pub fn forget(&mut self, now: &Reading, length: Duration) {
        self.rounds.forget(now, length);
        if self.left(now, length).is_none() {
            self.proved = None;
        }
    }

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { rounds: self.rounds.broken_by(faults), faults, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64, raw: u64) -> Reading {
        let s = Duration::from_secs;
        Reading { boot: s(boot), raw: s(raw), monotonic: s(raw) }
    }

    #[test]
    fn the_proof_is_as_old_as_the_question() {
        let mut authority = Authority::default();
        let round = authority.begin(at(10, 10), vec![BTreeSet::from([1, 2, 3])]);
        assert!(!authority.confirmed(&at(11, 11), round, 1));
        assert_eq!(authority.left(&at(11, 11), Duration::from_secs(5)), None);
        assert!(authority.confirmed(&at(11, 11), round, 2));
        assert_eq!(authority.left(&at(11, 11), Duration::from_secs(5)), Some(Duration::from_secs(4)));
        assert_eq!(authority.left(&at(15, 11), Duration::from_secs(5)), None, "a suspended leader has aged");
        assert_eq!(authority.left(&at(9, 9), Duration::from_secs(5)), None, "a clock went backwards");
    }
}
