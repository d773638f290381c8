//! openraft's log store over ours. What happens to the log is told to the leases before anybody else hears of it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, alias};
use portcullis_fault::Point;
use portcullis_storage::log;
use tokio::sync::oneshot;

use crate::convert::{self, log_id, position, vote, wire_vote};
use crate::leases::Leases;
use crate::peer::{Position, WireVote};
use crate::types::{Entry, LogId, Proposal, Types, Vote};

/// How many bytes of entries are read for one message to a follower; one entry always is.
const READ_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The log store of a group, and its own reader. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: log::Log,
    leases: Arc<Leases>,
}

impl LogStore {
    pub(crate) fn new(log: log::Log, leases: Arc<Leases>) -> Self {
        Self { log, leases }
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
        self.leases.points.wait(Point::VoteBeforeSave).await;
        flushed(|done| self.log.save_vote(vote, done)).await?;
        self.leases.points.wait(Point::VoteSaved).await;
        self.leases.voted(term);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(committed) = committed {
            self.leases.committed(leased(stored_id(&committed)));
        }
        Ok(())
    }

    /// Nothing: what was committed is applied once it is known to be visible, and that a leader has to say.
    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(None)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (mut registered, mut awaited) = (Vec::new(), Vec::new());
        let stored = |entry: Entry| {
            let id = stored_id(&entry.log_id());
            registered.extend((id.index > 0).then(|| (leased(id), command(&entry))));
            if let EntryPayload::Normal(Proposal { appended: Some(appended), .. }) = &entry.payload {
                awaited.push((Arc::clone(appended), leased(id)));
            }
            log::Entry { id, payload: convert::payload(&entry).into() }
        };
        let entries = entries.into_iter().map(stored).collect();
        // Consensus asks for votes and entries in the order in which it has decided on them: this vote is the one under which
        // it takes these entries, and any newer one comes to disk behind them.
        let vote = self.log.vote().filter(|vote| vote.committed);
        let leader = vote.map(|vote| vote.node);
        self.leases.appended(&registered, leader);
        for (appended, entry) in awaited {
            // An entry is appended once where it was proposed.
            let _ = appended.set(entry);
        }
        self.leases.points.wait(Point::LogAppendRegistered).await;
        let last = registered.last().map(|(last, _)| *last);
        let leases = Arc::clone(&self.leases);
        let flushed = move |written: io::Result<()>| {
            let stored = last.filter(|_| written.is_ok());
            leases.points.pass(Point::LogAppendBeforeCallback);
            callback.io_completed(written);
            leases.points.pass(Point::LogAppendCalledBack);
            if let (Some(last), Some(vote)) = (stored, vote) {
                leases.stored(last, vote.term, vote.node);
            }
        };
        self.log.append(entries, Box::new(flushed));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let index = last.map(|last| last.index);
        self.leases.truncated_after(index.unwrap_or(0));
        self.leases.points.wait(Point::LogTruncateBefore).await;
        flushed(|done| self.log.truncate_after(index, done)).await?;
        self.leases.points.wait(Point::LogTruncateDone).await;
        Ok(())
    }

    async fn purge(&mut self, id: LogId) -> io::Result<()> {
        let id = stored_id(&id);
        self.leases.purged(leased(id));
        self.leases.points.wait(Point::LogPurgeBefore).await;
        flushed(|done| self.log.purge(id, done)).await?;
        self.leases.points.wait(Point::LogPurgeDone).await;
        Ok(())
    }
}

/// Asks for an operation and waits until it is on disk.
async fn flushed(ask: impl FnOnce(log::Done)) -> io::Result<()> {
    let (sender, done) = oneshot::channel();
    // Whoever stopped waiting needs no answer.
    ask(Box::new(move |written| drop(sender.send(written))));
    done.await.map_err(|_| io::Error::other("the log writer has stopped"))?
}

/// The first entry of a log makes the first member and changes nothing else; for leases the log begins behind it.
pub(crate) fn leased(id: log::LogId) -> portcullis_lease::Position {
    portcullis_lease::Position::new(id.term, id.index)
}

/// The command of an entry, if it holds one.
fn command(entry: &Entry) -> Option<Bytes> {
    match &entry.payload {
        EntryPayload::Normal(proposal) => Some(proposal.command.clone()),
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    }
}

/// The entries behind `applied`, as leases begin with them.
pub(crate) fn registered(log: &log::Log, applied: u64) -> io::Result<Vec<(portcullis_lease::Position, Option<Bytes>)>> {
    let behind = log.entries(applied + 1..u64::MAX)?;
    let registered = behind.into_iter().map(|stored| {
        let entry = convert::entry(stored_position(stored.id), &stored.payload).map_err(io::Error::other)?;
        Ok((leased(stored.id), command(&entry)))
    });
    registered.collect()
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
