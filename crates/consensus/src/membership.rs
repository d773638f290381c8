//! Who belongs to the group.

use std::collections::{BTreeMap, BTreeSet};

use openraft::ChangeMembers;
use openraft::errors::{ClientWriteError, InitializeError, RaftError};
use portcullis_model::NodeId;

use crate::types::{Peer, Raft, Types};

/// Why the membership was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// This node does not lead; ask the leader.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if it is known.
        leader: Option<(NodeId, Peer)>,
    },
    /// The group has members already.
    #[error("the group has members already")]
    Initialised,
    /// The node is no member.
    #[error("node {0} is not a member: add it first")]
    NotMember(NodeId),
    /// The node is a member already.
    #[error("node {0} is a member already")]
    Member(NodeId),
    /// The last voter cannot go.
    #[error("node {0} is the only voter: promote another node first")]
    OnlyVoter(NodeId),
    /// Another change is under way.
    #[error("another change of the membership is under way: try again when it is done")]
    InProgress,
    /// Whether it was changed is unknown.
    #[error("the leader changed meanwhile: see `cluster status` for what became of it")]
    Unknown,
    /// This node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// Makes a group of one voter.
pub(crate) async fn initialise(raft: &Raft, me: u64, peer: Peer) -> Result<(), MembershipError> {
    match raft.initialize(BTreeMap::from([(me, peer)])).await {
        Ok(()) => Ok(()),
        Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Err(MembershipError::Initialised),
        Err(RaftError::APIError(InitializeError::NotInMembers(_))) => Err(MembershipError::NotMember(NodeId(me))),
        Err(RaftError::Fatal(_)) => Err(MembershipError::Stopped),
    }
}

/// Adds a node as a learner: it receives the log and does not vote.
pub(crate) async fn add_learner(raft: &Raft, node: NodeId, peer: Peer) -> Result<(), MembershipError> {
    if nodes(raft).contains_key(&node.0) {
        return Err(MembershipError::Member(node));
    }
    changed(raft.add_learner(node.0, peer, false).await)
}

/// Lets a learner vote.
pub(crate) async fn promote(raft: &Raft, node: NodeId) -> Result<(), MembershipError> {
    if !nodes(raft).contains_key(&node.0) {
        return Err(MembershipError::NotMember(node));
    }
    changed(raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::from([node.0])), true).await)
}

/// Removes a node, voter or learner.
pub(crate) async fn remove(raft: &Raft, node: NodeId) -> Result<(), MembershipError> {
    if !nodes(raft).contains_key(&node.0) {
        return Err(MembershipError::NotMember(node));
    }
    let voters: BTreeSet<u64> = raft.voter_ids().collect();
    let gone = BTreeSet::from([node.0]);
    if voters == gone {
        return Err(MembershipError::OnlyVoter(node));
    }
    if voters.contains(&node.0) {
        return changed(raft.change_membership(ChangeMembers::RemoveVoters(gone), false).await);
    }
    changed(raft.change_membership(ChangeMembers::RemoveNodes(gone), false).await)
}

/// The members, and where they are found.
pub(crate) fn nodes(raft: &Raft) -> BTreeMap<u64, Peer> {
    let metrics = raft.server_metrics();
    let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics).clone();
    metrics.membership_config.nodes().map(|(id, peer)| (*id, peer.clone())).collect()
}

fn changed<T>(result: Result<T, RaftError<Types, ClientWriteError<Types>>>) -> Result<(), MembershipError> {
    match result {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
            let leader = forward.leader_id.map(NodeId).zip(forward.leader_node);
            Err(MembershipError::NotLeader { leader })
        }
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => Err(refused(&error)),
        Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_))) => {
            Err(MembershipError::Unknown)
        }
        Err(RaftError::Fatal(_)) => Err(MembershipError::Stopped),
    }
}

fn refused(error: &openraft::alias::ChangeMembershipErrorOf<Types>) -> MembershipError {
    use openraft::errors::ChangeMembershipError;
    match error {
        ChangeMembershipError::LearnerNotFound(learner) => MembershipError::NotMember(NodeId(learner.node_id)),
        _ => MembershipError::InProgress,
    }
}
