//! What nodes say to each other, as it stands on the wire and, for entries, on disk.
//!
//! These types are ours and not openraft's, whose layout changes with every release.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use portcullis_storage::state::{Header, Piece};

use crate::octets;
use crate::types::Peer;

/// A message to another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Entries from the leader.
    Append(Append),
    /// A candidate asks for a vote.
    Vote(Ballot),
    /// A node asks whether it would get a vote.
    PreVote(Ballot),
    /// The leader asks the receiver to become leader.
    TransferLeader(Transfer),
    /// The leader asks whether it still is.
    Confirm(Confirm),
    /// A node asks the leader for an index that is fresh enough to read at.
    ReadIndex,
    /// The leader sends a part of a snapshot.
    Snapshot(Box<SnapshotPart>),
    /// A message between the layers above.
    Application(#[serde(with = "octets")] Vec<u8>),
}

/// An answer to a [`Request`], of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Response {
    Append(AppendAnswer),
    Vote(BallotAnswer),
    TransferLeader(TransferAnswer),
    Confirm(ConfirmAnswer),
    ReadIndex(ReadIndexAnswer),
    Snapshot(SnapshotAnswer),
    Application(#[serde(with = "octets")] Vec<u8>),
}

/// The position of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

/// A vote for a leader, committed once a majority has given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireVote {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) committed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) vote: WireVote,
    pub(crate) previous: Option<Position>,
    pub(crate) entries: Vec<WireEntry>,
    pub(crate) committed: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireEntry {
    pub(crate) position: Position,
    /// An encoded [`Payload`], the same bytes that the log holds.
    #[serde(with = "octets")]
    pub(crate) payload: Vec<u8>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    Blank,
    Command(#[serde(with = "octets")] Bytes),
    Membership(WireMembership),
}

/// A membership: one set of voters, or two while it changes, and where everybody is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireMembership {
    pub(crate) voters: Vec<BTreeSet<u64>>,
    pub(crate) nodes: BTreeMap<u64, Peer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AppendAnswer {
    Success,
    Partial(Option<Position>),
    Conflict,
    HigherVote(WireVote),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) vote: WireVote,
    pub(crate) last: Option<Position>,
    pub(crate) transfer: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BallotAnswer {
    pub(crate) vote: WireVote,
    pub(crate) granted: bool,
    pub(crate) last: Option<Position>,
    /// How long the voter has helped no leader, in nanoseconds, by the clock that is slowest.
    pub(crate) silent_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) from: WireVote,
    pub(crate) to: u64,
    pub(crate) last: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TransferAnswer {
    Accepted,
    VoteChanged { expected: WireVote, actual: WireVote },
    NotFlushed { expected: Option<Position>, actual: Option<Position> },
}

/// Round `round` of the leader whose committed vote is `vote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) vote: WireVote,
    pub(crate) round: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfirmAnswer {
    /// The round that is answered.
    pub(crate) round: u64,
    /// Whether the voter's vote is the one that was asked about.
    pub(crate) confirmed: bool,
    /// The voter's wall clock, in milliseconds since 1970-01-01 UTC.
    pub(crate) wall_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReadIndexAnswer {
    /// Everything that was acknowledged before the question is at or below this index.
    Index(u64),
    /// The receiver is not the leader, or cannot prove that it is.
    Unproven(String),
}

/// A part of the snapshot that `header` describes, from the leader whose committed vote is `vote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotPart {
    pub(crate) vote: WireVote,
    pub(crate) header: Header,
    /// Some of its rows; `None` asks where the receiver is.
    pub(crate) piece: Option<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotAnswer {
    /// The rows behind this key are wanted next.
    Continue { after: Option<Vec<u8>> },
    /// The receiver has this vote, and wants no more: the snapshot is installed, or the sender no longer leads.
    Done { vote: WireVote },
}
