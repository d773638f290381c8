//! The disk of a simulated machine: how long a sync of the log takes, and what is left when the machine dies.
//!
//! The files are real, in a folder in memory that is gone after the run. What is modelled:
//!
//! - A machine that dies leaves the files as they are at that very moment, copied byte by byte while the databases are open
//!   ([`Disk::freeze`]): nothing is closed in order. What the node does later never reaches them.
//! - An operation on the log whose turn has not come when the machine dies is lost. One whose sync is under way may be there as a
//!   whole, in part or not at all: its journal is cut anywhere within what that sync writes ([`Disk::tear_sync`]). What was synced
//!   survives.
//! - The state is written without syncs, but for snapshots, so its journal is cut anywhere behind the last of them
//!   ([`Disk::lose_power`]). Parts before the cut are never missing, as in a file that only grows.
//!
//! What is not: names of files are on disk as soon as they are given, tables and manifests as soon as they are written, and a slot of
//! `ACKED` is never torn. `crates/storage` has tests for those. RocksDB's own environment in memory (`Env::mem_env`) would not do
//! better: its binding has no way to drop what was not synced, and the node reads and renames some of the files itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_storage::log::Writing;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::time::pass;
use crate::trap::Trap;

/// The longest that a sync takes unless the disk is slow.
const SYNC_MS_MAX: u64 = 2;

/// A disk.
pub struct Disk {
    state: Mutex<State>,
}

struct State {
    dice: StdRng,
    sync_ms_max: u64,
    /// The journal of the log that is being synced, and how long it was before.
    syncing: Option<(PathBuf, u64)>,
}

impl Disk {
    /// A disk whose syncs take times drawn from a seed.
    pub fn new(seed: u64) -> Arc<Self> {
        let state = State { dice: StdRng::seed_from_u64(seed), sync_ms_max: SYNC_MS_MAX, syncing: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Makes syncs take up to so many milliseconds; `None` is as usual.
    pub fn slow_down(&self, ms_max: Option<u64>) {
        self.state().sync_ms_max = ms_max.unwrap_or(SYNC_MS_MAX);
    }

    /// Has a log written by tasks of the host that calls, each after the time of a sync.
    pub fn writing(self: &Arc<Self>, trap: &Arc<Trap>) -> Writing {
        let (disk, trap) = (Arc::clone(self), Arc::clone(trap));
        Writing::Turns(Arc::new(move |turn| {
            let (sync, trap) = (disk.sync(), Arc::clone(&trap));
            tokio::spawn(async move {
                pass(sync).await;
                if !trap.is_dead() {
                    turn.take();
                }
            });
        }))
    }

    /// Notes how long the journal of the log is before a sync.
    pub(crate) fn begins_sync(&self, folder: &Path) {
        self.state().syncing = newest_journal(&folder.join("log").join("entries"));
    }

    /// Keeps what is on the disk now, for [`Disk::thaw`].
    pub(crate) fn freeze(folder: &Path) {
        let image = image(folder);
        loop {
            let before = listing(folder);
            remove(&image);
            // Threads of RocksDB may remove files meanwhile that are not needed any more; then it is done again.
            if copy(folder, &image).is_ok() && listing(folder) == before {
                return;
            }
        }
    }

    /// Cuts off some of what the log was writing when the machine died, in what was kept.
    pub(crate) fn tear_sync(&self, folder: &Path) {
        let mut state = self.state();
        let Some((journal, before)) = state.syncing.take() else { return };
        let Some((now, bytes)) = newest_journal(&folder.join("log").join("entries")) else { return };
        let kept = state.dice.random_range(before..=bytes.max(before));
        if now == journal && state.dice.random_bool(0.5) {
            let within = journal.strip_prefix(folder).expect("INVARIANT: the log lies within the folder");
            cut(&image(folder).join(within), kept);
        }
    }

    /// Has what was kept take the place of what the folder has come to hold since, once nothing runs on it.
    pub(crate) fn thaw(folder: &Path) {
        remove(folder);
        fs::rename(image(folder), folder).expect("INVARIANT: what is on the disk was kept");
    }

    /// Cuts off some of the journal of the state, as a power loss may, once nothing runs on it. Returns how many bytes were lost, if any.
    ///
    /// The newest journal holds nothing that was synced: RocksDB begins another one when a database is opened, frozen or
    /// received.
    pub fn lose_power(&self, state: &Path) -> Option<u64> {
        let generation = fs::read_to_string(state.join("GENERATION")).ok()?;
        let (journal, bytes) = newest_journal(&state.join(format!("gen-{}", generation.trim())))?;
        let kept = self.state().dice.random_range(0..=bytes);
        cut(&journal, kept);
        (kept < bytes).then_some(bytes - kept)
    }

    fn sync(&self) -> Duration {
        let mut state = self.state();
        let ms_max = state.sync_ms_max;
        Duration::from_millis(state.dice.random_range(0..=ms_max))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("INVARIANT: nothing panics while holding the disk")
    }
}

/// The newest journal of a database, and how long it is.
fn newest_journal(database: &Path) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(database).ok()?.filter_map(|file| Some(file.ok()?.path()));
    let newest = files.filter(|path| path.extension() == Some("log".as_ref())).max()?;
    let bytes = newest.metadata().ok()?.len();
    Some((newest, bytes))
}

fn cut(file: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(file);
    file.and_then(|file| file.set_len(bytes)).expect("INVARIANT: it was found a moment ago");
}

fn image(folder: &Path) -> PathBuf {
    folder.with_extension("image")
}

fn remove(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("INVARIANT: nobody else removes anything here");
    }
}

/// Every file and its length.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            match file.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(file.path()),
                Ok(metadata) => found.push((file.path(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        let (from, to) = (file.path(), to.join(file.file_name()));
        if file.metadata()?.is_dir() {
            copy(&from, &to)?;
        } else if from.extension() == Some("sst".as_ref()) {
            // Tables never change.
            fs::hard_link(from, to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}
