//! One simulated machine, and the real node on it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use portcullis_machine::command::ConfigureLeases;
use portcullis_model::{NodeId, limit};
use portcullis_node::{ClockSync, Config, Databases, Entropy, Node, Seams};
use portcullis_server::{GrpcTransport, serve_peers};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clocks::Clocks;
use crate::disk::Disk;
use crate::history::{Asked, Key};
use crate::network::{Counted, PEER_PORT, dial, listen};
use crate::time::{TICK, pass};
use crate::trap::Trap;
use crate::world::World;
use crate::{client, formation, watcher};

/// How far a wall clock may be wrong. By its rate alone it never is in a run, and the nemesis sets it no further off than leaves
/// room for that.
const CLOCK_ERROR_MS: u64 = 1_500;
/// How long the past can be read: less than a run, so that history goes while faults happen.
const HISTORY_RETENTION: Duration = Duration::from_secs(5);
/// How much of the log and of the state is written before it is merged into tables: more than a run writes, since when that
/// happens depends on numbers that RocksDB draws.
const BUFFER_BYTES: usize = 8 * 1_024 * 1_024;
/// How much is set aside for a journal: little, because the files are in memory, and to set it aside at each start took more than half
/// of a run.
const JOURNAL_BYTES: u64 = 64 * 1_024;
/// How long a leader that stops waits for another to take over.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// What a host is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Have leadership handed to another voter, or to this one.
    Transfer(Option<u64>),
    /// Stop in order.
    Stop,
    /// Have its node asked this.
    Ask(Key, Asked),
    /// Have a learner vote.
    Promote(u64),
    /// Have a node removed for good.
    Remove(u64),
    /// Have leases changed through its node.
    Configure(ConfigureLeases),
}

/// A machine.
pub struct Host {
    /// The id of its node.
    pub id: u64,
    /// Its clocks.
    pub clocks: Arc<Clocks>,
    /// Its disk.
    pub disk: Arc<Disk>,
    /// The points that its node passes.
    pub trap: Arc<Trap>,
    /// How many messages its node has sent to others.
    pub sent: AtomicU64,
    folder: PathBuf,
    seed: u64,
    starts: AtomicU64,
    node: Mutex<Weak<Node>>,
    orders: Mutex<VecDeque<Order>>,
    /// Whether the process is stopped: nothing is asked of it meanwhile.
    suspended: AtomicBool,
}

/// Randomness from a seed.
struct Dice(Mutex<StdRng>);

impl Entropy for Dice {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.lock().expect("INVARIANT: nothing panics while holding the dice").fill_bytes(&mut bytes);
        bytes
    }
}

impl Host {
    /// A machine that was never started.
    pub fn new(id: u64, folder: PathBuf, clocks: Arc<Clocks>, seed: u64) -> Arc<Self> {
        let disk = Disk::new(seed ^ 0xD15C);
        Arc::new(Self {
            id,
            clocks,
            trap: Trap::new(&folder, &disk),
            disk,
            sent: AtomicU64::new(0),
            folder,
            seed,
            starts: AtomicU64::new(0),
            node: Mutex::default(),
            orders: Mutex::default(),
            suspended: AtomicBool::new(false),
        })
    }

    /// Its name in the network.
    pub fn name(&self) -> String {
        name(self.id)
    }

    /// The node, while it runs.
    pub fn node(&self) -> Option<Arc<Node>> {
        self.node.lock().expect("INVARIANT: nothing panics while holding the node").upgrade()
    }

    /// Tells it to do something.
    pub fn order(&self, order: Order) {
        self.orders.lock().expect("INVARIANT: nothing panics while holding the orders").push_back(order);
    }

