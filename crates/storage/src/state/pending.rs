//! Rows that were decided and are not in RocksDB yet.
//!
//! All entries that are applied together become one batch: a row that each of them replaces, such as the state hash, is
//! written once, and what one of them wrote is read by the next without touching RocksDB. Whoever decides reads through
//! what is pending; readers see RocksDB alone, so a batch is written before its version is published.
//!
//! INVARIANT: what is written holds whole entries, and the position of the last one with them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use rocksdb::WriteBatch;

use super::keys::Key;
use super::reads::{RawRow, StoreError};

/// What memory says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    /// It is this.
    Row(T),
    /// There is none.
    Absent,
    /// Nothing.
    Unknown,
}

/// What is pending.
#[derive(Default)]
pub(super) struct Pending {
    /// `None` is a row that goes.
    rows: BTreeMap<Key, Option<Vec<u8>>>,
    /// The beginnings of keys whose stored rows go, before any of `rows` is written.
    dropped: Vec<Key>,
    bytes: usize,
}

impl Pending {
    /// What a row will be.
    pub(super) fn get(&self, key: &Key) -> Known<&[u8]> {
        match self.rows.get(key) {
            Some(Some(value)) => Known::Row(value),
            Some(None) => Known::Absent,
            None if self.drops(key.as_bytes()) => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// Writes a row, or removes it.
    pub(super) fn put(&mut self, key: Key, value: Option<Vec<u8>>) {
        let bytes = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        self.bytes += key.as_bytes().len() + bytes(&value);
        if let Some(old) = self.rows.insert(key, value) {
            self.bytes -= bytes(&old);
        }
    }

    /// Removes all rows whose keys begin so.
    pub(super) fn drop_all(&mut self, beginning: Key) {
        self.rows.retain(|key, _| !key.begins_with(&beginning));
        self.dropped.push(beginning);
    }

    /// About how many bytes are pending.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.rows.iter().map(|(key, value)| (key, value.as_deref()))
    }

    pub(super) fn dropped(&self) -> &[Key] {
        &self.dropped
    }

    /// Everything that is pending, in one batch.
    pub(super) fn batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for beginning in &self.dropped {
            batch.delete_range(beginning.as_bytes(), &beginning.end_of_prefix());
        }
        for (key, value) in &self.rows {
            match value {
                Some(value) => batch.put(key.as_bytes(), value),
                None => batch.delete(key.as_bytes()),
            }
        }
        batch
    }

    fn drops(&self, key: &[u8]) -> bool {
        self.dropped.iter().any(|beginning| key.starts_with(beginning.as_bytes()))
    }
}

/// The rows from `first` up to `end`, in order: what is pending laid over what is stored.
pub(super) fn merged<'a, I>(
    pending: Option<&'a Pending>,
    stored: I,
    first: &[u8],
    end: &[u8],
) -> impl Iterator<Item = Result<RawRow, StoreError>> + use<'a, I>
where
    I: Iterator<Item = Result<RawRow, StoreError>>,
{
    let range = (Bound::Included(first), Bound::Excluded(end));
    let mut rows = pending.map(|pending| pending.rows.range::<[u8], _>(range)).into_iter().flatten().peekable();
    let mut stored = stored.peekable();
    std::iter::from_fn(move || {
        loop {
            let order = match (stored.peek(), rows.peek()) {
                (Some(Err(_)), _) => return stored.next(),
                (None, None) => return None,
                (Some(Ok(_)), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((stored, _))), Some((pending, _))) => (**stored).cmp(pending.as_bytes()),
            };
            if order.is_lt() {
                match stored.next() {
                    Some(Ok((key, _))) if pending.is_some_and(|pending| pending.drops(&key)) => continue,
                    row => return row,
                }
            }
            if order.is_eq() {
                stored.next();
            }
            if let Some((key, Some(value))) = rows.next() {
                return Some(Ok((key.as_bytes().into(), value.as_slice().into())));
            }
        }
    })
}
