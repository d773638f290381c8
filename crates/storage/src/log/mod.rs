//! The log store: entries and votes that survive a power loss once they were acknowledged.
//!
//! RocksDB keeps the entries. One thread owns all writes: it takes whatever has queued up, makes one batch of it,
//! syncs it once, and answers in order, so that many small writes share the cost of one sync. What was written last is
//! also kept in memory, where replication and applying find it without touching the disk. A simulation gives [`Turn`]s in
//! place of the thread.
//!
//! RocksDB alone cannot tell a last record that was torn by a power loss from one that was damaged later, and drops
//! both without a word. So the position and the vote that were acknowledged last are kept in a file of their own,
//! [`acked`], and a log that does not reach them does not open.
//!
//! INVARIANT: the order is batch synced, then `ACKED` synced, then acknowledged. A batch that shortens the log lowers
//! `ACKED` before it. So whatever the moment of a crash, the log reaches at least what `ACKED` says, and what `ACKED`
//! says is at least what was acknowledged, unless something was damaged.

mod acked;
mod identity;
mod open;
mod rows;
mod tail;
mod turns;
mod writer;

use std::io;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use portcullis_fault::{Faults, Points};

pub use identity::{Adopter, Owner};
pub use open::OpenError;
pub use turns::{Turn, Writing};

use rows::{RowError, Rows};
use tail::Tail;
use writer::{Operation, Writer};

use crate::OPENING_THREADS;

/// The position of an entry: the term of the leader that made it, and its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term.
    pub term: u64,
    /// The place.
    pub index: u64,
}

/// An entry. What its payload means is the caller's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub id: LogId,
    /// What it holds.
    pub payload: Bytes,
}

/// A vote for a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The term.
    pub term: u64,
    /// Who is voted for.
    pub node: u64,
    /// Whether a majority has given it.
    pub committed: bool,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The last entry that was purged.
    pub purged: Option<LogId>,
    /// The last entry; that which was purged last if there is none left.
    pub last: Option<LogId>,
}

/// How a log store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much of the end of the log is kept in memory, in bytes. What is not yet on disk is kept beyond it.
    pub tail_bytes: usize,
    /// How much is written before it is merged into tables, in bytes.
    pub write_buffer_bytes: usize,
    /// How much of the disk is set aside for its journal, in bytes; as much as for the buffer, at the most.
    pub journal_bytes: u64,
    /// How many threads open its tables.
    pub opening_threads: u16,
    /// How many operations may wait for the thread that writes; whoever comes next waits for a place.
    pub queue_max: usize,
    /// Who writes.
    pub writing: Writing,
    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    pub faults: Faults,
    /// Who is told of the points that the store passes: nobody, outside of tests.
    pub points: Points,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tail_bytes: 64 * 1_024 * 1_024,
            write_buffer_bytes: 64 * 1_024 * 1_024,
            journal_bytes: u64::MAX,
            opening_threads: OPENING_THREADS,
            queue_max: 65_536,
            writing: Writing::Thread,
            faults: Faults::default(),
            points: Points::default(),
        }
    }
}

/// Called once an operation is on disk, or has failed.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A log store. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
}

/// What callers and the writer share.
struct Shared {
    rows: Rows,
    /// The log as callers see it: changed when an operation is asked for, not when it is on disk.
    view: RwLock<View>,
    incarnation: u64,
    pristine: bool,
    adopter: Adopter,
}

struct View {
    tail: Tail,
    vote: Option<Vote>,
}

impl Log {
    /// Appends entries. They can be read at once, and are on disk when `done` is called.
    ///
    /// # Panics
    ///
    /// When the entries do not follow the last one: the caller has lost its place.
    pub fn append(&self, entries: Vec<Entry>, done: Done) {
        {
            let mut view = self.view_mut();
            for entry in &entries {
                view.tail.push(entry.clone());
            }
        }
        self.writer.submit(Operation::Append(entries), done);
    }

