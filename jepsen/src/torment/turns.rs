//! Orderly restarts under way: one node after another, each with a signal that it may answer in its own time.
//!
//! Nothing here waits: it is asked again and again how it goes, since other faults begin and end meanwhile. Those may kill or
//! freeze a node that is being stopped; it is left to them until they end.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Field;

/// How long a node may take to stop, once it is told to. It gives itself seconds for what is under way.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// One orderly restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Of which node.
    pub node: u64,
    /// What it takes for the next one.
    pub then: Then,
}

/// What it takes, after a start, for a restart to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The node answers reads.
    Ready,
    /// Some time, whether the node is ready or not.
    Pause(Duration),
}

/// The restarts of one fault.
pub struct Turns {
    left: VecDeque<Turn>,
    stage: Stage,
}

/// How far the present one is.
enum Stage {
    /// There is none.
    Between,
    /// Its node was told to stop.
    Stopping { turn: Turn, since: Instant },
    /// Its node was started.
    Started { then: Then, at: Instant, ready: JoinSet<()> },
}

impl Turns {
    /// None of them has begun.
    pub fn new(turns: &[Turn]) -> Self {
        Self { left: turns.iter().copied().collect(), stage: Stage::Between }
    }

    /// Whether every node of it is started again, and ready where that was asked for.
    pub fn are_over(&self) -> bool {
        matches!(self.stage, Stage::Between) && self.left.is_empty()
    }

    /// Stops nobody any more, and waits for nobody to be ready.
    pub fn finish(&mut self) {
        self.left.clear();
        match &mut self.stage {
            Stage::Between => {}
            Stage::Stopping { turn, .. } => turn.then = Then::Pause(Duration::ZERO),
            Stage::Started { .. } => self.stage = Stage::Between,
        }
    }

    /// Goes as far as it can now, and returns who was told to stop.
    pub fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Option<u64>> {
        match &mut self.stage {
            Stage::Between => {}
            Stage::Stopping { turn, since } => {
                if field.is_frozen(turn.node) {
                    *since = Instant::now();
                }
                if field.cluster.is_stopping(turn.node) && since.elapsed() < STOP_PATIENCE {
                    return Ok(None);
                }
                if field.cluster.is_stopping(turn.node) {
                    field.cluster.give_up_stopping(turn.node, STOP_PATIENCE)?;
                }
                if field.is_down(turn.node) {
                    return Ok(None);
                }
                if !field.cluster.runs(turn.node) {
                    field.cluster.restart(turn.node)?;
                }
                let mut ready = JoinSet::new();
                ready.spawn(field.cluster.readiness(turn.node)?);
                self.stage = Stage::Started { then: turn.then, at: Instant::now(), ready };
            }
            Stage::Started { then: Then::Ready, ready, .. } => {
                if ready.try_join_next().is_none() {
                    return Ok(None);
                }
                self.stage = Stage::Between;
            }
            Stage::Started { then: Then::Pause(pause), at, .. } => {
                if at.elapsed() < *pause {
                    return Ok(None);
                }
                self.stage = Stage::Between;
            }
        }
        if matches!(self.stage, Stage::Between) { self.begin(field) } else { Ok(None) }
    }

    /// Tells the next node to stop. One that does not run has no turn.
    fn begin(&mut self, field: &mut Field<'_>) -> anyhow::Result<Option<u64>> {
        while let Some(turn) = self.left.pop_front() {
            if field.cluster.runs(turn.node) {
                field.cluster.terminate(turn.node)?;
                field.observer.forget(turn.node);
                self.stage = Stage::Stopping { turn, since: Instant::now() };
                return Ok(Some(turn.node));
            }
        }
        Ok(None)
    }
}
