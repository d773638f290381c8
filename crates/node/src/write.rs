//! Writes: to the leader, wherever it is.

use std::time::Duration;

use portcullis_consensus::{Ack, Acked, CallError, ProposeError, Proposed, Reply, Ticket, TransportError};
use portcullis_fault::Point;
use portcullis_lease::Fault;
use portcullis_machine::{Outcome, Refusal};
use portcullis_model::{NodeId, Revision, TenantId, limit};
use portcullis_storage::codec;
use tokio::time::Instant;

use crate::draft::{Action, Adds, Draft};
use crate::health::LowDisk;
use crate::internal::{Answer, Message};
use crate::node::Node;

/// How long a write waits before it looks for a leader again.
const LEADER_PAUSE: Duration = Duration::from_millis(20);

/// How many entries may wait to become visible before what adds is refused. What takes away never is.
const PENDING_MAX: u64 = 10_000;

/// A write that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub revision: Revision,
    /// What came of it.
    pub outcome: Outcome,
    /// What it had reached when it was answered.
    pub acked: Acked,
}

/// Why a write was not carried out, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It was refused where it was judged. Nothing was changed.
    #[error("{refusal}")]
    Refused {
        /// Where it was judged.
        revision: Revision,
        /// Why.
        refusal: Refusal,
    },
    /// No leader was found in time. Nothing was changed; a retry is safe.
    #[error("no leader was found in time: the cluster has lost its majority, or is electing")]
    NoLeader,
    /// It may or may not have been carried out, now or later. A retry is safe under the same idempotency key.
    #[error("the outcome is unknown: {0}; try again with the same idempotency key")]
    Unknown(String),
    /// A disk is nearly full, and what is left is kept for what takes away. Nothing was changed; a retry is safe, and
    /// helps once there is space.
    #[error(
        "node {} has {} bytes of disk left, and {} are kept so that revocations still succeed: free some space; until \
         then only revocations and deletions are taken",
        .0.node, .0.free_bytes, .0.reserve_bytes
    )]
    LowDisk(LowDisk),
    /// The leader's clock is wrong. Nothing was changed; a retry is safe, and helps once another node leads.
    #[error("the clock of the leader is {0} ms off those of most voters: correct it; another node is asked to lead")]
    ClockDeviates(i64),
    /// Too many entries wait to become visible. Nothing was changed; a retry is safe, and helps once the holder that holds
    /// them up has caught up or lost its lease.
    #[error(
        "{0} entries wait to become visible, and {PENDING_MAX} are the most: until there are fewer, only revocations and \
         deletions are taken; see `cluster status` for who holds them up"
    )]
    TooManyPending(u64),
    /// It may take something away, so its writer must not be answered while a node may still show it. Nothing was changed.
    #[error(
        "`ack = quorum` is for writes that only add: revocations, deletions and updates are answered once no node can show \
         what was before; leave it out"
    )]
    AckTooEarly,
    /// This node cannot take it. Nothing was changed; a retry at another node is safe.
    #[error("this node cannot take the write: {0}")]
    Failed(String),
}

/// What came of one attempt.
enum Attempt {
    Done(Proposed),
    /// It was not proposed, and may be tried again.
    NotProposed,
    Unknown(String),
    Failed(WriteError),
}

