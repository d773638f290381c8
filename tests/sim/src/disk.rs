//! The disk of a simulated machine: how long a sync of the log takes. What was not synced when the machine dies is lost.
//!
//! The files are real, in a folder that is gone after the run. The state is closed in order even where a node crashes, so
//! the simulation does not cover how the state recovers; `crates/storage` has tests of its own for that.

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

    fn sync(&self) -> Duration {
        let mut dice = self.dice.lock().expect("INVARIANT: nothing panics while holding the dice");
        let (dice, ms_max) = &mut *dice;
        Duration::from_millis(dice.random_range(0..=*ms_max))
    }
}
