//! Writing in turns that somebody else gives, in place of a thread: what is on disk when is then decided by the giver, which
//! is how a simulation says when a disk has synced, and what a crash loses.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::Done;
use super::writer::{Operation, Work, batch};

/// Who writes.
#[derive(Clone, Default)]
pub enum Writing {
    /// A thread of the log's own.
    #[default]
    Thread,
    /// Whoever takes the [`Turn`]s that this is called with. It must not take one before it returns.
    Turns(Arc<dyn Fn(Turn) + Send + Sync>),
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thread => "Thread",
            Self::Turns(_) => "Turns",
        })
    }
}

/// The right to write one batch: whatever has queued up when it is taken. There is one at a time. One that is dropped is
/// the end of all writing, as if the machine had died.
pub struct Turn(Arc<Turns>);

impl Turn {
    /// Writes the batch and tells those who wait for it.
    pub fn take(self) {
        let turns = &self.0;
        let operations = {
            let mut queue = turns.queue();
            let first = queue.operations.pop_front();
            first.map(|first| batch(first, || queue.operations.pop_front()))
        };
        let written = {
            let mut work = turns.work.lock().expect("INVARIANT: nothing panics while writing");
            work.carry_out(operations.unwrap_or_default())
        };
        for (done, written) in written {
            done(written);
        }
        let again = {
            let mut queue = turns.queue();
            queue.is_under_way = !queue.operations.is_empty();
            queue.is_under_way
        };
        if again {
            (turns.begin)(Self(Arc::clone(turns)));
        }
    }
}

/// What waits for its turn. It has no limit of its own, because whoever would have to wait for a place may be the one who
/// gives the turns.
pub(super) struct Turns {
    begin: Arc<dyn Fn(Turn) + Send + Sync>,
    queue: Mutex<Queue>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Queue {
    operations: VecDeque<(Operation, Done)>,
    /// Whether somebody has a turn.
    is_under_way: bool,
}

impl Turns {
    pub(super) fn new(work: Work, begin: Arc<dyn Fn(Turn) + Send + Sync>) -> Arc<Self> {
        Arc::new(Self { begin, queue: Mutex::default(), work: Mutex::new(work) })
    }

    pub(super) fn submit(self: &Arc<Self>, operation: Operation, done: Done) {
        let begins = {
            let mut queue = self.queue();
            queue.operations.push_back((operation, done));
            !std::mem::replace(&mut queue.is_under_way, true)
        };
        if begins {
            (self.begin)(Turn(Arc::clone(self)));
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().expect("INVARIANT: nothing panics while holding the queue")
    }
}
