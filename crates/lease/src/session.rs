//! What the leader keeps for each holder it has granted to.

use crate::clock::Wait;
use crate::fault::{Fault, Faults};
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
}

impl Session {
    /// Notes a registration. They may come in any order.
    pub(crate) fn registers(&mut self, entry: Position, faults: Faults) {
        if faults.has(Fault::RegisteredByIndex) && entry.index < self.registered.index {
            return;
        }
        self.registered = self.registered.max(entry);
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
