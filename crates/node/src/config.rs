//! How a node is run.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_consensus::Timing;
use portcullis_model::{GroupId, NodeId, Region};
use portcullis_storage::{OPENING_THREADS, log, state};

/// How a node is run. Values are checked where they are read; here they are valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its id, never used before by another node.
    pub id: NodeId,
    /// The folder that holds everything it knows.
    pub data_dir: PathBuf,
    /// Its region.
    pub region: Option<Region>,
    /// Where other nodes reach it, `host:port`.
    pub peer: String,
    /// Where clients reach it, `host:port`.
    pub client: String,
    /// The most that its wall clock may be wrong, in milliseconds.
    pub max_clock_error_ms: u64,
    /// What follows when the machine says that nothing keeps its wall clock right.
    pub clock_sync: ClockSync,
    /// How long the state can be read as it was. That of the leader counts.
    pub history_retention: Duration,
    /// How much of the disk is kept for what takes away, in bytes.
    pub disk_reserve_bytes: u64,
    /// How much memory what checks read may take before an alarm is raised, in bytes.
    pub memory_budget_bytes: u64,
    /// How many watchers it may have at a time.
    pub watchers_max: usize,
    /// How long a watcher may leave an event untaken before it is disconnected.
    pub watcher_patience: Duration,
    /// The times that its group lives by.
    pub timing: Timing,
    /// How many entries lie between two snapshots, and how many are kept behind the last one.
    pub snapshot_every: u64,
    /// What its databases take.
    pub databases: Databases,
}

/// What the databases of a node take. A buffer is written before it is merged into tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Databases {
    /// The buffer of the log, in bytes.
    pub log_buffer_bytes: usize,
    /// The buffer of the state, in bytes.
    pub state_buffer_bytes: usize,
    /// How much of the disk is set aside for a journal, in bytes; as much as for a buffer, at the most.
    pub journal_bytes: u64,
    /// How many threads open the tables of one of them.
    pub opening_threads: u16,
}

impl Default for Databases {
    fn default() -> Self {
        let (log, state) = (log::Options::default(), state::Options::new(GroupId::FIRST));
        Self {
            log_buffer_bytes: log.write_buffer_bytes,
            state_buffer_bytes: state.write_buffer_bytes,
            journal_bytes: u64::MAX,
            opening_threads: OPENING_THREADS,
        }
    }
}

/// What follows when the machine says that nothing keeps its wall clock right, or that it may be more wrong than is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSync {
    /// Nothing: for nodes that share one clock.
    Ignore,
    /// An alarm.
    #[default]
    Warn,
    /// An alarm, and the node is not ready.
    Require,
}
