//! The workload `revocation`: answers that are given and taken away, each in one of five ways.
//!
//! Every key is a question of its own, to which a denial is the answer until it is granted, and again once that is revoked. An
//! allow has one reason only, so it cannot outlive the revocation of its key by another.
//!
//! One client in three writes: it makes a key, gives it at one node and takes it away at another, at once or later, and the
//! moment that is acknowledged asks all nodes at once. Half of the writers are hasty: they soon give a write up and ask another
//! node, so that a new leader is written to as soon as it is there, while those that wait are still held up by the old one. The
//! others ask about the newest keys. Half of them ask most about what is being taken away, whose answer may take until a new
//! leader is there; the other half never do, so nodes are asked all the time. A reader asks its own node, so that a node which
//! does not answer slows down nobody but its own readers; writers choose nodes at random.
//!
//! Where a share of writes is asked for, every client does whatever the share is short of.

mod access;
mod board;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use rand::Rng;
use rand::RngCore;

pub use access::{Access, INNERMOST, MINUTES, READER, SHELF, Way};
use board::Board;

use super::{Kind, Workload};
use crate::checker;
use crate::history::{Action, Key, Outcome};
use crate::recorder::Call;
use crate::system::portcullis::Portcullis;
use crate::system::{Change, Line, Lines, System};
use crate::traffic::{Connections, Desk, FINAL_READS_AT_ONCE, Worker};

/// The workload.
pub const KIND: Kind = Kind {
    name: NAME,
    what: "grants are made, asked about at every node, and taken away again: directly, by nested group, by scope, by a change of \
           the role, by filter",
    judges: &[checker::revocation::JUDGE, checker::linearizable::JUDGE, checker::by_revision::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| {
        let system = Portcullis(desk.nodes.clone());
        Arc::new(Revocation::on(&system, desk).expect("INVARIANT: our own nodes are connected already"))
    },
};
/// Its name.
pub const NAME: &str = "revocation";

/// One client in so many writes.
const WRITERS_SHARE: u32 = 3;
/// One key in so many is not taken away.
const KEPT_SHARE: u32 = 8;
/// How often it is tried to take a key away, while the outcome is not known.
const REVOKE_ATTEMPTS_MAX: u32 = 6;
/// The longest pause of a writer between two keys, and of a reader between two checks, in milliseconds.
const WRITER_PAUSE_MS: u64 = 30;
const READER_PAUSE_MS: u64 = 8;
/// About how many keys nodes are asked at the end; the newest.
const FINAL_KEYS_MAX: u64 = 2_000;

/// The workload in one run.
pub struct Revocation {
    desk: Arc<Desk>,
    nodes: Vec<Lines>,
    board: Board,
    next_key: AtomicU64,
}

impl Revocation {
    /// The workload on a system.
    pub fn on(system: &dyn System, desk: Arc<Desk>) -> anyhow::Result<Self> {
        let nodes = system.nodes().into_iter().map(|node| system.connect(node)).collect::<Result<_, _>>()?;
        Ok(Self { desk, nodes, board: Board::default(), next_key: AtomicU64::new(1) })
    }

    /// Asks a node about everything that was given and taken away.
    pub async fn read_all(&self, node: u64) {
        let end = self.next_key.load(Ordering::SeqCst);
        let first = end.saturating_sub(FINAL_KEYS_MAX).max(1);
        let Some(lines) = self.nodes.iter().find(|lines| lines.node == node) else { return };
        let reads = stream::iter(first..end).map(|key| self.check(0, Access { key: Key(key) }, node, &*lines.last));
        reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
    }

    async fn check(&self, client: u32, access: Access, node: u64, line: &dyn Line) {
        self.desk.count(false);
        let (key, way, action) = (access.key, access.way().name(), Action::Check);
        let open = self.desk.recorder.begin(Call { client, node, key, way, action });
        open.end(line.check(access).await);
    }

    async fn check_at(&self, client: u32, access: Access, lines: &Lines) {
        self.check(client, access, lines.node, &*lines.check).await;
    }

    async fn write(&self, worker: &mut Worker) {
        if worker.dice.random_bool(0.5)
            && let Some(kept) = self.board.take(&mut worker.dice)
        {
            self.revoke(worker, kept).await;
        }
        self.live(worker).await;
        worker.pause(WRITER_PAUSE_MS).await;
    }

    async fn read(&self, worker: &mut Worker) {
        // Readers alone are numbered here, so that every node has as many of each half.
        let number = (worker.id - worker.id.div_ceil(WRITERS_SHARE)) as usize;
        let own = &self.nodes[number % self.nodes.len()];
        let hot = (number / self.nodes.len()).is_multiple_of(2);
        let dice = &mut worker.dice;
        let chosen = if hot { self.board.choose_hot(dice) } else { self.board.choose_settled(dice) };
        if let Some(access) = chosen {
            self.check_at(worker.id, access, own).await;
        }
        worker.pause(READER_PAUSE_MS).await;
    }

    /// The life of a key, or the first part of it.
    async fn live(&self, worker: &mut Worker) {
        let access = Access { key: Key(self.next_key.fetch_add(1, Ordering::SeqCst)) };
        self.any(worker).write.prepare(access).await;
        self.board.add(access);
        let granted = self.change(worker, access, Change::Grant).await;
        if matches!(granted, Outcome::Fail { .. }) {
            return;
        }
        self.check_at(worker.id, access, self.any(worker)).await;
        let is_kept = worker.dice.next_u32().is_multiple_of(KEPT_SHARE)
            || worker.dice.random_bool(0.5) && self.board.keep(access);
        if !is_kept {
            worker.pause(READER_PAUSE_MS).await;
            self.revoke(worker, access).await;
        }
    }

    /// Takes a key away, again and again while it is not known whether it is, and asks all nodes once it is.
    async fn revoke(&self, worker: &mut Worker, access: Access) {
        self.board.heat(access);
        let mut revoked = self.change(worker, access, Change::Revoke).await;
        for _ in 1..REVOKE_ATTEMPTS_MAX {
            if worker.is_stopped() || !matches!(revoked, Outcome::Unknown { .. }) {
                break;
            }
            revoked = self.change(worker, access, Change::Revoke).await;
        }
        self.board.cool(access);
        if !matches!(revoked, Outcome::Ok { .. }) {
            return;
        }
        if self.desk.is_to_write(false) {
            // Asking all of them would be more reads than the share of writes leaves room for.
            self.check_at(worker.id, access, self.any(worker)).await;
        } else {
            join_all(self.nodes.iter().map(|node| self.check_at(worker.id, access, node))).await;
        }
    }

    /// Grants or revokes, at any node.
    async fn change(&self, worker: &mut Worker, access: Access, change: Change) -> Outcome {
        let at = self.any(worker);
        let is_hasty = (worker.id / WRITERS_SHARE).is_multiple_of(2);
        self.desk.count(true);
        let (key, way, action) = (access.key, access.way().name(), change.action());
        let open = self.desk.recorder.begin(Call { client: worker.id, node: at.node, key, way, action });
        let outcome = if is_hasty { &at.hasty } else { &at.write }.change(access, change).await;
        open.end(outcome.clone());
        outcome
    }

    fn any(&self, worker: &mut Worker) -> &Lines {
        &self.nodes[worker.dice.random_range(0..self.nodes.len())]
    }
}

impl Workload for Revocation {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        self.nodes[0].last.set_up()
    }

    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()> {
        async move {
            if self.desk.is_to_write(worker.id % WRITERS_SHARE == 1) {
                self.write(worker).await;
            } else {
                self.read(worker).await;
            }
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        self.read_all(at.node).boxed()
    }
}
