//! Proposing commands, and when their writers are answered.

use std::io;
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
use portcullis_storage::state::{ApplyError, Foresight};
use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::leases::{Awaited, Ticket};
use crate::log_store::{leased, stored_id};
use crate::state_machine;
use crate::types::{Peer, Proposal, Reply, Types};

/// How often foresight begins anew when the copy overtakes it.
const FORESIGHT_TRIES: usize = 3;

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
        /// How long that took from its commit on.
        after_commit: Duration,
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

/// What foresight has decided, in the order of the log.
#[derive(Default)]
pub(crate) struct Foreseen {
    foresight: Option<Foresight>,
    replies: std::collections::BTreeMap<u64, Reply>,
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
                && let Some(reply) = self.foresee(id.index)
            {
                if ack == Ack::Quorum {
                    // What else becomes of it is told to nobody.
                    tokio::spawn(done);
                    return Ok(Proposed { reply, acked: Acked::Quorum });
                }
                if let Some((node, ticket)) = taken_by {
                    self.leases.tell_direct(node.0, ticket, leased(stored_id(&id)), reply);
                }
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

    /// What will come of a committed entry that is not visible yet. `None` if it is visible by now, or almost, and where the
    /// state cannot be read: then whoever applies it says so.
    fn foresee(&self, index: u64) -> Option<Reply> {
        let mut foreseen = self.foreseen.lock().expect("INVARIANT: nothing panics while holding what is foreseen");
        for _ in 0..FORESIGHT_TRIES {
            match self.foresee_with(&mut foreseen, index) {
                Ok(true) => return foreseen.replies.get(&index).cloned(),
                // The copy has come to include an entry before it was decided.
                Ok(false) => *foreseen = Foreseen::default(),
                Err(error) => {
                    tracing::debug!(%error, index, "what will come of a write cannot be foreseen");
                    return None;
                }
            }
        }
        None
    }

    fn foresee_with(&self, foreseen: &mut Foreseen, index: u64) -> io::Result<bool> {
        let is_ahead = foreseen.foresight.as_ref().map(Foresight::is_ahead).transpose().map_err(io::Error::other)?;
        if is_ahead != Some(true) {
            let begun = Foresight::begin(&self.reader).map_err(io::Error::other)?;
            *foreseen = Foreseen { foresight: Some(begun), ..Foreseen::default() };
        }
        let Foreseen { foresight, replies } = foreseen;
        let foresight = foresight.as_mut().expect("INVARIANT: it was just begun");
        let Some(entries) = self.leases.registered(foresight.at() + 1, index) else { return Ok(false) };
        for (index, command) in entries {
            let Some(command) = command else {
                foresight.skip(index);
                continue;
            };
            let envelope = state_machine::envelope(&command)?;
            let decided = foresight.decide(index, envelope).map_err(|error: ApplyError| io::Error::other(error))?;
            let Some(applied) = decided else { return Ok(false) };
            replies.insert(index, Reply { revision: applied.revision, result: applied.result });
        }
        Ok(true)
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
