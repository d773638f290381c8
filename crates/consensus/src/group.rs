//! One running group.
//!
//! Futures are boxed here, at the border of the crate, so that openraft is compiled once and not again in every crate
//! that waits for one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::errors::RaftError;
use openraft::{Config, SnapshotPolicy};
use portcullis_fault::{Point, Points};
use portcullis_lease::read::{Began, NotLeased};
use portcullis_lease::{Fault, Faults};
use portcullis_model::NodeId;
use portcullis_storage::codec;
use portcullis_storage::log::Log;
use portcullis_storage::state::Store;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{ByWall, Clock};
use crate::confirm::Confirmer;
use crate::convert::{self, log_id, position, vote, wire_vote};
use crate::foresee::Foreseer;
use crate::gate::Gate;
use crate::leases::{LeaseStatus, Leases, Note, Origin, Unsettled, View, drive};
use crate::log_store::{self, LogStore, leased};
use crate::membership::{self, MembershipError};
use crate::network::{self, Network};
use crate::peer::{ReadIndexAnswer, Request, Response, Transfer, TransferAnswer};
use crate::read_index::{self, ReadError, ReadIndex};
use crate::snapshot::Receiver;
use crate::state_machine::{self, StateMachine};
use crate::status::{self, Status};
use crate::transport::Transport;
use crate::types::{Peer, Raft, Runtime, Types};
use crate::watched::Watched;

/// How long a reader waits before it asks again after a failed question.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// How long a read waits for what the leader has named before it asks again, because that may have been cut off.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often a read that waits for entries looks whether they are still in the log.
const CUT_OFF_EVERY: Duration = Duration::from_millis(100);
/// Entries that are purged at a time, at most.
const PURGE_ENTRIES: u64 = 1_024;
/// How many commits may wait to be applied.
const APPLIES_MAX: u64 = 1_000_000;
/// Entries in one message to a follower.
const PAYLOAD_ENTRIES_MAX: u64 = 4_096;
/// How long a member that cannot be reached is left alone before it is sent entries again.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(50);

/// The times that a group lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// The shortest time without a leader after which a node campaigns.
    pub election_min: Duration,
    /// The longest such time.
    pub election_max: Duration,
}

impl Timing {
    /// For nodes within one region.
    pub const LAN: Self = Self {
        heartbeat: Duration::from_millis(100),
        election_min: Duration::from_millis(300),
        election_max: Duration::from_millis(600),
    };

    /// For nodes in several regions. A message to a follower is given up after three quarters of the time between two
    /// heartbeats, so that has to be longer than any round trip.
    pub const WAN: Self = Self {
        heartbeat: Duration::from_millis(500),
        election_min: Duration::from_secs(1),
        election_max: Duration::from_millis(1_500),
    };
}

/// How a group runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub me: NodeId,
    /// The times it lives by.
    pub timing: Timing,
    /// How many entries lie between two snapshots, and how many are kept behind the last one.
    pub snapshot_every: u64,
}

/// What a group is made of.
pub struct Parts {
    /// The log.
    pub log: Log,
    /// The state.
    pub store: Store,
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What election timeouts are drawn from.
    pub seed: u64,
    /// Rules of leases that are broken to see whether it is noticed: none, outside of checks.
    pub faults: Faults,
    /// Who is told of the points that the group passes: nobody, outside of tests.
    pub points: Points,
}

/// Why a group does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The times contradict each other.
    #[error("the timing is not possible: {0}")]
    Timing(String),
    /// What is stored cannot be read.
    #[error("the stored membership cannot be read")]
    Stored(#[from] convert::ConvertError),
    /// The log or the state cannot be read.
    #[error("what is stored cannot be read: {0}")]
    Unreadable(String),
    /// openraft does not start.
    #[error("consensus does not start: {0}")]
    Raft(String),
}

/// Answers messages of the layer above.
pub type Application = Arc<dyn Fn(NodeId, Vec<u8>) -> BoxFuture<'static, Vec<u8>> + Send + Sync>;

