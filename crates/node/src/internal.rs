//! What nodes ask of each other above consensus.

use portcullis_consensus::{Proposed, Ticket};
use portcullis_machine::command::AdmitByToken;
use portcullis_model::{ClusterId, IdempotencyKey, NodeId, Region};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::health::{Alarm, LowDisk};
use crate::node::Lease;

/// A message from one node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Propose a write, if you lead. With a ticket, the node that sends it may answer it directly.
    Write(Box<Draft>, Option<Ticket>),
    /// Change the cluster, if you lead.
    Administer(Change),
    /// How are you?
    About,
    /// May you lead now?
    MayLead,
}

/// A change of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Join {
        id: NodeId,
        peer: String,
        client: String,
        region: Option<Region>,
        command_version: u32,
    },
    AddNode {
        id: NodeId,
        peer: String,
        client: String,
        region: Option<Region>,
    },
    Promote {
        id: NodeId,
    },
    Remove {
        id: NodeId,
    },
    TransferLeader {
        to: Option<NodeId>,
    },
    /// A join that may be asked for again.
    JoinUnder {
        id: NodeId,
        peer: String,
        client: String,
        region: Option<Region>,
        command_version: u32,
        key: IdempotencyKey,
    },
    /// A join by a token, which may be asked for again under a key.
    JoinByToken {
        id: NodeId,
        peer: String,
        client: String,
        region: Option<Region>,
        command_version: u32,
        key: Option<IdempotencyKey>,
        admission: AdmitByToken,
    },
}

/// An answer to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The write was carried out or refused.
    Wrote(Proposed),
    /// The cluster was changed; the node named leads.
    Administered(NodeId),
    /// This node.
    About(About),
    /// Nothing was done: the disk of a member is nearly full, and the write would add.
    LowDisk(LowDisk),
    /// Nothing was done: so many entries wait to become visible.
    TooManyPending(u64),
    /// Nothing was done: the leader's clock is wrong by so many milliseconds.
    ClockDeviates(i64),
    /// Nothing was done: this node does not lead.
    NotLeader,
    /// Whether it was done is unknown.
    Unknown,
    /// Nothing was done.
    Failed(String),
    /// Whether this node takes part in elections.
    MayLead(bool),
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) last_log: Option<u64>,
    pub(crate) applied: Option<u64>,
    pub(crate) visible: u64,
    pub(crate) version: String,
    /// The newest version of commands that it carries out.
    pub(crate) command_version: u32,
    pub(crate) wall_ms: i64,
    pub(crate) disk_free_bytes: Option<u64>,
    pub(crate) disk_reserve_bytes: u64,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) lease: Lease,
}
