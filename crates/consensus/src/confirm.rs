//! Confirm rounds: how a leader proves that nobody else led when the round began.
//!
//! The leader notes its commit index and sends the same question to every voter of the effective membership: is your
//! vote still the one that made me leader? A voter answers from inside its Raft state. Once a majority of each set of
//! voters has said yes, no other leader can have acknowledged anything before the round began, because it would have
//! needed a vote from one of those who said yes. Answers count only for the round they name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::ServerState;
use portcullis_fault::Point;
use portcullis_lease::round::is_majority;
use portcullis_model::NodeId;
use portcullis_storage::codec;

use crate::clock::Clock;
use crate::convert::wire_vote;
use crate::leases::Leases;
use crate::peer::{Confirm, ConfirmAnswer, Request, Response, WireVote};
use crate::raft_read;
use crate::read_index::ReadError;
use crate::transport::Transport;
use crate::types::{Membership, Raft};

/// Runs rounds for this node.
pub(crate) struct Confirmer {
    pub(crate) me: u64,
    pub(crate) raft: Raft,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) rounds: AtomicU64,
}

/// What the leader knew when a round began.
struct Start {
    vote: WireVote,
    /// An index that covers everything acknowledged before; `None` before the leader has committed an entry of its own.
    index: Option<u64>,
    membership: Membership,
}

impl Confirmer {
    /// Returns an index that covers everything acknowledged before the call, after proving that this node led then.
    pub(crate) async fn read_index(&self, timeout: Duration) -> Result<u64, ReadError> {
        if let Some(policy) = raft_read::policy(self.leases.faults()) {
            return raft_read::read_index(&self.raft, policy).await;
        }
        self.prove(timeout).await?.ok_or(ReadError::LeaderTooNew)
    }

    /// Proves that this node leads, which renews its right to grant leases, too. Returns an index that covers everything
    /// acknowledged before the call, if it has committed an entry of its own.
    pub(crate) async fn prove(&self, timeout: Duration) -> Result<Option<u64>, ReadError> {
        // The clocks are read before this node looks at its own vote and before it asks others.
        let asked = self.clock.read();
        let start = self.start().await?;
        let term = start.vote.term;
        let number = self.leases.begin_round(asked, term, start.membership.get_joint_config().clone());
        let count = |voter: u64| {
            if let Some(number) = number {
                self.leases.confirmed(term, number, voter);
            }
        };
        count(self.me);
        let confirm = Confirm { vote: start.vote, round: self.rounds.fetch_add(1, Ordering::Relaxed) };
        let message = codec::encode(&Request::Confirm(confirm));
        self.leases.points.pass(Point::TransportConfirmBeforeSend);
        let mut said_yes = BTreeSet::from([self.me]);
        let others = start.membership.voter_ids().filter(|voter| *voter != self.me);
        let mut answers: FuturesUnordered<_> = others
            .filter_map(|voter| {
                let peer = start.membership.get_node(&voter)?;
                let call = self.transport.call(NodeId(voter), &peer.peer, message.clone(), timeout);
                Some(async move { (voter, call.await) })
            })
            .collect();
        loop {
            if is_majority(start.membership.get_joint_config(), &said_yes) {
                // Voters that are far away are left to answer. A call that is given up resets its stream, and a connection
                // that sees answers to many such calls is closed, with everything else that is under way on it.
                tokio::spawn(async move { while answers.next().await.is_some() {} });
                return Ok(start.index);
            }
            let Some((voter, answer)) = answers.next().await else {
                return Err(ReadError::NoQuorum { reached: said_yes.len() });
            };
            let answer = answer.ok().and_then(|bytes| codec::decode::<Response>(&bytes).ok());
            if let Some(Response::Confirm(ConfirmAnswer { round, confirmed: true, .. })) = answer
                && round == confirm.round
            {
                said_yes.insert(voter);
                count(voter);
            }
        }
    }

    /// Answers another node's question, from inside the Raft state of this one.
    pub(crate) async fn answer(&self, confirm: Confirm) -> Result<ConfirmAnswer, ReadError> {
        self.leases.helps();
        let vote = self.raft.with_raft_state(|state| wire_vote(state.vote_ref())).await;
        let vote = vote.map_err(|_| ReadError::Stopped)?;
        let confirmed = confirm.vote.committed && vote == confirm.vote;
        Ok(ConfirmAnswer { round: confirm.round, confirmed, wall_ms: self.clock.wall().0 })
    }

    /// Reads the commit index and the vote at once, before any question is sent.
    async fn start(&self) -> Result<Start, ReadError> {
        let me = self.me;
        let start = self.raft.with_raft_state(move |state| {
            let vote = wire_vote(state.vote_ref());
            let leads = state.server_state == ServerState::Leader && vote.committed && vote.node == me;
            // A commit index of an older term may lie below what the leader of that term acknowledged.
            let committed = state.cluster_committed().filter(|id| id.committed_leader_id().term == vote.term);
            let index = committed.map(|id| id.index);
            (leads, vote, index, state.membership_state.effective().membership().clone())
        });
        match start.await.map_err(|_| ReadError::Stopped)? {
            (false, ..) => Err(ReadError::NotLeader),
            (true, vote, index, membership) => {
                // More may be committed than this leader knows, and nodes that took writes may have answered them.
                let answerable = self.leases.answerable(vote.term);
                let index = index.zip(answerable).map(|(committed, answerable)| committed.max(answerable));
                Ok(Start { vote, index, membership })
            }
        }
    }
}
