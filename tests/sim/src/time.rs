//! Simulated time. The only place of the simulation where a task lets time pass: none of it is real.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far the simulation moves at a time. Whatever happens within one step is placed by the clock of its host.
pub const TICK: Duration = Duration::from_millis(1);

/// True time since the simulation began, which no node can read.
#[derive(Debug, Default)]
pub struct Truth {
    step_ns: AtomicU64,
}

impl Truth {
    /// Says when the step begins that is about to be taken.
    pub fn begin_step(&self, at: Duration) {
        let nanos = u64::try_from(at.as_nanos()).expect("INVARIANT: a simulation does not last centuries");
        self.step_ns.store(nanos, Ordering::Relaxed);
    }

    /// The time now; between two steps, that at which the next one begins.
    pub fn now(&self) -> Duration {
        let step = Duration::from_nanos(self.step_ns.load(Ordering::Relaxed));
        // While a host is torn down its own clock is gone.
        turmoil::sim_elapsed().map_or(step, |now| now.clamp(step, step + TICK))
    }
}

/// Lets simulated time pass in a task.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
