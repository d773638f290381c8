//! What the group looks like from this node.

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use portcullis_model::NodeId;

use crate::types::{Peer, Raft};

/// What a node is to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// It leads.
    Leader,
    /// It votes.
    Follower,
    /// It receives the log.
    Learner,
}

/// The group as this node sees it. Not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub me: NodeId,
    /// Whether this node itself leads, or thinks so.
    pub leads: bool,
    /// The term.
    pub term: u64,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// The last entry of this node's log.
    pub last_log: Option<u64>,
    /// The last entry that this node applied.
    pub applied: Option<u64>,
    /// The last entry that this node has cut off its log.
    pub purged: Option<u64>,
    /// The members.
    pub nodes: Vec<NodeStatus>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its id.
    pub id: NodeId,
    /// Where it is found.
    pub peer: Peer,
    /// What it is.
    pub role: NodeRole,
    /// The last entry that it is known to have, where this node leads.
    pub matched: Option<u64>,
}

pub(crate) fn status(raft: &Raft) -> Status {
    let metrics = raft.metrics().borrow_watched().clone();
    let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
    let node = |(id, peer): (&u64, &Peer)| NodeStatus {
        id: NodeId(*id),
        peer: peer.clone(),
        role: match (metrics.current_leader == Some(*id), voters.contains(id)) {
            (true, _) => NodeRole::Leader,
            (false, true) => NodeRole::Follower,
            (false, false) => NodeRole::Learner,
        },
        matched: metrics
            .replication
            .as_ref()
            .and_then(|replication| replication.get(id))
            .and_then(|matched| matched.as_ref().map(|id| id.index)),
    };
    Status {
        me: NodeId(metrics.id),
        leads: metrics.state == ServerState::Leader,
        term: metrics.current_term,
        leader: metrics.current_leader.map(NodeId),
        last_log: metrics.last_log_index,
        applied: metrics.last_applied.map(|id| id.index),
        purged: metrics.purged.map(|id| id.index),
        nodes: metrics.membership_config.nodes().map(node).collect(),
    }
}
