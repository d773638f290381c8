//! Confirm rounds (R2): how a leader proves that nobody else led when the round began.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_fault::{Fault, Faults};

use crate::clock::{Limit, Reading};

/// Rounds in flight at once. Answers to older ones no longer count.
pub const IN_FLIGHT_MAX: usize = 16;

/// The rounds of one leader in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rounds {
    last: u64,
    faults: Faults,
    open: BTreeMap<u64, Round>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Round {
    began: Reading,
    voters: Vec<BTreeSet<u64>>,
    confirmed_by: BTreeSet<u64>,
}

impl Rounds {
    /// Begins a round that asks every voter of `voters`: one set, or two while the membership changes.
    ///
    /// `now` must have been read before the first question is sent. Returns the number that answers must name.
    pub fn begin(&mut self, now: Reading, voters: Vec<BTreeSet<u64>>) -> u64 {
        self.last += 1;
        self.open.insert(self.last, Round { began: now, voters, confirmed_by: BTreeSet::new() });
        while self.open.len() > IN_FLIGHT_MAX {
            self.open.pop_first();
        }
        self.last
    }

    /// Counts at `now` that `voter` confirmed round `number`. Returns when the round began, once a majority of each set
    /// has.
    pub fn confirmed(&mut self, now: &Reading, number: u64, voter: u64) -> Option<Reading> {
        let number = if self.faults.has(Fault::AnswerForNewest) { self.last } else { number };
        let round = self.open.get_mut(&number)?;
        round.confirmed_by.insert(voter);
        if !is_majority(&round.voters, &round.confirmed_by) {
            return None;
        }
        let began = if self.faults.has(Fault::RoundFromReceipt) { *now } else { round.began };
        // Older rounds prove less than this one.
        self.open = self.open.split_off(&(number + 1));
        Some(began)
    }

    /// Returns whether an answer to round `number` still counts for anything.
    pub fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(mut self, by: &Reading) -> Self {
        for round in self.open.values_mut() {
            round.began = round.began.aged(by);
        }
        self
    }

    /// Drops the rounds that would prove nothing at `now`, because they began `length` ago.
    pub fn forget(&mut self, now: &Reading, length: Duration) {
        // With a rule broken they would prove something.
        let kept = self.faults.has(Fault::RoundFromReceipt) || self.faults.has(Fault::AnswerForNewest);
        self.open.retain(|_, round| kept || Limit::new(round.began, length).holds(now));
    }

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }
}

/// Returns whether `yes` holds a majority of every set of voters. Nobody is no majority.
pub fn is_majority(configurations: &[BTreeSet<u64>], yes: &BTreeSet<u64>) -> bool {
    !configurations.is_empty()
        && configurations.iter().all(|voters| voters.intersection(yes).count() * 2 > voters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    fn at(seconds: u64) -> Reading {
        let time = Duration::from_secs(seconds);
        Reading { boot: time, raw: time, monotonic: time }
    }

    #[test]
    fn a_joint_membership_needs_both_majorities() {
        assert!(is_majority(&[set(&[1])], &set(&[1])));
        assert!(!is_majority(&[set(&[1, 2])], &set(&[1])));
        assert!(is_majority(&[set(&[1, 2, 3])], &set(&[1, 3])));
        assert!(!is_majority(&[set(&[1, 2, 3]), set(&[3, 4, 5])], &set(&[1, 2, 3])));
        assert!(is_majority(&[set(&[1, 2, 3]), set(&[3, 4, 5])], &set(&[1, 3, 4])));
        assert!(!is_majority(&[set(&[1, 2, 3])], &set(&[1, 9])));
        assert!(!is_majority(&[], &set(&[1])));
    }

    #[test]
    fn answers_count_for_the_round_they_name() {
        let mut rounds = Rounds::default();
        let first = rounds.begin(at(1), vec![set(&[1, 2, 3])]);
        let second = rounds.begin(at(2), vec![set(&[1, 2, 3])]);
        assert_eq!(rounds.confirmed(&at(9), first, 1), None);
        assert_eq!(rounds.confirmed(&at(9), second, 2), None);
        assert_eq!(rounds.confirmed(&at(9), first, 3), Some(at(1)));
        assert_eq!(rounds.confirmed(&at(9), second, 2), None, "one voter counts once");
        assert_eq!(rounds.confirmed(&at(9), second, 1), Some(at(2)));
        assert_eq!(rounds.confirmed(&at(9), first, 2), None, "a round ends once");
    }

    #[test]
    fn a_newer_round_ends_the_older_ones() {
        let mut rounds = Rounds::default();
        let first = rounds.begin(at(1), vec![set(&[1])]);
        let second = rounds.begin(at(2), vec![set(&[1])]);
        assert_eq!(rounds.confirmed(&at(9), second, 1), Some(at(2)));
        assert_eq!(rounds.confirmed(&at(9), first, 1), None);
    }

    #[test]
    fn rounds_in_flight_are_bounded() {
        let mut rounds = Rounds::default();
        let first = rounds.begin(at(0), vec![set(&[1])]);
        (0..IN_FLIGHT_MAX).for_each(|_| _ = rounds.begin(at(1), vec![set(&[1])]));
        assert_eq!(rounds.confirmed(&at(9), first, 1), None);
    }
}
