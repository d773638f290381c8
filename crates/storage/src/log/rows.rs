//! Entries, votes and marks as rows of RocksDB, each with a checksum of its own.
//!
//! A value is `[version][CRC-32C of key and payload][payload]`, so a row that was damaged, or that stands under
//! another key than it was written for, is found when it is read.
//!
//! An entry also carries the term of the one before it. A term and a place name one entry and all that came before, so
//! a log of whole rows in which these links fit is the log that its last entry belongs to, and not a mixture of two.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch};

use super::{Entry, LogId, Vote};

const VERSION: u8 = 1;
const ENTRY: u8 = 0x01;
const MARK: u8 = 0x02;
const HEAD_BYTES: usize = 1 + 4;
const INDEX_BYTES: usize = 8;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// RocksDB says so.
    #[error("the log store failed")]
    RocksDb(#[from] rocksdb::Error),
    /// A newer build wrote it.
    #[error("the row `{row}` has format version {found}, and this build knows version {VERSION}: upgrade the binary")]
    Version {
        /// Which row.
        row: String,
        /// The version that was found.
        found: u8,
    },
    /// It does not hold what was written.
    #[error("the row `{row}` is damaged")]
    Damaged {
        /// Which row.
        row: String,
    },
    /// Some of the rows are not there.
    #[error("of the entries from {} to {} some are missing", range.start, range.end - 1)]
    Missing {
        /// The places that they should have.
        range: Range<u64>,
    },
}

/// The marks: single values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Vote,
    Purged,
    Incarnation,
}

impl Mark {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Vote => b"vote",
            Self::Purged => b"purged",
            Self::Incarnation => b"incarnation",
        }
    }
}

/// The rows of one group.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) db: Arc<DB>,
    pub(super) group: u32,
}

impl Rows {
    pub(super) fn entry_key(&self, index: u64) -> Vec<u8> {
        let mut key = self.key(ENTRY);
        key.extend_from_slice(&index.to_be_bytes());
        key
    }

    /// Writes an entry, and the term of the one before it.
    pub(super) fn put_entry(&self, batch: &mut WriteBatch, entry: &Entry, previous: Option<LogId>) {
        let key = self.entry_key(entry.id.index);
        let mut payload = entry.id.term.to_be_bytes().to_vec();
        payload.extend_from_slice(&term(previous).to_be_bytes());
        payload.extend_from_slice(&entry.payload);
        batch.put(&key, frame(&key, &payload));
    }

    pub(super) fn delete_entries(&self, batch: &mut WriteBatch, range: Range<u64>) {
        if !range.is_empty() {
            batch.delete_range(self.entry_key(range.start), self.entry_key(range.end));
        }
    }

    pub(super) fn entry(&self, index: u64) -> Result<Option<Entry>, RowError> {
        let key = self.entry_key(index);
        self.db.get(&key)?.map(|value| Ok(entry(&key, &value)?.0)).transpose()
    }

    /// The entries of a range, in order.
    pub(super) fn entries(&self, range: Range<u64>) -> Result<Vec<Entry>, RowError> {
        let mut entries = Vec::new();
        self.scan(range, |entry, _| {
            entries.push(entry);
            Ok::<(), RowError>(())
        })?;
        Ok(entries)
    }

    /// Shows `visit` the entries of a range, in order, each with the term of the one before it as it was written.
    pub(super) fn scan<E: From<RowError>>(
        &self,
        range: Range<u64>,
        mut visit: impl FnMut(Entry, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        options.set_iterate_upper_bound(self.entry_key(range.end));
        let from = self.entry_key(range.start);
        for row in self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options) {
            let (key, value) = row.map_err(RowError::from)?;
            let (entry, previous_term) = entry(&key, &value)?;
            visit(entry, previous_term)?;
        }
        Ok(())
    }

    /// Whether nothing was ever written.
    pub(super) fn is_empty(&self) -> Result<bool, RowError> {
        Ok(self.db.iterator(IteratorMode::Start).next().transpose()?.is_none())
    }

    pub(super) fn put_vote(&self, batch: &mut WriteBatch, vote: Vote) {
        let mut payload = vote.term.to_be_bytes().to_vec();
        payload.extend_from_slice(&vote.node.to_be_bytes());
        payload.push(u8::from(vote.committed));
        self.put_mark(batch, Mark::Vote, &payload);
    }

