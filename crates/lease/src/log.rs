//! Positions in the log, and as much of its shape as the rules need.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The term of a leader. There is at most one leader in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// An entry of the log. The epoch counts first: the same index may hold another entry in a later epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Of the leader that proposed the entry.
    pub epoch: Epoch,
    /// Zero stands for the empty log.
    pub index: u64,
}

impl Position {
    /// The position of the entry `index` that the leader of `epoch` proposed.
    pub fn new(epoch: u64, index: u64) -> Self {
        Self { epoch: Epoch(epoch), index }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.index)
    }
}

/// Which epoch each entry of a log is of, from some start on. Epochs never fall, so each begins at one index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct LogShape {
    /// The first index known of each epoch, ascending in both.
    runs: Vec<Position>,
    last: u64,
}

impl LogShape {
    /// A log of which only its last entry is known, such as one that begins with a snapshot.
    pub fn ending_at(last: Position) -> Self {
        if last.index == 0 {
            return Self::default();
        }
        Self { runs: vec![last], last: last.index }
    }

    /// The last entry; the default position when there is none.
    pub fn last(&self) -> Position {
        self.runs.last().map_or_else(Position::default, |run| Position { epoch: run.epoch, index: self.last })
    }

    /// The entry at `index`; `None` above the last, and below the first that is known.
    pub fn at(&self, index: u64) -> Option<Position> {
        let run = self.runs.iter().rev().find(|run| run.index <= index)?;
        (index <= self.last).then_some(Position { epoch: run.epoch, index })
    }

    /// Adds the next entry. An empty log may begin anywhere, as one does of which the beginning was cut off.
    ///
    /// # Panics
    /// When `entry` is not the one after the last, or its epoch is lower: the log store orders what it appends.
    pub fn append(&mut self, entry: Position) {
        let last = self.last();
        let follows = self.runs.is_empty() || entry.index == self.last + 1;
        assert!(follows, "INVARIANT: entry {entry} does not follow {last}");
        assert!(entry.epoch >= last.epoch, "INVARIANT: epochs never fall along a log");
        if self.runs.is_empty() || entry.epoch > last.epoch {
            self.runs.push(entry);
        }
        self.last = entry.index;
    }

    /// Removes the entries above `index`.
    pub fn truncate_after(&mut self, index: u64) {
        self.runs.retain(|run| run.index <= index);
        self.last = if self.runs.is_empty() { 0 } else { self.last.min(index) };
    }

    /// Returns whether the log is known to contain `entry`, which the leader of epoch `leader` had in its log.
    ///
    /// An entry of that epoch at the same or a higher index proves it, too: the log of a leader only grows.
    pub fn contains(&self, entry: Position, leader: Epoch) -> bool {
        let of_leader = self.last_of(leader).is_some_and(|index| index >= entry.index);
        entry.index == 0 || of_leader || self.at(entry.index) == Some(entry)
    }

    fn last_of(&self, epoch: Epoch) -> Option<u64> {
        let at = self.runs.iter().position(|run| run.epoch == epoch)?;
        Some(self.runs.get(at + 1).map_or(self.last, |next| next.index - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(u64, u64)]) -> LogShape {
        let mut log = LogShape::default();
        for (epoch, index) in entries {
            log.append(Position::new(*epoch, *index));
        }
        log
    }

    #[test]
    fn positions_compare_by_epoch_first() {
        assert!(Position::new(2, 1) > Position::new(1, 9));
    }

    #[test]
    fn an_entry_is_contained_only_with_its_epoch() {
        let log = log(&[(1, 1), (1, 2), (3, 3)]);
        assert!(log.contains(Position::new(1, 2), Epoch(2)));
        assert!(!log.contains(Position::new(2, 3), Epoch(2)));
        assert!(!log.contains(Position::new(3, 4), Epoch(3)));
        assert!(log.contains(Position::default(), Epoch(1)));
    }

    #[test]
    fn a_later_entry_of_the_leader_proves_its_earlier_ones() {
        let installed = LogShape::ending_at(Position::new(3, 10));
        assert!(installed.contains(Position::new(2, 7), Epoch(3)));
        assert!(!installed.contains(Position::new(2, 7), Epoch(2)));
        assert!(!installed.contains(Position::new(3, 11), Epoch(3)));
    }

    #[test]
    fn a_cut_log_ends_in_the_epoch_that_is_left() {
        let mut log = log(&[(1, 1), (1, 2), (2, 3), (2, 4)]);
        log.truncate_after(3);
        assert_eq!(log.last(), Position::new(2, 3));
        log.truncate_after(2);
        assert_eq!(log.last(), Position::new(1, 2));
        log.append(Position::new(4, 3));
        assert_eq!(log.last(), Position::new(4, 3));
        log.truncate_after(0);
        assert_eq!(log.last(), Position::default());
    }
}
