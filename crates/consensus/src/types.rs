//! The types that openraft is instantiated with.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::impls::{TokioRuntime, leader_id_std};
use openraft::rt::deterministic_rng::DeterministicRng;
use portcullis_lease::Position;
use portcullis_machine::{Outcome, Refusal};
use portcullis_model::{Region, Revision};
use serde::{Deserialize, Serialize};
use tokio::sync::SetOnce;

use crate::propose::Proposed;
use crate::state_machine::StateMachine;

openraft::declare_raft_types!(
    /// One leader per term, so that a term names its leader.
    pub(crate) Types:
        D = Proposal,
        R = Option<Proposed>,
        NodeId = u64,
        Node = Peer,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = Runtime,
);

/// Tokio, with random numbers from a seed that each task hands on to those it starts: what openraft draws, such as election
/// timeouts, can be had again. It must be started within `Runtime::scope`.
pub(crate) type Runtime = DeterministicRng<TokioRuntime>;

pub(crate) type Raft = openraft::Raft<Types, StateMachine>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, Peer>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// Where a node is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `host:port` of its peer listener.
    pub peer: String,
    /// `host:port` of its client listener.
    pub client: String,
    /// Its region, if it was given one.
    pub region: Option<Region>,
}

/// A stamped command, encoded once by the leader and not looked into until it is applied.
#[derive(Clone)]
pub(crate) struct Proposal {
    pub(crate) command: Bytes,
    /// Where it stands, for whoever has proposed it here, once it is in the log. It is not part of the entry.
    pub(crate) appended: Option<Arc<SetOnce<Position>>>,
}

impl Proposal {
    /// One that nobody here waits for.
    pub(crate) fn new(command: Bytes) -> Self {
        Self { command, appended: None }
    }
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Self) -> bool {
        self.command == other.command
    }
}

impl Eq for Proposal {}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.command.len())
    }
}

/// What came of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Where it was decided.
    pub revision: Revision,
    /// What was decided.
    pub result: Result<Outcome, Refusal>,
}
