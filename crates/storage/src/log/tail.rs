//! The end of the log, in memory.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Bounds, Entry, LogId};

/// The entries that were written last, and the ends of the log.
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    bounds: Bounds,
    /// Where the log begins if nothing was purged: at the first entry that it was ever given, which is 0 outside tests.
    begin: u64,
    /// Entries up to here are on disk and may leave memory.
    flushed: Option<u64>,
}

impl Tail {
    pub(super) fn new(bounds: Bounds, bytes_max: usize) -> Self {
        let flushed = bounds.last.map(|last| last.index);
        Self { entries: VecDeque::new(), bytes: 0, bytes_max, bounds, begin: 0, flushed }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let next = self.bounds.last.map_or(entry.id.index, |last| last.index + 1);
        if self.bounds.last.is_none() {
            self.begin = next;
        }
        assert!(entry.id.index == next, "INVARIANT: entry {:?} does not follow, the next is {next}", entry.id);
        self.bounds.last = Some(entry.id);
        self.bytes += entry.payload.len();
        self.entries.push_back(entry);
    }

    /// The position of the entry at `index`, if it is in memory.
    pub(super) fn id(&self, index: u64) -> Option<LogId> {
        let offset = usize::try_from(index.checked_sub(self.entries.front()?.id.index)?).ok()?;
        self.entries.get(offset).map(|entry| entry.id)
    }

    /// Removes entries from `index` on, after which `last` is the last one.
    pub(super) fn truncate_from(&mut self, index: u64, last: Option<LogId>) {
        while self.entries.back().is_some_and(|entry| entry.id.index >= index) {
            let gone = self.entries.pop_back().expect("INVARIANT: the entry was just seen");
            self.bytes -= gone.payload.len();
        }
        self.bounds.last = last;
        self.flushed = self.flushed.and_then(|flushed| Some(flushed.min(index.checked_sub(1)?)));
    }

    /// Removes entries up to `id`; one that was purged before changes nothing.
    pub(super) fn purge(&mut self, id: LogId) {
        if self.bounds.purged.is_some_and(|purged| purged.index >= id.index) {
            return;
        }
        while self.entries.front().is_some_and(|entry| entry.id.index <= id.index) {
            let gone = self.entries.pop_front().expect("INVARIANT: the entry was just seen");
            self.bytes -= gone.payload.len();
        }
        self.bounds.purged = Some(id);
        if self.bounds.last.is_none_or(|last| last.index <= id.index) {
            self.bounds.last = Some(id);
        }
    }

    /// Lets entries up to `id` leave memory, as far as there are too many. An entry that was truncated meanwhile is on
    /// disk too, but that says nothing of what came in its place.
    pub(super) fn flushed(&mut self, id: LogId) {
        if self.id(id.index) == Some(id) {
            self.flushed = self.flushed.max(Some(id.index));
        }
        while self.bytes > self.bytes_max
            && let Some(first) = self.entries.front()
            && self.flushed.is_some_and(|flushed| first.id.index <= flushed)
        {
            self.bytes -= first.payload.len();
            self.entries.pop_front();
        }
    }

    /// The entries of a range that are in memory, and the part before them that is on disk only.
    pub(super) fn read(&self, range: Range<u64>) -> (Vec<Entry>, Range<u64>) {
        let begin = self.bounds.purged.map_or(self.begin, |purged| purged.index + 1).max(range.start);
        let end = self.bounds.last.map_or(0, |last| last.index + 1).min(range.end);
        let in_memory = self.entries.front().map_or(end, |first| first.id.index).min(end);
        let from = begin.max(in_memory);
        let entries = match self.entries.front() {
            Some(first) if from < end => {
                let offset = usize::try_from(from - first.id.index).expect("INVARIANT: the tail fits into memory");
                let count = usize::try_from(end - from).expect("INVARIANT: the tail fits into memory");
                self.entries.iter().skip(offset).take(count).cloned().collect()
            }
            _ => Vec::new(),
        };
        (entries, begin..in_memory.max(begin))
    }
}
