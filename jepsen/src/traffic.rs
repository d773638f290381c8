//! Clients at work, spread over all nodes.
//!
//! One in three writes: it makes a key, gives it at one node and takes it away at another, at once or later, and the moment
//! that is acknowledged asks all nodes at once. Half of the writers are hasty: they soon give a write up and ask another node,
//! so that a new leader is written to as soon as it is there, while those that wait are still held up by the old one. The others ask about the newest keys. Half of them ask most about what is being taken away, whose
//! answer may take until a new leader is there; the other half never do, so nodes are asked all the time. A reader asks its own
//! node, so that a node which does not answer slows down nobody but its own readers; writers choose nodes at random.

mod board;
mod outcome;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use portcullis_client::Client;
use rand::Rng;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use board::Board;

use crate::history::{Action, Key, Outcome};
use crate::recorder::{Call, Recorder};
use crate::workload::revocation::Access;

/// How long a check may take.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a write may take. It has to outlast the wait for leases of a holder that is gone.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a write of a hasty client may take: less than an election.
pub const HASTY_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a final read may take.
pub const FINAL_TIMEOUT: Duration = Duration::from_secs(5);
/// One client in so many writes.
const WRITERS_SHARE: u32 = 3;
/// One key in so many is not taken away.
const KEPT_SHARE: u32 = 8;
/// How often it is tried to take a key away, while the outcome is not known.
const REVOKE_ATTEMPTS_MAX: u32 = 6;
/// The longest pause of a writer between two keys, and of a reader between two checks, in milliseconds.
const WRITER_PAUSE_MS: u64 = 30;
const READER_PAUSE_MS: u64 = 8;
/// How many final reads are under way at a node.
const FINAL_READS_AT_ONCE: usize = 8;
/// About how many keys nodes are asked at the end; the newest.
const FINAL_KEYS_MAX: u64 = 2_000;

/// Connections to one node, by how long calls may take.
#[derive(Clone)]
pub struct Connections {
    /// The node.
    pub node: u64,
    /// For checks.
    pub check: Client,
    /// For writes.
    pub write: Client,
    /// For writes of hasty clients.
    pub hasty: Client,
    /// For final reads.
    pub last: Client,
}

/// Clients under way.
pub struct Traffic {
    desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

/// What all clients share.
struct Desk {
    recorder: Arc<Recorder>,
    nodes: Vec<Connections>,
    board: Board,
    next_key: AtomicU64,
}

impl Traffic {
    /// Starts clients.
    pub fn start(recorder: &Arc<Recorder>, nodes: Vec<Connections>, count: u32, seed: u64) -> Self {
        let (recorder, board) = (Arc::clone(recorder), Board::default());
        let desk = Arc::new(Desk { recorder, nodes, board, next_key: AtomicU64::new(1) });
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for id in 1..=count {
            let dice = StdRng::seed_from_u64(seed.rotate_left(17) ^ u64::from(id));
            let client = Worker { id, desk: Arc::clone(&desk), dice, stopped: stopped.clone() };
            if id % WRITERS_SHARE == 1 {
                clients.spawn(client.write())
            } else {
                clients.spawn(client.read())
            };
        }
        Self { desk, stop, clients }
    }

    /// Has every client finish what it does, and waits for it. Then asks all nodes about everything that was given.
    pub async fn stop(mut self) -> anyhow::Result<Finished> {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended?;
        }
        Ok(Finished { desk: self.desk })
    }
}

/// Clients that have finished.
pub struct Finished {
    desk: Arc<Desk>,
}

impl Finished {
    /// Asks these nodes about everything that was given and taken away.
    pub async fn read_all(&self, nodes: &[u64]) {
        let end = self.desk.next_key.load(Ordering::SeqCst);
        let first = end.saturating_sub(FINAL_KEYS_MAX).max(1);
        let nodes = self.desk.nodes.iter().filter(|connections| nodes.contains(&connections.node));
        join_all(nodes.map(|connections| async move {
            let reads = stream::iter(first..end).map(|key| {
                let access = Access { key: Key(key) };
                self.desk.check(0, access, connections.node, &connections.last)
            });
            reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
        }))
        .await;
    }
}

impl Desk {
    async fn check(&self, client: u32, access: Access, node: u64, connection: &Client) {
        let open = self.recorder.begin(Call {
            client,
            node,
            key: access.key,
            way: access.way().name(),
            action: Action::Check,
        });
        open.end(outcome::of_check(connection.check(access.question()).await));
    }

