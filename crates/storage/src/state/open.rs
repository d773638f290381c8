//! Opening the state store, and rebuilding what checks read.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use portcullis_fault::{Faults, Points};
use portcullis_model::{GroupId, Revision};
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, Options as RocksOptions};

use super::folder::{Copy, Folder};
use super::keys::{Family, Keys};
use super::load;
use super::reader::View;
use super::reads::{Reads, StoreError};
use super::store::{Shared, Store};
use super::sum::Sum;
use crate::OPENING_THREADS;
use crate::journal::{self, Flaw};
use crate::log::LogId;
use crate::resident::Resident;

/// How much memory blocks of rows may take.
const BLOCK_CACHE_BYTES: usize = 64 * 1_024 * 1_024;
/// One read in a hundred looks for a row in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// The share of a write buffer that tells which rows are not in it.
const MEMTABLE_BLOOM_RATIO: f64 = 0.05;
/// How hard the tables that last are compressed, with the window that RocksDB chooses.
const ZSTD_LEVEL: i32 = 1;
const ZSTD_WINDOW_DEFAULT: i32 = -14;
/// How many tables are flushed before they are merged.
const FRESH_TABLES: i32 = 8;
/// How full the hash index of a block is.
const BLOCK_HASH_RATIO: f64 = 0.75;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The group whose state it is.
    pub group: GroupId,
    /// Memory for rows that are not yet on disk, in bytes.
    pub write_buffer_bytes: usize,
    /// How much of the disk is set aside for its journal, in bytes; as much as for the buffer, at the most.
    pub journal_bytes: u64,
    /// How many threads open its tables.
    pub opening_threads: u16,
    /// How much of memory what checks read may take, as an estimate, in bytes. Tenants for whose relationships there is no
    /// room are read from the disk.
    pub memory_budget_bytes: u64,
    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    pub faults: Faults,
    /// Who is told of the points that the store passes: nobody, outside of tests.
    pub points: Points,
}

impl Options {
    /// The defaults for a group: 32 MiB of write buffer, so that a flush does not stop applying for long, and
    /// all the memory that there is.
    pub fn new(group: GroupId) -> Self {
        Self {
            group,
            write_buffer_bytes: 32 * 1_024 * 1_024,
            journal_bytes: u64::MAX,
            opening_threads: OPENING_THREADS,
            memory_budget_bytes: u64::MAX,
            faults: Faults::default(),
            points: Points::default(),
        }
    }
}

/// Told now and then how many rows were loaded at start.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Why a store does not open. The node must not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("the folder `{}` of the state cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// RocksDB does not open the folder.
    #[error(
        "the state in `{}` does not open: if it is damaged, wipe the node's data folder and let it join again under a \
         new node id",
        path.display()
    )]
    RocksDb {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: rocksdb::Error,
    },
    /// RocksDB's list of its files is not what was written.
    #[error(
        "the state is damaged: the record at byte {at} of `{}` is not what was written; wipe the node's data folder and \
         let it join again under a new node id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
    },
    /// A row cannot be read.
    #[error("the state in `{}` cannot be read", path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl Store {
    /// Opens the store in a folder, which is made if it is missing, and loads what checks read into memory.
    pub fn open(path: &Path, options: &Options, progress: Progress<'_>) -> Result<Self, OpenError> {
        let (folder, generation) = Folder::open(path, &options.points)
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        let path = folder.generation(generation);
        let loaded = Loaded::open(&path, options, progress)?;
        let view = Arc::new(loaded.view());
        let Loaded { reads, resident, applied, membership, sum } = loaded;
        let owned = reads.owned(Some(resident));
        let shared = Shared {
            reads: ArcSwap::from_pointee(reads),
            hashes: Mutex::new(VecDeque::from([(view.revision, sum)])),
            versions: Mutex::new(VecDeque::from([Arc::clone(&view)])),
            view: ArcSwap::new(view),
        };
        Ok(Self {
            reads: owned,
            whole: true,
            changes: 0,
            applied,
            membership,
            sum,
            shared: Arc::new(shared),
            folder,
            generation,
            options: options.clone(),
            snapshots: 0,
        })
    }
}

