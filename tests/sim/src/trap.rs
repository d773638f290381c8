//! What happens at the points that the node of a machine passes: it is counted, and one of them may be where the machine dies, is
//! held, or fails.
//!
//! A machine that dies at a point dies with whatever it has on disk right then. The rest of the step is taken by a ghost: nothing
//! that it does reaches its disk, the network or those who ask ([`Trap::is_dead`]). Once the step is over, the ghost goes too.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_fault::{Deed as Told, Hook, Kind, Point, Points};

use crate::disk::Disk;
use crate::passed::Passed;

/// What is to happen at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The machine dies.
    Die,
    /// The task waits so many milliseconds, or, where it cannot, the whole process.
    Hold(u64),
    /// What is being done fails, where it can.
    Fail,
}

/// What has happened at a point, and what the simulation has yet to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sprung {
    /// Where.
    pub point: Point,
    /// What.
    pub deed: Deed,
}

/// The points of one machine.
pub struct Trap {
    folder: PathBuf,
    disk: Arc<Disk>,
    dead: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: Passed,
    armed: Option<Armed>,
    sprung: Option<Sprung>,
    /// Where something has failed on purpose, by which the node may end itself.
    failed_at: Option<Point>,
}

struct Armed {
    point: Point,
    deed: Deed,
    /// How often the point is passed before.
    skips: u64,
}

impl Trap {
    /// The points of a machine with this disk, and this folder on it.
    pub fn new(folder: &Path, disk: &Arc<Disk>) -> Arc<Self> {
        let (folder, disk) = (folder.to_owned(), Arc::clone(disk));
        Arc::new(Self { folder, disk, dead: AtomicBool::new(false), state: Mutex::default() })
    }

    /// What a node is handed.
    pub fn points(self: &Arc<Self>) -> Points {
        Points::told(Arc::clone(self) as Arc<_>)
    }

    /// Has something happen when a point is passed once more than `skips` times.
    pub fn arm(&self, point: Point, deed: Deed, skips: u64) {
        self.state().armed = Some(Armed { point, deed, skips });
    }

    /// Has nothing happen any more.
    pub fn disarm(&self) {
        self.state().armed = None;
    }

    /// Whether the machine has died and is not started again.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The machine dies, with what is on its disk. Whatever follows is done by a ghost.
    pub fn die(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            Disk::freeze(&self.folder);
        }
    }

    /// The machine is started.
    pub fn revive(&self) {
        self.dead.store(false, Ordering::Relaxed);
        self.state().failed_at = None;
    }

    /// Where something has failed on purpose, so that the node may end by itself.
    pub fn failed_at(&self) -> Option<Point> {
        self.state().failed_at
    }

    /// What has happened since this was asked last.
    pub fn take_sprung(&self) -> Option<Sprung> {
        self.state().sprung.take()
    }

    /// The node has ended by itself, because something failed at a point.
    pub fn ended(&self, point: Point) {
        self.die();
        self.state().sprung = Some(Sprung { point, deed: Deed::Die });
    }

    /// How often each point was passed.
    pub fn counts(&self) -> Passed {
        self.state().counts.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("INVARIANT: nothing panics while holding the trap")
    }

    fn is_armed_at(&self, point: Point) -> bool {
        self.state().armed.as_ref().is_some_and(|armed| armed.point == point)
    }

    /// Counts a point, and returns what is to happen there.
    fn passed(&self, point: Point) -> Option<Deed> {
        let mut state = self.state();
        let State { counts, armed, .. } = &mut *state;
        let count = counts.count(point);
        count.passed += 1;
        let armed_here = armed.as_mut().filter(|armed| armed.point == point)?;
        if armed_here.skips > 0 {
            armed_here.skips -= 1;
            return None;
        }
        let deed = armed_here.deed;
        *armed = None;
        count.struck += 1;
        if deed == Deed::Fail {
            state.failed_at = Some(point);
        }
        state.sprung = Some(Sprung { point, deed });
        Some(deed)
    }
}

impl Hook for Trap {
    fn pass(&self, point: Point) -> Told {
        if self.is_dead() {
            return Told::Wait(Box::pin(std::future::pending()));
        }
        if point == Point::LogBatchBeforeSync && self.is_armed_at(Point::LogBatchSynced) {
            self.disk.begins_sync(&self.folder);
        }
        match self.passed(point) {
            Some(Deed::Fail) => Told::Fail,
            Some(Deed::Hold(ms)) if point.kind() == Kind::Waits => {
                // Only this task waits: the simulation has nothing to see to.
                self.state().sprung = None;
                Told::Wait(Box::pin(crate::time::pass(Duration::from_millis(ms))))
            }
            None | Some(Deed::Hold(_)) => Told::Nothing,
            Some(Deed::Die) => {
                self.die();
                if point == Point::LogBatchSynced {
                    self.disk.tear_sync(&self.folder);
                }
                Told::Wait(Box::pin(std::future::pending()))
            }
        }
    }
}
