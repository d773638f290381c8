//! The index at which a linearizable read may be answered.
//!
//! Everybody who waits at one node shares one question in flight: whoever comes while a question is under way waits
//! for the next one, since the answer to the present one may have been decided before they came. At the leader the
//! question is a Confirm round ([`crate::confirm`]); elsewhere it is a call to the leader.

use std::sync::Arc;
use std::time::Duration;

use portcullis_fault::Point;
use portcullis_model::NodeId;
use portcullis_storage::codec;
use tokio::sync::{mpsc, oneshot};

use crate::confirm::Confirmer;
use crate::peer::{ReadIndexAnswer, Request, Response};
use crate::types::{Peer, Raft};

/// How many readers may wait at one node.
const WAITING_MAX: usize = 65_536;

/// Why no index could be had. Trying again is safe and may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody is known to lead.
    #[error("no leader is known: the cluster has lost its majority, or is electing")]
    NoLeader,
    /// This node does not lead.
    #[error("the node asked does not lead")]
    NotLeader,
    /// The leader has not yet committed an entry of its own.
    #[error("the leader has just been elected and has not committed yet")]
    LeaderTooNew,
    /// The leader did not reach a majority.
    #[error("the leader reached only {reached} voters, itself included")]
    NoQuorum {
        /// How many confirmed it.
        reached: usize,
    },
    /// The leader did not answer, or not with an index.
    #[error("the leader gave no proof: {0}")]
    Unproven(String),
    /// The entry is not visible here yet, or there is none.
    #[error("entry {index} was not visible here by the deadline; this node shows entry {shown}")]
    NotReached {
        /// What was waited for.
        index: u64,
        /// What is visible.
        shown: u64,
    },
    /// Too many readers wait already.
    #[error("{WAITING_MAX} readers wait at this node already")]
    Overloaded,
    /// This node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// The caller's deadline came first.
    #[error("the deadline came before a leader could be confirmed; last: {0}")]
    DeadlineExceeded(Box<ReadError>),
}

type Waiter = oneshot::Sender<Result<u64, ReadError>>;

/// Where readers of this node wait.
pub(crate) struct ReadIndex {
    waiting: mpsc::Sender<Waiter>,
}

impl ReadIndex {
    /// Starts asking on behalf of readers; ends when the returned value is dropped.
    pub(crate) fn start(confirmer: Arc<Confirmer>, timeout: Duration) -> Self {
        let (waiting, mut arrivals) = mpsc::channel::<Waiter>(WAITING_MAX);
        tokio::spawn(async move {
            let mut waiters = Vec::new();
            while arrivals.recv_many(&mut waiters, WAITING_MAX).await > 0 {
                // Requests that have arrived and are not yet read join this question instead of waiting for the next.
                tokio::task::yield_now().await;
                while waiters.len() < WAITING_MAX
                    && let Ok(waiter) = arrivals.try_recv()
                {
                    waiters.push(waiter);
                }
                let answer = ask(&confirmer, timeout).await;
                for waiter in waiters.drain(..) {
                    // Whoever no longer waits needs no answer.
                    let _ = waiter.send(answer.clone());
                }
            }
        });
        Self { waiting }
    }

    /// Waits for the next question and its answer.
    pub(crate) async fn get(&self) -> Result<u64, ReadError> {
        let (waiter, answer) = oneshot::channel();
        self.waiting.try_send(waiter).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReadError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ReadError::Stopped,
        })?;
        answer.await.map_err(|_| ReadError::Stopped)?
    }
}

async fn ask(confirmer: &Confirmer, timeout: Duration) -> Result<u64, ReadError> {
    let (leader, peer) = leader(confirmer).ok_or(ReadError::NoLeader)?;
    if leader == confirmer.me {
        return confirmer.read_index(timeout).await;
    }
    let message = codec::encode(&Request::ReadIndex);
    confirmer.leases.points.pass(Point::TransportReadIndexBeforeSend);
    let answer = confirmer.transport.call(NodeId(leader), &peer.peer, message, timeout).await;
    let answer = answer.map_err(|error| ReadError::Unproven(error.to_string()))?;
    match codec::decode(&answer) {
        Ok(Response::ReadIndex(ReadIndexAnswer::Index(index))) => Ok(index),
        Ok(Response::ReadIndex(ReadIndexAnswer::Unproven(why))) => Err(ReadError::Unproven(why)),
        Ok(_) => Err(ReadError::Unproven("it answered another question".to_owned())),
        Err(error) => Err(ReadError::Unproven(error.to_string())),
    }
}

/// Returns once another node than this is thought to lead, or nobody can come to lead any more.
pub(crate) async fn until_other_leader(raft: Raft, than: u64) {
    use openraft::async_runtime::watch::WatchReceiver;
    let mut metrics = raft.server_metrics();
    loop {
        let leader = metrics.borrow_watched().current_leader;
        if leader.is_some_and(|leader| leader != than) || metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Who is thought to lead, and where. Thinking so proves nothing.
pub(crate) fn leader(confirmer: &Confirmer) -> Option<(u64, Peer)> {
    let metrics = confirmer.raft.server_metrics();
    let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics).clone();
    let leader = metrics.current_leader?;
    let peer = metrics.membership_config.get_node(&leader)?.clone();
    Some((leader, peer))
}