    pub(super) fn vote(&self) -> Result<Option<Vote>, RowError> {
        let Some(payload) = self.mark(Mark::Vote)? else { return Ok(None) };
        let damaged = || RowError::Damaged { row: "vote".to_owned() };
        let (term, rest) = payload.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (node, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let committed = match rest {
            [0] => false,
            [1] => true,
            _ => return Err(damaged()),
        };
        Ok(Some(Vote { term: u64::from_be_bytes(*term), node: u64::from_be_bytes(*node), committed }))
    }

    pub(super) fn put_id(&self, batch: &mut WriteBatch, mark: Mark, id: LogId) {
        let mut payload = id.term.to_be_bytes().to_vec();
        payload.extend_from_slice(&id.index.to_be_bytes());
        self.put_mark(batch, mark, &payload);
    }

    pub(super) fn id(&self, mark: Mark) -> Result<Option<LogId>, RowError> {
        let Some(payload) = self.mark(mark)? else { return Ok(None) };
        let damaged = || RowError::Damaged { row: String::from_utf8_lossy(mark.name()).into_owned() };
        let (term, index) = payload.split_first_chunk::<8>().ok_or_else(damaged)?;
        let index = <[u8; 8]>::try_from(index).map_err(|_| damaged())?;
        Ok(Some(LogId { term: u64::from_be_bytes(*term), index: u64::from_be_bytes(index) }))
    }

    pub(super) fn put_number(&self, batch: &mut WriteBatch, mark: Mark, number: u64) {
        self.put_mark(batch, mark, &number.to_be_bytes());
    }

    pub(super) fn number(&self, mark: Mark) -> Result<Option<u64>, RowError> {
        let Some(payload) = self.mark(mark)? else { return Ok(None) };
        let damaged = |_| RowError::Damaged { row: String::from_utf8_lossy(mark.name()).into_owned() };
        Ok(Some(u64::from_be_bytes(payload.as_slice().try_into().map_err(damaged)?)))
    }

    fn put_mark(&self, batch: &mut WriteBatch, mark: Mark, payload: &[u8]) {
        let key = self.mark_key(mark);
        batch.put(&key, frame(&key, payload));
    }

    fn mark(&self, mark: Mark) -> Result<Option<Vec<u8>>, RowError> {
        let key = self.mark_key(mark);
        self.db.get(&key)?.map(|value| unframe(&key, &value).map(<[u8]>::to_vec)).transpose()
    }

    fn mark_key(&self, mark: Mark) -> Vec<u8> {
        let mut key = self.key(MARK);
        key.extend_from_slice(mark.name());
        key
    }

    fn key(&self, family: u8) -> Vec<u8> {
        let mut key = self.group.to_be_bytes().to_vec();
        key.push(family);
        key
    }
}

/// The term of an entry, as the one behind it writes it.
pub(super) fn term(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.term)
}

fn entry(key: &[u8], value: &[u8]) -> Result<(Entry, u64), RowError> {
    let damaged = || RowError::Damaged { row: key.escape_ascii().to_string() };
    let payload = unframe(key, value)?;
    let (term, payload) = payload.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (previous_term, payload) = payload.split_first_chunk::<8>().ok_or_else(damaged)?;
    let index = key.last_chunk::<INDEX_BYTES>().ok_or_else(damaged)?;
    let id = LogId { term: u64::from_be_bytes(*term), index: u64::from_be_bytes(*index) };
    Ok((Entry { id, payload: Bytes::copy_from_slice(payload) }, u64::from_be_bytes(*previous_term)))
}

fn frame(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), payload);
    let mut value = Vec::with_capacity(HEAD_BYTES + payload.len());
    value.push(VERSION);
    value.extend_from_slice(&checksum.to_be_bytes());
    value.extend_from_slice(payload);
    value
}

fn unframe<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], RowError> {
    let row = || key.escape_ascii().to_string();
    let damaged = || RowError::Damaged { row: row() };
    let (version, rest) = value.split_first().ok_or_else(damaged)?;
    let (checksum, payload) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let expected = crc32c::crc32c_append(crc32c::crc32c(key), payload);
    match (*version, u32::from_be_bytes(*checksum) == expected) {
        (VERSION, true) => Ok(payload),
        // The version byte is outside the checksum so that a newer layout can be told from damage.
        (found, true) => Err(RowError::Version { row: row(), found }),
        (_, false) => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_frozen() {
        let key = [0, 0, 0, 1, ENTRY, 0, 0, 0, 0, 0, 0, 0, 7];
        let value = frame(&key, b"payload");
        assert_eq!(value, [&[1, 0xa4, 0xa9, 0x81, 0x86], b"payload".as_slice()].concat());
        assert_eq!(unframe(&key, &value).unwrap(), b"payload");
    }

    #[test]
    fn rows_are_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let rows = Rows { db: Arc::new(DB::open_default(folder.path()).unwrap()), group: 1 };
        let mut batch = WriteBatch::default();
        let entry = Entry { id: LogId { term: 3, index: 9 }, payload: Bytes::from_static(b"payload") };
        rows.put_entry(&mut batch, &entry, Some(LogId { term: 2, index: 8 }));
        rows.put_vote(&mut batch, Vote { term: 4, node: 5, committed: true });
        rows.put_id(&mut batch, Mark::Purged, entry.id);
        rows.put_number(&mut batch, Mark::Incarnation, 6);
        rows.db.write(batch).unwrap();
        let mut frozen = crate::frozen::Frozen::new(include_str!("../../frozen/log-v1.txt"));
        for (name, row) in ["Entry", "Incarnation", "Purged", "Vote"].iter().zip(rows.db.iterator(IteratorMode::Start))
        {
            let (key, value) = row.unwrap();
            frozen.bytes(&format!("{name}/key"), &key);
            frozen.bytes(&format!("{name}/value"), &value);
        }
        frozen.finish();
        assert_eq!(rows.entry(9).unwrap(), Some(entry));
    }

    #[test]
    fn damage_and_newer_versions_are_told_apart() {
        let value = frame(b"key", b"payload");
        for at in 1..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 1;
            assert!(matches!(unframe(b"key", &flipped), Err(RowError::Damaged { .. })), "byte {at}");
        }
        assert!(matches!(unframe(b"yek", &value), Err(RowError::Damaged { .. })));
        let mut newer = value;
        newer[0] = 2;
        assert!(matches!(unframe(b"key", &newer), Err(RowError::Version { found: 2, .. })));
        assert!(unframe(b"key", &[]).is_err());
    }
}
