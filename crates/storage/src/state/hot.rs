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

/// How many bytes of rows are kept; what comes then is not.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Rows by key; a row that is known not to exist has no value.
#[derive(Default)]
pub(super) struct Hot {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    by_key: HashMap<Key, Option<Vec<u8>>, FixedState>,
    bytes: usize,
}

impl Hot {
    /// What RocksDB has of a row.
    pub(super) fn get(&self, key: &Key) -> Known<Vec<u8>> {
        match self.lock().by_key.get(key) {
            Some(Some(value)) => Known::Row(value.clone()),
            Some(None) => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// Notes what was read.
    pub(super) fn put(&self, key: &Key, value: Option<&[u8]>) {
        self.lock().put(key, value);
    }

    /// Follows a batch that was written. Only what every command reads stays.
    pub(super) fn settle(&self, written: &Pending) {
        let mut rows = self.lock();
        rows.retain(|key| is_read_by_all(key) && !written.dropped().iter().any(|gone| key.begins_with(gone)));
        for (key, value) in written.rows().filter(|(key, _)| is_read_by_all(key)) {
            rows.put(key, value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().expect("INVARIANT: nothing panics while holding the rows")
    }
}

impl Rows {
    fn put(&mut self, key: &Key, value: Option<&[u8]>) {
        let bytes = |value: Option<&[u8]>| key.as_bytes().len() + value.map_or(0, <[u8]>::len);
        if let Some(old) = self.by_key.remove(key) {
            self.bytes -= bytes(old.as_deref());
        }
        if self.bytes + bytes(value) <= BYTES_MAX {
            self.bytes += bytes(value);
            self.by_key.insert(key.clone(), value.map(<[u8]>::to_vec));
        }
    }

    fn retain(&mut self, stays: impl Fn(&Key) -> bool) {
        let Self { by_key, bytes } = self;
        by_key.retain(|key, value| {
            let stays = stays(key);
            if !stays {
                *bytes -= key.as_bytes().len() + value.as_ref().map_or(0, Vec::len);
            }
            stays
        });
    }
}

/// Whether a row is one of the few that commands read whatever they are about.
fn is_read_by_all(key: &Key) -> bool {
    matches!(Family::of(key.as_bytes()), Some(Family::Cluster | Family::Tenant | Family::Role | Family::Totals))
}
