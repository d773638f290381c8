//! The messages between a holder and the leader.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::{Epoch, Position};

/// A holder asks for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub node: u64,
    /// Which start of its process asks.
    pub incarnation: u64,
    /// Counts the requests of this incarnation.
    pub number: u64,
    /// The last entry that it has registered.
    pub registered: Position,
    /// The index up to which its answers reach.
    pub base: u64,
}

/// The leader grants a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Of the leader.
    pub epoch: Epoch,
    /// Of the request.
    pub incarnation: u64,
    /// Of the request.
    pub number: u64,
    /// How long it lasts from the moment when the holder sent its request.
    pub length: Duration,
    /// The last entry in the leader's log. The lease is of no use before the holder's log contains it.
    pub barrier: Position,
    /// The highest index declared visible.
    pub visible: u64,
}

/// Why the leader granted nothing. The holder asks again at the next renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// No majority has confirmed the leader for as long as a lease lasts.
    #[error("the leader has not been confirmed by a majority within the lease length")]
    Unconfirmed,
    /// The roster does not name the node.
    #[error("node {node} is not on the lease roster")]
    NotRostered {
        /// Who asked.
        node: u64,
    },
    /// Its answers would wait for too many entries.
    #[error("node {node} is {behind} entries behind")]
    BaseBehind {
        /// Who asked.
        node: u64,
        /// Entries between its base and what is committed.
        behind: u64,
    },
    /// It does not acknowledge what it is sent, so with a lease it would hold up writes.
    #[error("node {node} has left an entry unacknowledged for {since:?}")]
    NoProgress {
        /// Who asked.
        node: u64,
        /// How long ago the entry was appended.
        since: Duration,
    },
    /// It was lost while it held up writes, or acknowledged slowly again and again. It may ask again once the time is over.
    #[error("node {node} has held up writes and gets no lease for another {left:?}")]
    Quarantined {
        /// Who asked.
        node: u64,
        /// For how much longer.
        left: Duration,
    },
    /// A request that the leader has answered before, or a session that was released since.
    #[error("request {number} of node {node} is no newer than one that was answered")]
    Stale {
        /// Who asked.
        node: u64,
        /// Of the request.
        number: u64,
    },
}

/// A holder gives its lease back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// Who gives it back.
    pub node: u64,
    /// Which start of its process.
    pub incarnation: u64,
    /// Grants of requests up to this number are void at the holder.
    pub up_to: u64,
}