    /// Whether its process is stopped.
    pub fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Stops or continues its process.
    pub fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Relaxed);
    }

    /// Its disk comes to hold what it held when the machine died, without what a power loss may take, once nothing runs on it. Returns
    /// how many bytes of the state were lost, if any.
    pub fn lose_power(&self) -> Option<u64> {
        Disk::thaw(&self.folder);
        self.disk.lose_power(&self.folder.join("state"))
    }

    /// How many snapshots it has installed.
    pub fn snapshots(&self) -> u64 {
        let generation = std::fs::read_to_string(self.folder.join("state").join("GENERATION"));
        generation.ok().and_then(|text| text.trim().parse().ok()).map_or(0, |generation: u64| generation - 1)
    }

    fn take_order(&self) -> Option<Order> {
        self.orders.lock().expect("INVARIANT: nothing panics while holding the orders").pop_front()
    }

    /// Starts the machine: the node, its listener for others, and those who ask it. Ends when it is told to stop.
    pub async fn run(self: Arc<Self>, world: Arc<World>) -> turmoil::Result {
        self.trap.revive();
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let seed = self.seed.wrapping_add(start.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let transport = GrpcTransport::dialling(NodeId(self.id), dial(&self.trap));
        let seams = Seams {
            transport: Arc::new(Counted { transport: Arc::clone(&transport), host: Arc::clone(&self) }),
            clock: Arc::clone(&self.clocks) as Arc<_>,
            entropy: Arc::new(Dice(Mutex::new(StdRng::seed_from_u64(seed)))),
            writing: self.disk.writing(&self.trap),
            faults: world.shape.faults,
            points: self.trap.points(),
        };
        let node = match Node::start(self.config(&world), seams).await {
            Ok(node) => node,
            Err(error) => return self.ended(error.into()).await,
        };
        transport.identify(&node);
        *self.node.lock().expect("INVARIANT: nothing panics while holding the node") = Arc::downgrade(&node);
        let (stop, stopped) = watch::channel(false);
        let serving = serve_peers(&node, listen(PEER_PORT, &self.trap).await?, stopped);
        formation::take_part(&world, &self, &node);
        client::start(&world, &self, &node, seed);
        if world.shape.clients > 0 {
            watcher::serve(&world, &self, &node);
        }
        let ordered = async {
            loop {
                pass(TICK).await;
                match self.take_order() {
                    Some(Order::Stop) => return,
                    Some(Order::Transfer(to)) => {
                        // It may fail: there may be nobody to hand it to.
                        let _ = node.transfer_leader(to.map(NodeId), Instant::now() + DRAIN_TIMEOUT).await;
                    }
                    Some(Order::Ask(key, asked)) => client::ask(&world, &self, &node, key, asked),
                    Some(Order::Promote(id)) => client::promote(&node, id),
                    Some(Order::Remove(id)) => client::remove(&node, id),
                    Some(Order::Configure(change)) => client::configure(&node, change),
                    None => {}
                }
            }
        };
        tokio::select! {
            biased;
            why = node.failed() => return self.ended(why.into()).await,
            () = ordered => {}
        }
        node.drain(DRAIN_TIMEOUT).await;
        stop.send_replace(true);
        // Connections of others may stay open; they are cut off.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, serving).await;
        node.stop().await;
        Ok(())
    }

    /// The node has ended by itself. It may only where something has failed on purpose; then the machine is as good as dead.
    async fn ended(&self, why: Box<dyn std::error::Error>) -> turmoil::Result {
        if !self.trap.is_dead() {
            let Some(point) = self.trap.failed_at() else {
                return Err(format!("node {} failed: {why}", self.id).into());
            };
            self.trap.ended(point);
        }
        std::future::pending().await
    }

    fn config(&self, world: &World) -> Config {
        Config {
            id: NodeId(self.id),
            data_dir: self.folder.clone(),
            region: world.shape.region(self.id),
            peer: format!("{}:{PEER_PORT}", self.name()),
            client: format!("{}:{}", self.name(), PEER_PORT + 1),
            max_clock_error_ms: CLOCK_ERROR_MS,
            clock_sync: ClockSync::Ignore,
            // Where no clients are, something is measured, with nothing beside it.
            history_retention: if world.shape.clients > 0 { HISTORY_RETENTION } else { Duration::MAX },
            disk_reserve_bytes: 0,
            memory_budget_bytes: u64::MAX,
            watchers_max: limit::WATCHERS_MAX,
            watcher_patience: Duration::from_secs(limit::WATCHER_PATIENCE_S),
            timing: world.shape.timing,
            snapshot_every: world.shape.snapshot_every,
            databases: Databases {
                log_buffer_bytes: BUFFER_BYTES,
                state_buffer_bytes: BUFFER_BYTES,
                journal_bytes: JOURNAL_BYTES,
                opening_threads: 1,
            },
        }
    }
}

/// The name of a node's host in the network.
pub fn name(id: u64) -> String {
    format!("node-{id}")
}