    async fn change(&self, call: Call, access: Access, connection: &Client) -> Outcome {
        let action = call.action;
        let open = self.recorder.begin(call);
        let changed = match action {
            Action::Grant => access.grant(connection).await,
            Action::Revoke => access.revoke(connection).await,
            Action::Check => unreachable!("INVARIANT: a check changes nothing"),
        };
        let outcome = outcome::of_write(changed);
        open.end(outcome.clone());
        outcome
    }
}

struct Worker {
    id: u32,
    desk: Arc<Desk>,
    dice: StdRng,
    stopped: watch::Receiver<bool>,
}

impl Worker {
    async fn write(mut self) {
        while !*self.stopped.borrow() {
            let desk = Arc::clone(&self.desk);
            if self.dice.random_bool(0.5)
                && let Some(kept) = desk.board.take(&mut self.dice)
            {
                self.revoke(kept).await;
            }
            self.live().await;
            self.pause(WRITER_PAUSE_MS).await;
        }
    }

    async fn read(mut self) {
        let desk = Arc::clone(&self.desk);
        // Readers alone are numbered here, so that every node has as many of each half.
        let number = (self.id - self.id.div_ceil(WRITERS_SHARE)) as usize;
        let own = &desk.nodes[number % desk.nodes.len()];
        let hot = (number / desk.nodes.len()).is_multiple_of(2);
        while !*self.stopped.borrow() {
            let chosen =
                if hot { desk.board.choose_hot(&mut self.dice) } else { desk.board.choose_settled(&mut self.dice) };
            if let Some(access) = chosen {
                desk.check(self.id, access, own.node, &own.check).await;
            }
            self.pause(READER_PAUSE_MS).await;
        }
    }

    /// The life of a key, or the first part of it.
    async fn live(&mut self) {
        let desk = Arc::clone(&self.desk);
        let access = Access { key: Key(desk.next_key.fetch_add(1, Ordering::SeqCst)) };
        // What could not be prepared cannot be given, and then it must not be allowed either.
        let _ = access.prepare(&self.any(&desk).write).await;
        desk.board.add(access);
        let granted = self.change(access, Action::Grant).await;
        if matches!(granted, Outcome::Fail { .. }) {
            return;
        }
        let elsewhere = self.any(&desk);
        desk.check(self.id, access, elsewhere.node, &elsewhere.check).await;
        let is_kept =
            self.dice.next_u32().is_multiple_of(KEPT_SHARE) || self.dice.random_bool(0.5) && desk.board.keep(access);
        if !is_kept {
            self.pause(READER_PAUSE_MS).await;
            self.revoke(access).await;
        }
    }

    /// Takes a key away, again and again while it is not known whether it is, and asks all nodes once it is.
    async fn revoke(&mut self, access: Access) {
        let desk = Arc::clone(&self.desk);
        desk.board.heat(access);
        let mut revoked = self.change(access, Action::Revoke).await;
        for _ in 1..REVOKE_ATTEMPTS_MAX {
            if *self.stopped.borrow() || !matches!(revoked, Outcome::Unknown { .. }) {
                break;
            }
            revoked = self.change(access, Action::Revoke).await;
        }
        desk.board.cool(access);
        if matches!(revoked, Outcome::Ok { .. }) {
            let id = self.id;
            join_all(desk.nodes.iter().map(|node| desk.check(id, access, node.node, &node.check))).await;
        }
    }

    /// Grants or revokes, at any node.
    async fn change(&mut self, access: Access, action: Action) -> Outcome {
        let desk = Arc::clone(&self.desk);
        let at = self.any(&desk);
        let call = Call { client: self.id, node: at.node, key: access.key, way: access.way().name(), action };
        let is_hasty = (self.id / WRITERS_SHARE).is_multiple_of(2);
        desk.change(call, access, if is_hasty { &at.hasty } else { &at.write }).await
    }

    fn any<'a>(&mut self, desk: &'a Desk) -> &'a Connections {
        &desk.nodes[self.dice.random_range(0..desk.nodes.len())]
    }

    async fn pause(&mut self, most_ms: u64) {
        let pause = Duration::from_millis(self.dice.random_range(0..=most_ms));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.stopped.changed() => {}
        }
    }
}
