//! openraft's log store over ours.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, alias};
use portcullis_storage::log;
use tokio::sync::oneshot;

use crate::convert::{self, log_id, position, vote, wire_vote};
use crate::peer::{Position, WireVote};
use crate::types::{Entry, LogId, Types, Vote};

/// How many bytes of entries are read for one message to a follower; one entry always is.
const READ_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The log store of a group, and its own reader. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: log::Log,
}

impl LogStore {
    pub(crate) fn new(log: log::Log) -> Self {
        Self { log }
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.log.entries(range)? {
            bytes += entry.payload.len();
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(convert::entry(stored_position(entry.id), &entry.payload).map_err(io::Error::other)?);
        }
        Ok(entries)
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.read(half_open(&range), usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, READ_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.log.vote().map(|stored| vote(loaded_vote(stored))))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let log::Bounds { purged, last } = self.log.bounds();
        Ok(LogState { last_purged_log_id: purged.map(loaded_id), last_log_id: last.map(loaded_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &alias::VoteOf<Types>) -> io::Result<()> {
        let WireVote { term, node, committed } = wire_vote(vote);
        let vote = log::Vote { term, node, committed };
        flushed(|done| self.log.save_vote(vote, done)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.log.save_committed(committed.as_ref().map(stored_id));
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.log.committed().map(loaded_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let stored =
            |entry: Entry| log::Entry { id: stored_id(&entry.log_id()), payload: convert::payload(&entry).into() };
        let entries = entries.into_iter().map(stored).collect();
        self.log.append(entries, Box::new(move |written| callback.io_completed(written)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let index = last.map(|last| last.index);
        flushed(|done| self.log.truncate_after(index, done)).await
    }

    async fn purge(&mut self, id: LogId) -> io::Result<()> {
        let id = stored_id(&id);
        flushed(|done| self.log.purge(id, done)).await
    }
}

/// Asks for an operation and waits until it is on disk.
async fn flushed(ask: impl FnOnce(log::Done)) -> io::Result<()> {
    let (sender, done) = oneshot::channel();
    // Whoever stopped waiting needs no answer.
    ask(Box::new(move |written| drop(sender.send(written))));
    done.await.map_err(|_| io::Error::other("the log writer has stopped"))?
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

pub(crate) fn stored_id(id: &LogId) -> log::LogId {
    let Position { term, index } = position(id);
    log::LogId { term, index }
}

pub(crate) fn loaded_id(id: log::LogId) -> LogId {
    log_id(stored_position(id))
}

fn stored_position(id: log::LogId) -> Position {
    Position { term: id.term, index: id.index }
}

fn loaded_vote(stored: log::Vote) -> WireVote {
    WireVote { term: stored.term, node: stored.node, committed: stored.committed }
}