/// What a database holds of the state.
pub(super) struct Loaded {
    pub(super) reads: Reads,
    pub(super) resident: Resident,
    pub(super) applied: Option<LogId>,
    pub(super) membership: Option<Vec<u8>>,
    pub(super) sum: Sum,
}

impl Loaded {
    /// Opens a database, and loads what checks read into memory.
    pub(super) fn open(path: &Path, options: &Options, progress: Progress<'_>) -> Result<Self, OpenError> {
        let damaged = cut_damaged_wals(path).map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        if let Some(Flaw { path, at }) = damaged {
            return Err(OpenError::Damaged { path, at });
        }
        let db = DB::open(&rocks_options(options), path)
            .map_err(|source| OpenError::RocksDb { path: path.to_owned(), source })?;
        let copy = Copy::new(db, path.to_owned());
        let reads = Reads::stored(Arc::new(copy), Keys { group: options.group });
        Self::load(reads, options.memory_budget_bytes, progress)
            .map_err(|source| OpenError::Store { path: path.to_owned(), source })
    }

    fn load(reads: Reads, budget: u64, progress: Progress<'_>) -> Result<Self, StoreError> {
        let meta = |name: &str| reads.keys.global(Family::Meta).text(name);
        let applied: Option<(u64, u64)> = reads.get(&meta("applied"))?;
        let applied = applied.map(|(term, index)| LogId { term, index });
        let membership: Option<Vec<u8>> = reads.get(&meta("membership"))?;
        let sum: Option<[u8; 32]> = reads.get(&meta("sum"))?;
        let sum = sum.map(Sum::from_bytes).unwrap_or_default();
        let resident = load::everything(&reads, budget, progress)?;
        Ok(Self { reads, resident, applied, membership, sum })
    }

    /// The version as of the last entry.
    pub(super) fn view(&self) -> View {
        View::published(self.resident.clone(), Revision(self.applied.map_or(0, |id| id.index)), &self.reads)
    }
}

/// Cuts each write-ahead log within its first damaged record, and returns damage elsewhere. The state is not synced, so
/// damage behind the last flush is to be expected after a power loss, and what is cut off comes from the log again.
fn cut_damaged_wals(path: &Path) -> io::Result<Option<Flaw>> {
    for flaw in journal::flaws(path)? {
        if !flaw.is_in_wal() {
            return Ok(Some(flaw));
        }
        tracing::warn!(file = %flaw.path.display(), at = flaw.at, "the end of a write-ahead log is damaged, and is cut off");
        // A record that is cut short tells RocksDB that something is missing; one that is gone as a whole would not.
        OpenOptions::new().write(true).open(&flaw.path)?.set_len(flaw.at + 1)?;
    }
    Ok(None)
}

fn rocks_options(options: &Options) -> RocksOptions {
    let mut rocks = RocksOptions::default();
    rocks.create_if_missing(true);
    rocks.set_paranoid_checks(true);
    rocks.set_write_buffer_size(options.write_buffer_bytes);
    rocks.set_max_file_opening_threads(options.opening_threads.into());
    journal::set_aside(&mut rocks, options.journal_bytes);
    // What is flushed is soon merged with what came before, so it is compressed then.
    let fresh = DBCompressionType::None;
    rocks.set_compression_per_level(&[fresh, DBCompressionType::Lz4]);
    rocks.set_bottommost_compression_type(DBCompressionType::Zstd);
    // The level above takes more of a processor, and saves less than one byte in a hundred.
    rocks.set_bottommost_compression_options(ZSTD_WINDOW_DEFAULT, ZSTD_LEVEL, 0, 0, true);
    // Each merge of fresh tables writes the whole level below anew, so it is worth waiting for some. Checks in a tenant that was
    // spilled look into each of them meanwhile; all others read memory.
    rocks.set_level_zero_file_num_compaction_trigger(FRESH_TABLES);
    rocks.set_max_background_jobs(2);
    rocks.set_keep_log_file_num(4);
    // Most reads of a command are of rows that do not exist yet: ids must be new.
    rocks.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    rocks.set_memtable_whole_key_filtering(true);
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_data_block_hash_ratio(BLOCK_HASH_RATIO);
    rocks.set_block_based_table_factory(&table);
    rocks
}
