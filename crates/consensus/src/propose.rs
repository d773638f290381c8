//! Proposing commands, and when their writers are answered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use portcullis_fault::Point;
use portcullis_lease::{Fault, Position};
use portcullis_machine::Envelope;
use portcullis_model::NodeId;
use portcullis_storage::codec;
use serde::{Deserialize, Serialize};
use tokio::sync::SetOnce;

use crate::convert::wire_vote;
use crate::group::Group;
use crate::leases::{Awaited, Listing, Ticket};
use crate::log_store::{leased, stored_id};
use crate::peer::WireVote;
use crate::types::{LogId, Peer, Proposal, Reply, Types};

/// How much later an entry is appended than its sessions are listed, where that rule is broken.
const APPENDED_LATE: Duration = Duration::from_secs(3);

/// Who holds leases: node and start of its process.
type Sessions = BTreeSet<(u64, u64)>;

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
            let appended = taken_by.map(|_| Arc::new(SetOnce::new()));
            let proposal = Proposal { command: Bytes::from(codec::encode(envelope)), appended: appended.clone() };
            let tells_repeated = self.leases.faults().has(Fault::OutcomeBeforeVisible);
            let (progress, committed, done) = if ack == Ack::Quorum || taken_by.is_some() || tells_repeated {
                let (progress, committed, done) = ProgressResponder::new();
                (progress, Some(committed), done)
            } else {
                let (progress, done) = ProgressResponder::complete_only();
                (progress, None, done)
            };
            let sessions = if self.leases.faults().has(Fault::ListedBeforeAppend) && taken_by.is_some() {
                let listed = self.leases.live();
                tokio::time::sleep(APPENDED_LATE).await;
                Some(listed)
            } else {
                None
            };
            if self.raft.client_write_ff(proposal, Some(progress)).await.is_err() {
                return Err(ProposeError::Stopped);
            }
            self.leases.points.wait(Point::WriteProposed).await;
            let Some(committed) = committed else { return decided(done.await) };
            let (committed, is_told) =
                self.tell_meanwhile(committed, taken_by.map(|taken_by| (taken_by, sessions.clone())), appended).await;
            // What fails is never committed, and then only done.
            if let Some(id) = committed.filter(|_| done.is_empty()) {
                let entry = leased(stored_id(&id));
                let is_told_now =
                    |reply: &Reply| ack == Ack::Quorum || tells_repeated && reply.revision.0 < entry.index;
                if (ack == Ack::Quorum || tells_repeated)
                    && let Some(reply) = self.foreseer.foresee(entry).filter(is_told_now)
                {
                    self.leases.points.pass(Point::ForesightBeforeAnswer);
                    let foreseer = Arc::clone(&self.foreseer);
                    tokio::spawn(async move { foreseer.forget(decided(done.await).is_ok()) });
                    return Ok(Proposed { reply, acked: Acked::Quorum });
                }
                if let Some(taken_by) = taken_by
                    && (is_told || self.tell(taken_by, entry, sessions).await)
                {
                    self.leases.tell_committed(taken_by);
                }
            }
            let decided = decided(done.await);
            if taken_by.is_some() {
                self.foreseer.forget(decided.is_ok());
            }
            decided
        }
        .boxed()
    }

    /// Waits until a proposal is committed; nothing comes of some. Meanwhile, once it is appended, tells the node that took it
    /// what that one has to know. Returns whether it did, too.
    async fn tell_meanwhile(
        &self,
        committed: impl Future<Output = Result<LogId, impl Sized>>,
        taken_by: Option<((NodeId, Ticket), Option<Sessions>)>,
        appended: Option<Arc<SetOnce<Position>>>,
    ) -> (Option<LogId>, bool) {
        let Some(((taken_by, sessions), appended)) = taken_by.zip(appended) else {
            return (committed.await.ok(), false);
        };
        let tell = async {
            let entry = *appended.wait().await;
            self.tell(taken_by, entry, sessions).await
        };
        tokio::pin!(committed, tell);
        tokio::select! {
            is_told = &mut tell => (committed.await.ok(), is_told),
            committed = &mut committed => (committed.ok(), false),
        }
    }

    /// Tells the node that took a write that it is in the log, and what comes of it. Returns whether it did.
    async fn tell(&self, taken_by: (NodeId, Ticket), entry: Position, sessions: Option<Sessions>) -> bool {
        if self.leases.is_fenced() {
            return false;
        }
        // The entry is in the log, so this is what the log says up to it, or later, as long as this node leads in its term.
        let (me, term) = (self.me, entry.epoch.0);
        let voters = self.raft.with_raft_state(move |state| {
            let leads = wire_vote(state.vote_ref()) == WireVote { term, node: me, committed: true };
            leads.then(|| state.membership_state.effective().membership().get_joint_config().clone())
        });
        let Ok(Some(voters)) = voters.await else { return false };
        let Some(reply) = self.foreseer.foresee(entry) else { return false };
        self.leases.tell_listed(taken_by, Listing { entry, voters, sessions, reply })
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
