//! What the leader keeps for each holder it has granted to.

use portcullis_fault::{Fault, Faults};

use crate::clock::{Reading, Wait};
use crate::log::{Epoch, Position};

/// A holder that may answer reads, as far as the leader can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    /// Its leases may be in use until this is over.
    pub(crate) expires: Wait,
    /// The last request that was granted.
    pub(crate) granted: u64,
    /// The last entry that it has said to have registered.
    pub(crate) registered: Position,
    /// An entry that waits for this holder, and since when.
    pub(crate) holds_up: Option<(u64, Reading)>,
}

impl Session {
    /// Notes a registration. They may come in any order.
    pub(crate) fn registers(&mut self, entry: Position, faults: Faults) {
        if faults.has(Fault::RegisteredByIndex) && entry.index < self.registered.index {
            return;
        }
        self.registered = self.registered.max(entry);
    }

    /// Returns whether this holder lacks an entry of `epoch`.
    pub(crate) fn lacks(&self, epoch: Epoch, index: u64, faults: Faults) -> bool {
        self.allows(epoch, faults).is_none_or(|allowed| allowed < index)
    }

    /// Returns since when an entry has waited for this holder that it has registered by now.
    pub(crate) fn caught_up(&mut self, epoch: Epoch, faults: Faults) -> Option<Reading> {
        let (index, since) = self.holds_up?;
        if self.lacks(epoch, index, faults) {
            return None;
        }
        self.holds_up = None;
        Some(since)
    }

    /// Moved into the past; see [`Reading::aged`].
    pub(crate) fn aged(&mut self, by: &Reading) {
        self.expires = self.expires.aged(by);
        self.holds_up = self.holds_up.map(|(index, since)| (index, since.aged(by)));
    }

    /// Returns up to which index of `epoch` this holder lets the leader declare; `None` for nothing of it.
    pub(crate) fn allows(&self, epoch: Epoch, faults: Faults) -> Option<u64> {
        if faults.has(Fault::RegisteredByIndex) {
            return Some(self.registered.index);
        }
        match self.registered.epoch.cmp(&epoch) {
            // An entry of an older epoch proves nothing about this leader's entries, whatever its index.
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(self.registered.index),
            // What is committed in an older epoch precedes all entries of a newer one.
            std::cmp::Ordering::Greater => Some(u64::MAX),
        }
    }
}
