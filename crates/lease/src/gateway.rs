//! Direct acknowledgements (R5b): when the node that took a write may answer it, without waiting to be told that it is
//! visible.
//!
//! Whoever could still answer without the entry was live at the leader when the leader had appended it, or has been granted
//! a lease since, and such a lease is of no use before its holder has the entry. So the gateway waits for those that the
//! leader lists. It never stops to wait for one of them because a lease must have run out: the holder may have renewed it,
//! and keeps its old barrier. Who cannot get the acknowledgements waits until the entry is visible.
//!
//! An answer declares nothing. What is visible is still for the leader to say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::holder::Registered;
use crate::log::Position;

/// The sessions that were live at the leader after it had appended an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Listed {
    /// The entry.
    pub entry: Position,
    /// Node and incarnation of each.
    pub sessions: BTreeSet<(u64, u64)>,
}

/// What a node keeps of one write that it took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gateway {
    entry: Position,
    /// Those listed that have not acknowledged it.
    lacking: BTreeSet<(u64, u64)>,
    is_committed: bool,
}

impl Gateway {
    /// Begins with what the leader lists. Acknowledgements that came in before count if they are noted again.
    pub fn new(listed: Listed) -> Self {
        Self { entry: listed.entry, lacking: listed.sessions, is_committed: false }
    }

    /// The entry of the write.
    pub fn entry(&self) -> Position {
        self.entry
    }

    /// Notes what a holder has registered. Another start of its process acknowledges nothing for the one that is listed.
    ///
    /// An entry of a newer epoch counts, too: if this one is committed in its epoch, it precedes all entries of newer ones.
    pub fn registered(&mut self, registered: Registered) {
        if registered.entry >= self.entry {
            self.lacking.remove(&(registered.node, registered.incarnation));
        }
    }

    /// Notes that everything up to `entry` is committed, where the leader of its epoch has said so. A commit of another
    /// epoch proves nothing: what lies at the index may be another entry.
    pub fn committed(&mut self, entry: Position) {
        self.is_committed |= entry.epoch == self.entry.epoch && entry.index >= self.entry.index;
    }

    /// Returns whether the writer may be answered: no read that begins from now on can miss the entry.
    pub fn may_answer(&self) -> bool {
        self.is_committed && self.lacking.is_empty()
    }

    /// Node and incarnation of those that have not acknowledged the entry.
    pub fn lacking(&self) -> impl Iterator<Item = (u64, u64)> {
        self.lacking.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of entry 2.5, which nodes 1 and 3 have to acknowledge, each in its seventh start.
    fn gateway() -> Gateway {
        Gateway::new(Listed { entry: Position::new(2, 5), sessions: BTreeSet::from([(1, 7), (3, 7)]) })
    }

    fn registered(node: u64, incarnation: u64, entry: Position) -> Registered {
        Registered { node, incarnation, entry }
    }

    #[test]
    fn r5b_a_write_is_answered_once_all_listed_have_it_and_it_is_committed() {
        let mut gateway = gateway();
        gateway.registered(registered(1, 7, Position::new(2, 5)));
        gateway.committed(Position::new(2, 6));
        assert!(!gateway.may_answer());
        assert_eq!(gateway.lacking().collect::<Vec<_>>(), [(3, 7)]);
        gateway.registered(registered(3, 7, Position::new(2, 9)));
        assert!(gateway.may_answer());
    }

    #[test]
    fn r5b_what_is_not_committed_is_not_answered() {
        let mut gateway = Gateway::new(Listed { entry: Position::new(2, 5), sessions: BTreeSet::new() });
        assert!(!gateway.may_answer());
        gateway.committed(Position::new(2, 4));
        assert!(!gateway.may_answer());
        gateway.committed(Position::new(3, 5));
        assert!(!gateway.may_answer(), "another leader's entry may lie there");
        gateway.committed(Position::new(2, 5));
        assert!(gateway.may_answer());
    }

    #[test]
    fn r5b_acknowledgements_count_by_epoch_and_index() {
        let mut gateway = gateway();
        gateway.committed(Position::new(2, 5));
        gateway.registered(registered(1, 7, Position::new(1, 9)));
        gateway.registered(registered(3, 7, Position::new(2, 4)));
        assert_eq!(gateway.lacking().count(), 2);
        gateway.registered(registered(1, 7, Position::new(3, 6)));
        assert_eq!(gateway.lacking().count(), 1);
    }

    #[test]
    fn r5b_another_start_of_a_process_acknowledges_nothing() {
        let mut gateway = gateway();
        gateway.registered(registered(1, 8, Position::new(2, 5)));
        assert_eq!(gateway.lacking().count(), 2);
    }
}
