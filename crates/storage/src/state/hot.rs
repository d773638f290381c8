//! Stored rows in memory: those that every command reads, and those that the entries at hand have read.
//!
//! A command reads most of its rows more than once: whether an id is new is asked when it is decided, and again when the
//! rows are written. Probing RocksDB costs microseconds each time, also for a row that does not exist.
//!
//! INVARIANT: what is here is what RocksDB holds. The owner of the store alone reads through it, and settles it with
//! every batch that it writes.

use std::collections::HashMap;
use std::sync::Mutex;

use foldhash::fast::FixedState;

use super::keys::{Family, Key};
use super::pending::{Known, Pending};

/// How many bytes of rows are kept of each kind; once there are more, all go, and what is read next comes again.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Rows by key.
#[derive(Default)]
pub(super) struct Hot {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// Rows that every command reads.
    lasting: Kept,
    /// Rows that were read since a batch was written.
    passing: Kept,
}

/// A row that is known not to exist has no value.
#[derive(Default)]
struct Kept {
    by_key: HashMap<Key, Option<Vec<u8>>, FixedState>,
    bytes: usize,
}

impl Hot {
    /// What RocksDB has of a row.
    pub(super) fn get(&self, key: &Key) -> Known<Vec<u8>> {
        match self.lock().of(key).by_key.get(key) {
            Some(Some(value)) => Known::Row(value.clone()),
            Some(None) => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// Notes what was read.
    pub(super) fn put(&self, key: &Key, value: Option<&[u8]>) {
        self.lock().of(key).put(key, value);
    }

    /// Follows a batch that was written.
    pub(super) fn settle(&self, written: &Pending) {
        let mut rows = self.lock();
        rows.passing = Kept::default();
        if !written.dropped().is_empty() {
            rows.lasting = Kept::default();
        }
        for (key, value) in written.rows().filter(|(key, _)| is_read_by_all(key)) {
            rows.lasting.put(key, value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().expect("INVARIANT: nothing panics while holding the rows")
    }
}

impl Rows {
    fn of(&mut self, key: &Key) -> &mut Kept {
        if is_read_by_all(key) { &mut self.lasting } else { &mut self.passing }
    }
}

impl Kept {
    fn put(&mut self, key: &Key, value: Option<&[u8]>) {
        let bytes = |value: Option<&[u8]>| key.as_bytes().len() + value.map_or(0, <[u8]>::len);
        if self.bytes + bytes(value) > BYTES_MAX {
            *self = Self::default();
        }
        self.bytes += bytes(value);
        if let Some(old) = self.by_key.insert(key.clone(), value.map(<[u8]>::to_vec)) {
            self.bytes -= bytes(old.as_deref());
        }
    }
}

/// Whether a row is one of the few that commands read whatever they are about.
fn is_read_by_all(key: &Key) -> bool {
    matches!(
        Family::of(key.as_bytes()),
        Some(Family::Cluster | Family::Tenant | Family::Role | Family::Schema | Family::Totals)
    )
}

#[cfg(test)]
mod tests {
    use portcullis_model::GroupId;

    use super::*;

    fn key(family: Family, name: &str) -> Key {
        Key::new(GroupId::FIRST, Some(&"t".parse().unwrap()), family).text(name)
    }

    fn row(value: &[u8]) -> Known<Vec<u8>> {
        Known::Row(value.to_vec())
    }

    #[test]
    fn a_batch_replaces_what_is_read_by_all_and_ends_the_rest() {
        let (hot, mut pending) = (Hot::default(), Pending::default());
        let (role, absent, grant) = (key(Family::Role, "r"), key(Family::Role, "s"), key(Family::Grant, "g"));
        for (key, value) in [(&role, Some(b"1".as_slice())), (&absent, None), (&grant, Some(b"2"))] {
            assert_eq!(hot.get(key), Known::Unknown);
            hot.put(key, value);
            assert_eq!(hot.get(key), value.map_or(Known::Absent, row));
        }
        pending.put(role.clone(), Some(b"3".to_vec()));
        pending.put(grant.clone(), Some(b"4".to_vec()));
        hot.settle(&pending);
        assert_eq!([&role, &absent, &grant].map(|key| hot.get(key)), [row(b"3"), Known::Absent, Known::Unknown]);
        let mut pending = Pending::default();
        pending.drop_all(Key::tenant(GroupId::FIRST, &"t".parse().unwrap()));
        pending.put(absent.clone(), Some(b"5".to_vec()));
        hot.settle(&pending);
        assert_eq!([&role, &absent].map(|key| hot.get(key)), [Known::Unknown, row(b"5")]);
    }

    #[test]
    fn there_are_never_too_many() {
        let hot = Hot::default();
        let large = vec![0; BYTES_MAX / 3];
        for name in ["a", "b", "c"] {
            hot.put(&key(Family::Role, name), Some(&large));
        }
        assert!(hot.lock().lasting.bytes <= BYTES_MAX);
        let known = |name| hot.get(&key(Family::Role, name)) != Known::Unknown;
        assert_eq!(["a", "b", "c"].map(known), [false, false, true]);
        hot.put(&key(Family::Role, "c"), None);
        assert_eq!(hot.lock().lasting.bytes, key(Family::Role, "c").as_bytes().len());
    }
}