/// A running group.
pub struct Group {
    pub(crate) me: u64,
    pub(crate) raft: Raft,
    confirmer: Arc<Confirmer>,
    read_index: ReadIndex,
    gate: Arc<Gate>,
    published: watch::Receiver<u64>,
    receiver: Arc<Receiver>,
    transport: Arc<dyn Transport>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) foreseer: Arc<Foreseer>,
}

impl Group {
    /// Starts the group on this node. It does nothing before it is initialised or a leader calls.
    pub fn start(options: Options, parts: Parts) -> BoxFuture<'static, Result<Arc<Self>, StartError>> {
        let seed = parts.seed;
        let started = async move {
            let Parts { log, store, transport, clock, seed: _, faults, points } = parts;
            let me = options.me.0;
            // Leases are counted by one clock, whoever reads it.
            let clock: Arc<dyn Clock> = if faults.has(Fault::LeaseByWallClock) {
                Arc::new(ByWall(clock))
            } else {
                Arc::new(Watched::new(clock))
            };
            let votes_at_once = log.is_pristine() || faults.has(Fault::LeaseReadOfRaft);
            let gate = Arc::new(Gate::new(Arc::clone(&clock), votes_at_once, options.timing.election_max));
            let config = config(&options).validate().map_err(|error| StartError::Timing(error.to_string()))?;
            let (published, shown) = watch::channel(store.applied().map_or(0, |id| id.index));
            let origin =
                origin(options.me, &log, &store, faults).map_err(|error| StartError::Unreadable(error.to_string()))?;
            let leases = Leases::new(origin, Arc::clone(&clock), Arc::clone(&transport), points);
            let foreseer = Arc::new(Foreseer::new(Arc::clone(&leases), store.reader()));
            let receiver = Receiver::new(store.inbox(), Arc::clone(&leases));
            let machine = StateMachine::new(store, published, Arc::clone(&leases))?;
            let network = Network { me, transport: Arc::clone(&transport), leases: Arc::clone(&leases) };
            let log_store = LogStore::new(log, Arc::clone(&leases));
            let raft = Raft::build(me, Arc::new(config), network, log_store, machine).await;
            let raft = raft.map_err(|error| StartError::Raft(error.to_string()))?;
            hold_elections(&raft, Arc::clone(&gate));
            raft.run();
            let confirmer = Arc::new(Confirmer {
                me,
                raft: raft.clone(),
                transport: Arc::clone(&transport),
                clock,
                leases: Arc::clone(&leases),
                rounds: AtomicU64::new(1),
            });
            drive(&leases, &confirmer, options.timing.election_max);
            let read_index = ReadIndex::start(Arc::clone(&confirmer), options.timing.election_max);
            Ok(Arc::new(Self {
                me,
                raft,
                confirmer,
                read_index,
                gate,
                published: shown,
                receiver,
                transport,
                leases,
                foreseer,
            }))
        };
        Runtime::scope(seed, started).boxed()
    }

    /// Returns once this node shows everything that was acknowledged anywhere before the call. Tries until `deadline`.
    pub fn wait_fresh(&self, deadline: Instant) -> BoxFuture<'_, Result<(), ReadError>> {
        async move {
            let mut fresh = u64::MAX;
            loop {
                // Each of them is fresh enough.
                fresh = fresh.min(self.fresh_index(deadline).await?);
                let ask_again = (Instant::now() + ASK_AGAIN_AFTER).min(deadline);
                match self.wait_published(fresh, ask_again).await {
                    Err(ReadError::DeadlineExceeded(_)) if ask_again < deadline => {}
                    ended => return ended,
                }
            }
        }
        .boxed()
    }

    /// Returns once this node shows the entry at `index`.
    pub async fn wait_published(&self, index: u64, deadline: Instant) -> Result<(), ReadError> {
        if *self.published.borrow() >= index {
            return Ok(());
        }
        let mut published = self.published.clone();
        match tokio::time::timeout_at(deadline, published.wait_for(|published| *published >= index)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::NotReached { index, shown: *self.published.borrow() }),
        }
    }

    /// Says whenever this node shows more. Closed once the group has stopped.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }

    /// Waits until everything is visible that was registered when a read began, and returns the newest View then (R7). `None`
    /// when a new leader has cut some of it off, so that it never will be: the read has to start again.
    pub async fn wait_registered(&self, began: &Began, deadline: Instant) -> Result<Option<Arc<View>>, ReadError> {
        let index = began.registered().index;
        loop {
            let view = self.newest();
            if began.may_ignore_pending_of(view.mark()) {
                return Ok(Some(view));
            }
            if view.mark().registered.index < index {
                return Ok(None);
            }
            let look_again = (Instant::now() + CUT_OFF_EVERY).min(deadline);
            match self.wait_published(index, look_again).await {
                Err(error @ ReadError::Stopped) => return Err(error),
                Err(error) if look_again == deadline => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn fresh_index(&self, deadline: Instant) -> Result<u64, ReadError> {
        let mut last = ReadError::NoLeader;
        loop {
            match tokio::time::timeout_at(deadline, self.read_index.get()).await {
                Ok(Ok(index)) => return Ok(index),
                Ok(Err(error @ (ReadError::Stopped | ReadError::Overloaded))) => return Err(error),
                Ok(Err(error)) => last = error,
                Err(_) => return Err(ReadError::DeadlineExceeded(Box::new(last))),
            }
            tokio::time::sleep_until((Instant::now() + RETRY_PAUSE).min(deadline)).await;
            if Instant::now() >= deadline {
                return Err(ReadError::DeadlineExceeded(Box::new(last)));
            }
        }
    }

    /// Sends a message of the layer above to a member.
    pub fn call(
        &self,
        to: NodeId,
        peer: &Peer,
        body: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, CallError>> {
        let message = codec::encode(&Request::Application(body));
        self.leases.points.pass(Point::TransportApplicationBeforeSend);
        let called = self.transport.call(to, &peer.peer, message, timeout);
        async move {
            match codec::decode(&called.await?).map_err(|error| CallError::Confused(error.to_string()))? {
                Response::Application(body) => Ok(body),
                _ => Err(CallError::Confused("it answered another question".to_owned())),
            }
        }
        .boxed()
    }

    /// Answers a message from another member; `application` answers those of the layer above.
    pub fn answer<'a>(
        &'a self,
        from: NodeId,
        message: &'a [u8],
        application: &'a Application,
    ) -> BoxFuture<'a, Result<Vec<u8>, AnswerError>> {
        async move {
            let request: Request = codec::decode(message).map_err(convert::ConvertError::from)?;
            self.leases.points.wait(network::received(&request)).await;
            let response = match request {
                Request::Append(append) => {
                    self.leases.helps();
                    let answer = self.raft.append_entries(convert::append(&append)?).await.map_err(stopped)?;
                    Response::Append(convert::wire_append_answer(&answer))
                }
                Request::Vote(ballot) => {
                    self.check_gate()?;
                    let answer = self.raft.vote(convert::vote_request(&ballot)).await.map_err(stopped)?;
                    // Looked at once the vote is on disk: from then on this node helps no older leader.
                    Response::Vote(convert::ballot_answer(&answer, self.leases.silent()))
                }
                Request::PreVote(ballot) => {
                    self.check_gate()?;
                    let answer = self.raft.pre_vote(convert::vote_request(&ballot)).await.map_err(stopped)?;
                    Response::Vote(convert::ballot_answer(&answer, Duration::ZERO))
                }
                Request::TransferLeader(transfer) => {
                    self.check_gate()?;
                    Response::TransferLeader(self.accept_transfer(transfer).await?)
                }
                Request::Confirm(confirm) => {
                    Response::Confirm(self.confirmer.answer(confirm).await.map_err(|_| AnswerError::Stopped)?)
                }
                Request::ReadIndex => Response::ReadIndex(match self.read_index_as_leader().await {
                    Ok(index) => ReadIndexAnswer::Index(index),
                    Err(error) => ReadIndexAnswer::Unproven(error.to_string()),
                }),
                Request::Snapshot(part) => {
                    self.leases.helps();
                    Response::Snapshot(self.receiver.take(&self.raft, *part).await?)
                }
                Request::Application(body) => Response::Application(application(from, body).await),
            };
            self.leases.points.wait(Point::TransportAnswerBeforeSend).await;
            Ok(codec::encode(&response))
        }
        .boxed()
    }

    /// Takes a note from another member.
    pub fn receive(&self, from: NodeId, note: &[u8]) -> Result<(), AnswerError> {
        let note: Note = codec::decode(note).map_err(convert::ConvertError::from)?;
        self.leases.points.pass(Point::TransportNoteReceived);
        self.leases.receive(from.0, note);
        Ok(())
    }

    /// Begins a read that this node answers by its lease alone: nothing is sent. See [`portcullis_lease::read::begin`].
    pub fn begin_read(&self) -> Result<(Began, Arc<View>), NotLeased> {
        self.leases.begin()
    }

    /// Looks again before an answer leaves. See [`portcullis_lease::read::emit`].
    pub fn emit(&self) -> Result<Arc<View>, NotLeased> {
        self.leases.emit()
    }

    /// The newest visible state of this node, for reads that need no lease.
    pub fn newest(&self) -> Arc<View> {
        self.leases.newest()
    }

    /// What the leases of this node look like.
    pub fn lease_status(&self) -> LeaseStatus {
        self.leases.status()
    }

    /// Gives up the lease for good: nothing is answered by it from then on (R9).
    pub fn release_lease(&self) {
        self.leases.release();
    }

    /// Where this node leads: what is to be waited for until nothing is left of leases that were configured before.
    pub fn unsettled(&self) -> Option<Unsettled> {
        self.leases.unsettled()
    }

    /// Whether a node may still hold a lease, as far as this leader can tell. True at nodes that do not lead.
    pub fn may_hold_lease(&self, node: NodeId) -> bool {
        self.leases.may_hold(node.0)
    }

    /// Who is thought to lead, and where. Thinking so proves nothing.
    pub fn leader(&self) -> Option<(NodeId, Peer)> {
        read_index::leader(&self.confirmer).map(|(id, peer)| (NodeId(id), peer))
    }

    /// Whether this node takes part in elections: one that was restarted does not for a moment.
    pub fn may_lead(&self) -> bool {
        self.gate.is_open()
    }

    /// Returns once another node than this is thought to lead.
    pub fn until_other_leader(&self, than: NodeId) -> BoxFuture<'static, ()> {
        read_index::until_other_leader(self.confirmer.raft.clone(), than.0).boxed()
    }

    /// The group as this node sees it.
    pub fn status(&self) -> Status {
        status::status(&self.raft)
    }

    /// Makes a group of this node alone.
    pub fn initialise(&self, peer: Peer) -> BoxFuture<'_, Result<(), MembershipError>> {
        async move { membership::initialise(&self.raft, self.me, peer).await }.boxed()
    }

    /// Adds a node as a learner. Only the leader can.
    pub fn add_learner(&self, node: NodeId, peer: Peer) -> BoxFuture<'_, Result<(), MembershipError>> {
        async move { membership::add_learner(&self.raft, node, peer).await }.boxed()
    }

    /// Lets a learner vote. Only the leader can.
    pub fn promote(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        async move { membership::promote(&self.raft, node).await }.boxed()
    }

    /// Removes a member. Only the leader can.
    pub fn remove(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        async move { membership::remove(&self.raft, node).await }.boxed()
    }

    /// Asks a voter to lead in place of this node. Returns before it does.
    pub fn transfer_leader(&self, to: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        async move { self.raft.trigger().transfer_leader(to.0).await.map_err(|_| MembershipError::Stopped) }.boxed()
    }

    /// Stops taking part.
    pub fn stop(&self) -> BoxFuture<'_, ()> {
        async move {
            self.leases.release();
            if let Err(error) = self.raft.shutdown().await {
                tracing::error!(%error, "consensus did not stop cleanly");
            }
            // What waits here to become visible is given up now that nobody takes it for applied.
            self.leases.stop();
        }
        .boxed()
    }

    /// Waits until consensus has failed for good, and says why. The process should then end.
    pub fn failed(&self) -> BoxFuture<'_, String> {
        async move {
            use openraft::async_runtime::watch::WatchReceiver;
            // These change with the leader only, and close when consensus ends; all metrics change with every entry.
            let mut seldom = self.raft.server_metrics();
            loop {
                let ended = seldom.changed().await.is_err();
                let state = self.raft.metrics().borrow_watched().running_state.clone();
                match state {
                    Err(fatal) => return fatal.to_string(),
                    Ok(()) if ended => return "it stopped".to_owned(),
                    Ok(()) => {}
                }
            }
        }
        .boxed()
    }

    async fn read_index_as_leader(&self) -> Result<u64, ReadError> {
        match read_index::leader(&self.confirmer) {
            Some((leader, _)) if leader == self.me => self.read_index.get().await,
            Some(_) => Err(ReadError::NotLeader),
            None => Err(ReadError::NoLeader),
        }
    }

    fn check_gate(&self) -> Result<(), AnswerError> {
        if self.gate.is_open() { Ok(()) } else { Err(AnswerError::GateClosed { remaining: self.gate.remaining() }) }
    }

    async fn accept_transfer(&self, transfer: Transfer) -> Result<TransferAnswer, AnswerError> {
        use openraft::raft::{TransferLeaderError, TransferLeaderRequest};
        let request: TransferLeaderRequest<Types> =
            TransferLeaderRequest::new(vote(transfer.from), transfer.to, transfer.last.map(log_id));
        let answer = self.raft.handle_transfer_leader(request).await.map_err(|_| AnswerError::Stopped)?;
        Ok(match answer {
            Ok(()) => TransferAnswer::Accepted,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                TransferAnswer::VoteChanged { expected: wire_vote(&expected), actual: wire_vote(&actual) }
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => TransferAnswer::NotFlushed {
                expected: expected.as_ref().map(position),
                actual: actual.as_ref().map(position),
            },
        })
    }
}