impl Node {
    /// Carries out a write, at the leader. A write with an idempotency key is tried again while its outcome is unknown.
    pub async fn write(&self, mut draft: Draft, deadline: Instant) -> Result<Written, WriteError> {
        if draft.ack == Ack::Quorum && draft.action.adds() != Adds::Only {
            return Err(WriteError::AckTooEarly);
        }
        if self.faults.has(Fault::FilterByTaker) {
            draft.action = self.by_ids(&draft.tenant, draft.action);
        }
        let mut unknown = None;
        loop {
            match self.attempt(&draft, deadline).await {
                Attempt::Done(Proposed { reply: Reply { revision, result }, acked }) => {
                    return match result {
                        Ok(outcome) => Ok(Written { revision, outcome, acked }),
                        Err(refusal) => Err(WriteError::Refused { revision, refusal }),
                    };
                }
                Attempt::Failed(error) => return Err(error),
                Attempt::NotProposed => {}
                Attempt::Unknown(why) if draft.idempotency_key.is_none() => return Err(WriteError::Unknown(why)),
                Attempt::Unknown(why) => {
                    unknown = Some(why);
                    draft.idempotency_key.take_if(|_| self.faults.has(Fault::RetryWithoutKey));
                }
            }
            if Instant::now() + LEADER_PAUSE >= deadline {
                return Err(unknown.map_or(WriteError::NoLeader, WriteError::Unknown));
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// Names the grants that match a filter here and now, in place of the filter.
    fn by_ids(&self, tenant: &TenantId, action: Action) -> Action {
        let Action::RevokeByFilter(filter) = &action else { return action };
        let found = self
            .reader
            .present()
            .and_then(|present| present.grants(tenant, filter, true, None, limit::ENDED_BY_FILTER_MAX));
        found.map_or(action, |page| Action::RevokeGrants(page.items.into_iter().map(|grant| grant.id).collect()))
    }

    async fn attempt(&self, draft: &Draft, deadline: Instant) -> Attempt {
        let Some((leader, peer)) = self.group.leader() else { return Attempt::NotProposed };
        if leader == self.id() {
            return match tokio::time::timeout_at(deadline, self.write_as_leader(draft.clone(), None)).await {
                Ok(answer) => attempt(answer),
                Err(_) => Attempt::Unknown("the deadline came first".to_owned()),
            };
        }
        self.points.wait(Point::WriteForwardBeforeSend).await;
        let ticket = self.entropy.bytes();
        let awaited = match draft.ack {
            Ack::Everywhere => self.group.await_direct(&peer, ticket),
            Ack::Quorum => None,
        };
        let message = Message::Write(Box::new(draft.clone()), awaited.as_ref().map(|_| ticket));
        let timeout = deadline.saturating_duration_since(Instant::now());
        let called = self.group.call(leader, &peer, codec::encode(&message), timeout);
        // The call goes on when the write is answered before it: whoever leads has it in hand.
        let mut called = tokio::spawn(called);
        let answered = async {
            match awaited {
                Some(mut awaited) => awaited.answered().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            proposed = answered => {
                self.points.pass(Point::LeaseDirectBeforeAnswer);
                Attempt::Done(proposed)
            }
            called = &mut called => {
                self.points.pass(Point::WriteForwardAnswered);
                match called {
                    Ok(called) => attempt_elsewhere(called),
                    Err(error) => Attempt::Unknown(error.to_string()),
                }
            }
            // A leader that was cut off does not say so, and whoever leads now knows what became of the write by its key.
            () = self.group.until_other_leader(leader), if draft.idempotency_key.is_some() => {
                Attempt::Unknown("another node came to lead while the write was under way".to_owned())
            }
        }
    }

    /// Stamps and proposes a write, if this node leads.
    pub(crate) async fn write_as_leader(&self, draft: Draft, taken_by: Option<(NodeId, Ticket)>) -> Answer {
        let adds = draft.action.adds() != Adds::Not;
        if let Some(low) = self.low_disk().filter(|_| adds) {
            return Answer::LowDisk(low);
        }
        if let Some(by_ms) = self.clock_deviation_ms() {
            return Answer::ClockDeviates(by_ms);
        }
        let pending = self.group.newest().pending();
        if pending > PENDING_MAX && adds {
            return Answer::TooManyPending(pending);
        }
        let version = match self.reader.active_version() {
            Ok(version) => version,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        let needed = draft.since();
        if needed > version {
            return Answer::Failed(format!(
                "it needs version {needed}, and the active version of the cluster is {version}: upgrade every node"
            ));
        }
        let ack = draft.ack;
        let envelope = draft.stamp(version, self.wall(), self.entropy.bytes(), self.entropy.bytes());
        self.points.wait(Point::WriteBeforePropose).await;
        let proposed = self.group.propose(&envelope, ack, taken_by).await;
        self.points.wait(Point::WriteBeforeAnswer).await;
        match proposed {
            Ok(proposed) => Answer::Wrote(proposed),
            Err(ProposeError::NotLeader { .. }) => Answer::NotLeader,
            // Of a node that is stopping it is not known either whether the entry is in the log.
            Err(ProposeError::Unknown | ProposeError::Stopped) => Answer::Unknown,
        }
    }

    /// Where clients reach whoever leads, as far as this node knows.
    pub fn leader_address(&self) -> Option<String> {
        self.group.leader().map(|(_, peer)| peer.client)
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.group.leader().map(|(leader, _)| leader)
    }
}

fn attempt_elsewhere(called: Result<Vec<u8>, CallError>) -> Attempt {
    match called {
        Ok(answer) => match codec::decode(&answer) {
            Ok(answer) => attempt(answer),
            Err(error) => Attempt::Unknown(error.to_string()),
        },
        Err(CallError::Transport(TransportError::Refused { .. })) => Attempt::NotProposed,
        Err(error) => Attempt::Unknown(error.to_string()),
    }
}

fn attempt(answer: Answer) -> Attempt {
    match answer {
        Answer::Wrote(proposed) => Attempt::Done(proposed),
        Answer::NotLeader => Attempt::NotProposed,
        Answer::Unknown => Attempt::Unknown("the leader changed while the write was under way".to_owned()),
        Answer::Failed(why) => Attempt::Failed(WriteError::Failed(why)),
        Answer::LowDisk(low) => Attempt::Failed(WriteError::LowDisk(low)),
        Answer::TooManyPending(pending) => Attempt::Failed(WriteError::TooManyPending(pending)),
        Answer::ClockDeviates(by_ms) => Attempt::Failed(WriteError::ClockDeviates(by_ms)),
        Answer::Administered(_) | Answer::About(_) | Answer::MayLead(_) => {
            Attempt::Unknown("the leader answered another question".to_owned())
        }
    }
}