    /// Replaces the vote. It is on disk when `done` is called.
    pub fn save_vote(&self, vote: Vote, done: Done) {
        self.view_mut().vote = Some(vote);
        self.writer.submit(Operation::Vote(vote), done);
    }

    /// Removes all entries behind `index`; `None` removes all. Where the new last entry cannot be read, nothing is
    /// removed, and `done` is called at once.
    pub fn truncate_after(&self, index: Option<u64>, done: Done) {
        let from = index.map_or(0, |index| index + 1);
        let truncated = {
            let mut view = self.view_mut();
            let end = view.tail.bounds().last.map_or(0, |last| last.index + 1);
            let kept = self.last_before(&view.tail, from);
            kept.map(|kept| {
                view.tail.truncate_from(from, kept);
                Operation::Truncate { range: from..end, kept }
            })
        };
        match truncated {
            Ok(operation) => self.writer.submit(operation, done),
            Err(error) => done(Err(io::Error::other(error))),
        }
    }

    /// Removes all entries up to and including `id`, also where the log does not reach that far.
    pub fn purge(&self, id: LogId, done: Done) {
        let (from, id) = {
            let mut view = self.view_mut();
            let from = view.tail.bounds().purged.map_or(0, |purged| purged.index + 1);
            view.tail.purge(id);
            (from, view.tail.bounds().purged.unwrap_or(id))
        };
        self.writer.submit(Operation::Purge { from, id }, done);
    }

    /// Reads entries. What lies beyond the ends of the log is left out.
    pub fn entries(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        loop {
            let (mut entries, missing) = self.view().tail.read(range.clone());
            if missing.is_empty() {
                return Ok(entries);
            }
            let mut older = self.shared.rows.entries(missing.clone()).map_err(io::Error::other)?;
            if older.iter().map(|entry| entry.id.index).eq(missing.clone()) {
                older.append(&mut entries);
                return Ok(older);
            }
            // They may have been purged or truncated between the two looks. If they were not, they are lost.
            if self.view().tail.read(range.clone()).1 == missing {
                return Err(io::Error::other(RowError::Missing { range: missing }));
            }
        }
    }

    /// Where the log begins and ends.
    pub fn bounds(&self) -> Bounds {
        self.view().tail.bounds()
    }

    /// The vote.
    pub fn vote(&self) -> Option<Vote> {
        self.view().vote
    }

    /// A number that rises with every opening of this store, and is never the same twice.
    pub fn incarnation(&self) -> u64 {
        self.shared.incarnation
    }

    /// Whether the store had neither entries nor a vote when it was opened: nothing was ever promised from it.
    pub fn is_pristine(&self) -> bool {
        self.shared.pristine
    }

    /// The cluster that the store belongs to, if any yet.
    pub fn cluster(&self) -> Option<[u8; 16]> {
        self.shared.adopter.cluster()
    }

    /// What makes the store one of a cluster.
    pub fn adopter(&self) -> Adopter {
        self.shared.adopter.clone()
    }

    /// The last entry before `index`, of which the term may have left memory with it.
    fn last_before(&self, tail: &Tail, index: u64) -> Result<Option<LogId>, RowError> {
        let Bounds { purged, last } = tail.bounds();
        if last.is_none_or(|last| last.index < index) {
            return Ok(last);
        }
        let Some(before) = index.checked_sub(1).filter(|before| purged.is_none_or(|purged| purged.index < *before))
        else {
            return Ok(purged);
        };
        if let Some(id) = tail.id(before) {
            return Ok(Some(id));
        }
        let entry = self.shared.rows.entry(before)?.ok_or(RowError::Missing { range: before..index })?;
        Ok(Some(entry.id))
    }

    fn view(&self) -> std::sync::RwLockReadGuard<'_, View> {
        self.shared.view.read().expect("INVARIANT: nothing panics while holding the view")
    }

    fn view_mut(&self) -> std::sync::RwLockWriteGuard<'_, View> {
        self.shared.view.write().expect("INVARIANT: nothing panics while holding the view")
    }
}

#[cfg(test)]
mod tests;