/// Why a message of the layer above has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It got none.
    #[error(transparent)]
    Transport(#[from] crate::transport::TransportError),
    /// It got one that makes no sense.
    #[error("the answer makes no sense: {0}")]
    Confused(String),
}

/// Why a message from another member is not answered.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is not a message.
    #[error("the message is malformed")]
    Malformed(#[from] convert::ConvertError),
    /// This node was restarted a moment ago.
    #[error("this node was restarted and takes part in elections in {remaining:?}")]
    GateClosed {
        /// How much longer.
        remaining: Duration,
    },
    /// A part of a snapshot cannot be taken; sending it anew may help.
    #[error("a part of the snapshot cannot be taken: {0}")]
    Snapshot(String),
    /// This node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// What the leases of a node begin with.
pub(crate) fn origin(me: NodeId, log: &Log, store: &Store, faults: Faults) -> io::Result<Origin> {
    let applied = store.applied().map(leased).unwrap_or_default();
    let reader = store.reader();
    Ok(Origin {
        me,
        incarnation: log.incarnation(),
        term: log.vote().map_or(0, |vote| vote.term),
        applied,
        entries: log_store::registered(log, applied.index)?,
        state: Arc::clone(&reader.view()),
        configured: state_machine::configured(&reader)?,
        faults,
    })
}

fn stopped<E>(_: RaftError<Types, E>) -> AnswerError {
    AnswerError::Stopped
}

/// Keeps a restarted node from campaigning until its gate opens.
fn hold_elections(raft: &Raft, gate: Arc<Gate>) {
    if gate.is_open() {
        return;
    }
    raft.runtime_config().elect(false);
    let raft = raft.clone();
    tokio::spawn(async move {
        while !gate.is_open() {
            tokio::time::sleep(gate.remaining()).await;
        }
        raft.runtime_config().elect(true);
    });
}

fn config(options: &Options) -> Config {
    let timing = options.timing;
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Config {
        cluster_name: "portcullis".to_owned(),
        heartbeat_interval: ms(timing.heartbeat),
        election_timeout_min: ms(timing.election_min),
        election_timeout_max: ms(timing.election_max),
        max_payload_entries: PAYLOAD_ENTRIES_MAX,
        // A node that is back is sent entries again after so long at the most.
        backoff: format!("{}ms", ms(UNREACHABLE_PAUSE)),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_every),
        max_in_snapshot_log_to_keep: options.snapshot_every,
        replication_lag_threshold: options.snapshot_every,
        purge_batch_size: PURGE_ENTRIES.min(options.snapshot_every),
        // What is committed waits there until it is visible, and consensus must not wait with it.
        state_machine_channel_size: Some(APPLIES_MAX),
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}
