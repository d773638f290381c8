//! Starting a node, and stopping it. Futures are boxed so that they are compiled here, and not again in the binary.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_consensus::clock::{Clock, SystemClock};
use portcullis_consensus::{Group, Options, Parts, Transport};
use portcullis_fault::Points;
use portcullis_lease::Faults;
use portcullis_model::{ClusterId, GroupId};
use portcullis_storage::{log, state};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Config, Databases};
use crate::entropy::{Entropy, SystemEntropy};
use crate::health::{Health, look_around};
use crate::identity::Identity;
use crate::node::Node;
use crate::past::Remade;
use crate::retention::keep_history_short;
use crate::settle::settle_leases;
use crate::timekeeper::keep_time;
use crate::watch::Watchers;

/// How often a node makes sure that it is fresh, so that reads of any age know theirs.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What a node takes from its surroundings.
pub struct Seams {
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who writes the log.
    pub writing: log::Writing,
    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    pub faults: Faults,
    /// Who is told of the points that the node passes: nobody, outside of tests.
    pub points: Points,
}

impl Seams {
    /// The clocks and the randomness of the system, and a thread of its own for the log.
    pub fn system(transport: Arc<dyn Transport>) -> Self {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let (faults, points) = (Faults::default(), Points::default());
        Self { transport, clock, entropy, writing: log::Writing::Thread, faults, points }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("the data folder `{}` cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The state does not open.
    #[error(transparent)]
    State(#[from] state::OpenError),
    /// Entries that the state has not seen are gone from the log.
    #[error(
        "the state in `{}` ends at entry {applied}, and the log begins behind entry {purged}: the state was lost; wipe \
         the node's data folder and let it join again as a learner under a new node id",
        path.display()
    )]
    StateLost {
        /// The folder of the state.
        path: PathBuf,
        /// The last entry that it includes.
        applied: u64,
        /// The last entry that the log no longer has.
        purged: u64,
    },
    /// Consensus does not start.
    #[error(transparent)]
    Consensus(#[from] portcullis_consensus::StartError),
}

impl Node {
    /// Opens the data folder and starts the node. It answers once it belongs to a cluster that has a leader.
    pub fn start(config: Config, seams: Seams) -> BoxFuture<'static, Result<Arc<Self>, StartError>> {
        async move {
            let folder = |path: PathBuf| {
                let made = std::fs::create_dir_all(&path);
                made.map(|()| path.clone()).map_err(|source| StartError::Folder { path, source })
            };
            let log_folder = folder(config.data_dir.join("log"))?;
            let state_folder = folder(config.data_dir.join("state"))?;
            let owner = log::Owner { group: GroupId::FIRST.0, node: config.id.0 };
            let Seams { transport, clock, entropy, writing, faults, points } = seams;
            let Databases { log_buffer_bytes, state_buffer_bytes, journal_bytes, opening_threads } = config.databases;
            let options = log::Options {
                writing,
                faults,
                write_buffer_bytes: log_buffer_bytes,
                journal_bytes,
                opening_threads,
                points: points.clone(),
                ..log::Options::default()
            };
            let log = log::Log::open(&log_folder, &options, owner)?;
            let cluster = log.cluster().map(ClusterId);
            let adopter = log.adopter();
            let identity = Identity::new(
                cluster,
                Arc::new(move |cluster: ClusterId| adopter.adopt(cluster.0).map_err(|error| error.to_string())),
            );
            let mut progress = |rows: u64| tracing::info!(rows, "loading the state");
            let options = state::Options {
                memory_budget_bytes: config.memory_budget_bytes,
                write_buffer_bytes: state_buffer_bytes,
                journal_bytes,
                opening_threads,
                points: points.clone(),
                faults,
                ..state::Options::new(GroupId::FIRST)
            };
            let store = state::Store::open(&state_folder, &options, &mut progress)?;
            let applied = store.applied().map_or(0, |applied| applied.index);
            if let Some(purged) = log.bounds().purged.map(|purged| purged.index).filter(|purged| *purged > applied) {
                return Err(StartError::StateLost { path: state_folder, applied, purged });
            }
            let reader = store.reader();
            let options = Options { me: config.id, timing: config.timing, snapshot_every: config.snapshot_every };
            let seed = u64::from_be_bytes(entropy.bytes()[..8].try_into().expect("INVARIANT: eight of sixteen bytes"));
            let parts =
                Parts { log, store, transport, clock: Arc::clone(&clock), seed, faults, points: points.clone() };
            let group = Group::start(options, parts).await?;
            let (last_fresh, _) = watch::channel(clock.read());
            let node = Arc::new(Self {
                config,
                identity,
                group,
                reader,
                clock,
                entropy,
                last_fresh,
                points,
                health: Health::default(),
                remade: Remade::default(),
                watchers: Watchers::default(),
                faults,
            });
            tokio::spawn(settle_leases(Arc::downgrade(&node)));
            tokio::spawn(keep_time(Arc::downgrade(&node)));
            tokio::spawn(keep_history_short(Arc::downgrade(&node)));
            tokio::spawn(look_around(Arc::downgrade(&node)));
            tokio::spawn(keep_fresh(Arc::downgrade(&node)));
            Ok(node)
        }
        .boxed()
    }

    /// Gives up the lease, and hands leadership to another voter, if this node leads and there is one.
    pub fn drain(&self, timeout: Duration) -> BoxFuture<'_, ()> {
        async move {
            self.group.release_lease();
            if self.leader() != Some(self.id()) {
                return;
            }
            if let Err(error) = self.transfer_leader(None, Instant::now() + timeout).await {
                tracing::warn!(%error, "leadership was not handed over before stopping");
            }
        }
        .boxed()
    }

    /// Stops taking part.
    pub fn stop(&self) -> BoxFuture<'_, ()> {
        async move {
            self.group.stop().await;
        }
        .boxed()
    }
}

/// Proves now and then that the copy is fresh.
async fn keep_fresh(node: std::sync::Weak<Node>) {
    let mut probes = tokio::time::interval(PROBE_EVERY);
    probes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        probes.tick().await;
        let Some(node) = node.upgrade() else { return };
        if node.cluster().is_some() {
            // A node that is not fresh now says so to whoever asks.
            let _ = node.prove_fresh(Instant::now() + PROBE_EVERY).await;
        }
    }
}
