//! Direct acknowledgements (R5b): when the node that took a write may answer it, without waiting to be told that it is
//! visible, nor by the leader that it is committed.
//!
//! **Who could miss it.** Whoever could still answer without the entry was live at the leader when the leader had appended it,
//! or has been granted a lease since, and such a lease is of no use before its holder has the entry. So the gateway waits for
//! those that the leader lists. It never stops to wait for one of them because a lease must have run out: the holder may have
//! renewed it, and keeps its old barrier. Who cannot get the acknowledgements waits until the entry is visible.
//!
//! **Whether it lasts.** Voters say what they have on disk ([`Stored`]), and the gateway counts as the leader would: an entry of
//! epoch e is committed once a majority of the voters, of both sets while they change, has taken it or a later entry of e from
//! the leader of e, onto its disk. It is committed whether its leader knows it or not, still leads or not, since it rests on
//! nothing but what those voters did, in this order: each had the entry on its way to disk before it gave any vote of a newer
//! epoch. A later leader needs a vote of one of them, who refuses it to a log that ends before the entry; so every later leader
//! has it, and nobody ever cuts it off. What voters do afterwards, to vote, to restart, to lose their power, changes nothing of
//! that, so a note of theirs may come however late.
//!
//! A voter that has got the entry from a leader of a *newer* epoch is no proof: it may have voted before, for somebody who
//! lacks it. Nor is an entry of a newer epoch at that place, which may be another one.
//!
//! **Who votes** is what the leader's log says up to the entry. The leader may look later, as it may when it commits the entry
//! itself. While both sets vote, it asks for more. When the new one alone votes, that both do is committed: an entry before that
//! is committed with it, and one behind it is safe, since whoever is elected from then on needs a majority of the new set. It
//! must not look earlier.
//!
//! An answer declares nothing. What is visible is still for the leader to say. But the leader may then lead without knowing that
//! an entry is committed of which somebody was told, so whoever asks it how far a fresh answer reaches is told of everything that
//! it has listed ([`Leader::answerable`](crate::Leader::answerable)). A later leader knows nothing of that and need not: it says
//! nothing before an entry of its own is committed, which comes behind.

use std::collections::BTreeSet;

use portcullis_fault::{Fault, Faults};
use serde::{Deserialize, Serialize};

use crate::holder::Registered;
use crate::log::{Epoch, Position};
use crate::round::is_majority;

/// What the leader says of an entry after it has appended it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Listed {
    /// The entry.
    pub entry: Position,
    /// The sessions that were live then: node and incarnation of each.
    pub sessions: BTreeSet<(u64, u64)>,
    /// Who votes: one set, or two while that changes. Looked at after the append.
    pub voters: Vec<BTreeSet<u64>>,
}

/// What a voter says of its disk. It is true for ever, so it names no start of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stored {
    /// Who.
    pub node: u64,
    /// Everything up to this entry is on its disk, and came from the leader of the entry's epoch.
    pub entry: Position,
}

impl Stored {
    /// What `node` may say once entries up to `last` are on its disk, which it took from the leader of `leader`: nothing, where
    /// they are of an older epoch. `None` as well where its vote was for no leader at that time.
    pub fn new(node: u64, leader: Option<Epoch>, last: Position, faults: Faults) -> Option<Self> {
        let is_own = leader == Some(last.epoch) || leader.is_some() && faults.has(Fault::StoredFromAnybody);
        (is_own && last.index > 0).then_some(Self { node, entry: last })
    }
}

/// What a node keeps of one write that it took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gateway {
    entry: Position,
    /// Those listed that have not acknowledged it.
    lacking: BTreeSet<(u64, u64)>,
    voters: Vec<BTreeSet<u64>>,
    /// Who has it on disk.
    stored_by: BTreeSet<u64>,
    is_committed: bool,
    faults: Faults,
}

impl Gateway {
    /// Begins with what the leader lists. What was said before counts if it is noted again.
    pub fn new(listed: Listed) -> Self {
        let Listed { entry, sessions, voters } = listed;
        let (stored_by, faults) = (BTreeSet::new(), Faults::default());
        Self { entry, lacking: sessions, voters, stored_by, is_committed: false, faults }
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

    /// Notes what a node has on disk. Only voters count, and only entries of this epoch: a newer one proves nothing here.
    pub fn stored(&mut self, stored: Stored) {
        let Stored { node, entry } = stored;
        let is_of_epoch = entry.epoch == self.entry.epoch || self.faults.has(Fault::StoredOfAnyEpoch);
        if !is_of_epoch || entry.index < self.entry.index {
            return;
        }
        self.stored_by.insert(node);
        let by_all = |voters: &BTreeSet<u64>| self.stored_by.len() * 2 > voters.len();
        self.is_committed |= if self.faults.has(Fault::LearnersCount) {
            self.voters.iter().all(by_all)
        } else {
            is_majority(&self.voters, &self.stored_by)
        };
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

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of entry 2.5, which nodes 1 and 3 have to acknowledge, each in its seventh start.
    fn gateway() -> Gateway {
        gateway_of(&[(1, 7), (3, 7)], &[&[1, 2, 3]])
    }

    fn gateway_of(sessions: &[(u64, u64)], voters: &[&[u64]]) -> Gateway {
        let voters = voters.iter().map(|set| set.iter().copied().collect()).collect();
        Gateway::new(Listed { entry: Position::new(2, 5), sessions: sessions.iter().copied().collect(), voters })
    }

    fn stored(node: u64, entry: Position) -> Stored {
        Stored { node, entry }
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
        let mut gateway = gateway_of(&[], &[&[1, 2, 3]]);
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

    #[test]
    fn r5b_a_majority_that_has_the_entry_from_its_leader_commits_it() {
        let mut gateway = gateway_of(&[], &[&[1, 2, 3]]);
        gateway.stored(stored(1, Position::new(2, 5)));
        gateway.stored(stored(1, Position::new(2, 6)));
        assert!(!gateway.may_answer(), "one voter counts once");
        gateway.stored(stored(2, Position::new(2, 4)));
        gateway.stored(stored(2, Position::new(3, 5)));
        gateway.stored(stored(3, Position::new(1, 9)));
        assert!(!gateway.may_answer(), "an earlier entry, and entries of other leaders, prove nothing");
        gateway.stored(stored(4, Position::new(2, 5)));
        assert!(!gateway.may_answer(), "node 4 does not vote");
        gateway.stored(stored(3, Position::new(2, 7)));
        assert!(gateway.may_answer());
    }

    #[test]
    fn r5b_while_voters_change_both_sets_are_asked() {
        let mut gateway = gateway_of(&[], &[&[1, 2, 3], &[3, 4, 5]]);
        (1..=3).for_each(|node| gateway.stored(stored(node, Position::new(2, 5))));
        assert!(!gateway.may_answer());
        gateway.stored(stored(5, Position::new(2, 5)));
        assert!(gateway.may_answer());
        let mut nobody = gateway_of(&[], &[]);
        nobody.stored(stored(1, Position::new(2, 5)));
        assert!(!nobody.may_answer());
    }

    #[test]
    fn r5b_a_voter_speaks_of_entries_that_it_has_from_their_leader() {
        let new = |leader, last| Stored::new(1, leader, last, Faults::default());
        let entry = Position::new(2, 5);
        assert_eq!(new(Some(Epoch(2)), entry), Some(stored(1, entry)));
        assert_eq!(new(Some(Epoch(3)), entry), None, "it had voted before it took the entry");
        assert_eq!(new(None, entry), None);
        assert_eq!(new(Some(Epoch(0)), Position::default()), None);
    }
}
