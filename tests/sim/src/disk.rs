//! The disk of a simulated machine: how long a sync of the log takes. What was not synced when the machine dies is lost.
//!
//! The files are real, in a folder that is gone after the run. An operation on the log whose turn has not come is lost. The state is
//! written without syncs, but for snapshots, so after a crash its journal is cut off anywhere behind the last of them. RocksDB
//! itself is closed in order then: its binding has no file system of its own making, so what a power loss leaves of its other
//! files, and a batch of the log that is half written, is left to `crates/storage`, which has tests for both.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_storage::log::Writing;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::time::pass;

/// The longest that a sync takes unless the disk is slow.
const SYNC_MS_MAX: u64 = 2;

/// How long syncs take.
pub struct Disk {
    dice: Mutex<(StdRng, u64)>,
}

impl Disk {
    /// A disk whose syncs take times drawn from a seed.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { dice: Mutex::new((StdRng::seed_from_u64(seed), SYNC_MS_MAX)) })
    }

    /// Makes syncs take up to so many milliseconds; `None` is as usual.
    pub fn slow_down(&self, ms_max: Option<u64>) {
        self.dice.lock().expect("INVARIANT: nothing panics while holding the dice").1 = ms_max.unwrap_or(SYNC_MS_MAX);
    }

    /// Has a log written by tasks of the host that calls, each after the time of a sync.
    pub fn writing(self: &Arc<Self>) -> Writing {
        let disk = Arc::clone(self);
        Writing::Turns(Arc::new(move |turn| {
            let sync = disk.sync();
            tokio::spawn(async move {
                pass(sync).await;
                turn.take();
            });
        }))
    }

    /// Cuts off some of the journal of a state that is closed, as a power loss may. Returns how many bytes were lost, if any.
    ///
    /// The newest journal holds nothing that was synced: RocksDB begins another one when a database is opened, frozen or
    /// received.
    pub fn lose_power(&self, state: &Path) -> Option<u64> {
        let generation = std::fs::read_to_string(state.join("GENERATION")).ok()?;
        let files = std::fs::read_dir(state.join(format!("gen-{}", generation.trim()))).ok()?;
        let journals =
            files.filter_map(|file| Some(file.ok()?.path())).filter(|path| path.extension() == Some("log".as_ref()));
        let newest = std::fs::OpenOptions::new().write(true).open(journals.max()?).ok()?;
        let bytes = newest.metadata().ok()?.len();
        let mut dice = self.dice.lock().expect("INVARIANT: nothing panics while holding the dice");
        let kept = dice.0.random_range(0..=bytes);
        newest.set_len(kept).ok()?;
        (kept < bytes).then_some(bytes - kept)
    }

    fn sync(&self) -> Duration {
        let mut dice = self.dice.lock().expect("INVARIANT: nothing panics while holding the dice");
        let (dice, ms_max) = &mut *dice;
        Duration::from_millis(dice.random_range(0..=*ms_max))
    }
}
