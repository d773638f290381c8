//! Clients at work, spread over all nodes: each does turn after turn of a [`Workload`] until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_client::Client;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::history::{Came, Deed};
use crate::recorder::Recorder;
use crate::workload::Workload;

/// How long a check may take.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a write may take. It has to outlast the wait for leases of a holder that is gone.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a write of a hasty client may take: less than an election.
pub const HASTY_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a final read may take.
pub const FINAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How many final reads are under way at a node.
pub const FINAL_READS_AT_ONCE: usize = 8;

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

/// What all clients share.
pub struct Desk {
    /// Where everything is written down.
    pub recorder: Arc<Recorder>,
    /// The nodes.
    pub nodes: Vec<Connections>,
    /// How many calls of a hundred are to write, if that was asked for.
    pub writes: Option<u8>,
    made: AtomicU64,
    written: AtomicU64,
}

/// A client.
pub struct Worker {
    /// Its number, from 1.
    pub id: u32,
    /// What it shares with the others.
    pub desk: Arc<Desk>,
    /// Its dice.
    pub dice: StdRng,
    stopped: watch::Receiver<bool>,
}

/// Clients under way.
pub struct Traffic {
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Traffic {
    /// Starts clients.
    pub fn start(workload: &Arc<dyn Workload>, desk: &Arc<Desk>, count: u32, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for id in 1..=count {
            let dice = StdRng::seed_from_u64(seed.rotate_left(17) ^ u64::from(id));
            let worker = Worker { id, desk: Arc::clone(desk), dice, stopped: stopped.clone() };
            clients.spawn(work(Arc::clone(workload), worker));
        }
        Self { stop, clients }
    }

    /// Has every client finish what it does, and waits for it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended?;
        }
        Ok(())
    }
}

async fn work(workload: Arc<dyn Workload>, mut worker: Worker) {
    while !worker.is_stopped() {
        workload.turn(&mut worker).await;
        // A turn that found nothing to do must not keep the others from theirs.
        tokio::task::yield_now().await;
    }
}

impl Desk {
    /// What clients share who write so many of a hundred calls.
    pub fn new(recorder: Arc<Recorder>, nodes: Vec<Connections>, writes: Option<u8>) -> Arc<Self> {
        let (made, written) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { recorder, nodes, writes, made, written })
    }

    /// Asks a node, by a call that says what came of it, and writes both down.
    pub async fn ask<D: Deed>(&self, client: u32, node: u64, deed: &D, call: impl Future<Output = Came>) -> Came {
        self.count(deed.writes());
        let asked = self.recorder.ask(client, node, deed);
        let came = call.await;
        asked.end(came.clone());
        came
    }

    /// Counts a call.
    pub fn count(&self, writes: bool) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.written.fetch_add(u64::from(writes), Ordering::Relaxed);
    }

    /// Whether the next call is to be a write, so that their share becomes what was asked for; the other answer is for
    /// runs of which nothing was asked.
    pub fn is_to_write(&self, otherwise: bool) -> bool {
        let Some(share) = self.writes else { return otherwise };
        is_short_of(share, self.made.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// Whether so many writes among so many calls are less than a share of a hundred.
fn is_short_of(share: u8, made: u64, written: u64) -> bool {
    written * 100 <= made * u64::from(share)
}

impl Worker {
    /// Whether the run ends.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Ends when the run does.
    pub async fn until_stopped(&mut self) {
        // The sender is gone only when the run has ended.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }

    /// Any node.
    pub fn any(&mut self) -> Connections {
        let place = self.dice.random_range(0..self.desk.nodes.len());
        self.desk.nodes[place].clone()
    }

    /// The node of this client: each node has as many.
    pub fn own(&self) -> Connections {
        self.desk.nodes[self.id as usize % self.desk.nodes.len()].clone()
    }

    /// Waits for a random time, at most so many milliseconds, or until the run ends.
    pub async fn pause(&mut self, most_ms: u64) {
        let pause = Duration::from_millis(self.dice.random_range(0..=most_ms));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.until_stopped() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_writes_is_what_was_asked_for() {
        for share in [1, 10, 50] {
            let mut written = 0;
            for made in 0..10_000 {
                written += u64::from(is_short_of(share, made, written));
            }
            assert!((written * 100).abs_diff(10_000 * u64::from(share)) <= 200, "{share}: {written}");
        }
    }
}
