//! Proposing commands, and when their writers are answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use portcullis_machine::Envelope;
use portcullis_model::NodeId;
use portcullis_storage::codec;
use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::leases::{Awaited, Ticket};
use crate::log_store::{leased, stored_id};
use crate::types::{Peer, Proposal, Reply, Types};

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ack {
    /// Once no node can show the state before it.
    #[default]
    Everywhere,
    /// Once a majority has it, so that it cannot be lost. Nodes may deny for a moment what it allows, so it is for writes
    /// that only add.
    Quorum,
}

/// What a write had reached when it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acked {
    /// No node can show the state before it.
    Everywhere {
        /// How long that took from its commit on. `None` where the node that took the write has answered it: it cannot tell.
        after_commit: Option<Duration>,
    },
    /// A majority has it.
    Quorum,
}

/// A proposal that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// What came of it.
    pub reply: Reply,
    /// What it had reached by then.
    pub acked: Acked,
}

/// Why a proposal has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was not proposed: this node does not lead.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if it is known.
        leader: Option<(NodeId, Peer)>,
    },
    /// Whether it was or will be carried out is unknown; a retry is safe under an idempotency key.
    #[error("the outcome is unknown: the leader changed while the write was under way")]
    Unknown,
    /// This node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl Group {
    /// Proposes a stamped command, and waits until it has reached what its writer asks for. Only the leader can.
    /// `taken_by` is the node that took the write, where it may answer it directly.
    pub fn propose<'a>(
        &'a self,
        envelope: &'a Envelope,
        ack: Ack,
        taken_by: Option<(NodeId, Ticket)>,
    ) -> BoxFuture<'a, Result<Proposed, ProposeError>> {
        async move {
            let proposal = Proposal(Bytes::from(codec::encode(envelope)));
            let (progress, committed, done) = if ack == Ack::Quorum || taken_by.is_some() {
                let (progress, committed, done) = ProgressResponder::new();
                (progress, Some(committed), done)
            } else {
                let (progress, done) = ProgressResponder::complete_only();
                (progress, None, done)
            };
            if self.raft.client_write_ff(proposal, Some(progress)).await.is_err() {
                return Err(ProposeError::Stopped);
            }
            // What fails is never committed, and then only done.
            if let Some(committed) = committed
                && let Ok(id) = committed.await
                && done.is_empty()
                && (ack == Ack::Quorum || !self.leases.is_fenced())
                && let Some(reply) = self.foreseer.foresee(id.index)
            {
                let foreseer = Arc::clone(&self.foreseer);
                if ack == Ack::Quorum {
                    tokio::spawn(async move { foreseer.forget(decided(done.await).is_ok()) });
                    return Ok(Proposed { reply, acked: Acked::Quorum });
                }
                if let Some((node, ticket)) = taken_by {
                    self.leases.tell_direct(node.0, ticket, leased(stored_id(&id)), reply);
                }
                let decided = decided(done.await);
                foreseer.forget(decided.is_ok());
                return decided;
            }
            decided(done.await)
        }
        .boxed()
    }

    /// Awaits a write that is about to be sent to `leader`, if this node may answer it before the leader does: where they are
    /// in different regions. Elsewhere nothing would be gained by it.
    pub fn await_direct(&self, leader: &Peer, ticket: Ticket) -> Option<Awaited> {
        let own = self.leases.region()?;
        let is_far = leader.region.as_ref().is_some_and(|region| *region != own);
        is_far.then(|| self.leases.await_direct(ticket))
    }
}

fn decided<E>(done: Result<ClientWriteResult<Types>, E>) -> Result<Proposed, ProposeError> {
    match done {
        Ok(Ok(response)) => Ok(response.data.expect("INVARIANT: a command has a reply")),
        Ok(Err(ClientWriteError::ForwardToLeader(forward))) => {
            let leader = forward.leader_id.map(NodeId).zip(forward.leader_node);
            Err(ProposeError::NotLeader { leader })
        }
        Ok(Err(
            ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_),
        )) => Err(ProposeError::Unknown),
        // Consensus has ended with the proposal in its hands.
        Err(_) => Err(ProposeError::Stopped),
    }
}
