//! The database as it was at one moment.

use std::fmt;
use std::sync::Arc;

use rocksdb::{
    DB, DBIteratorWithThreadMode, DBPinnableSlice, DBRawIteratorWithThreadMode, IteratorMode, ReadOptions,
    SnapshotWithThreadMode,
};
use self_cell::self_cell;

use super::folder::Copy;
use super::keys::{Key, Keys};
use super::reads::StoreError;

type Frozen<'a> = SnapshotWithThreadMode<'a, DB>;

self_cell!(
    /// A database, and a frozen view of it.
    struct Held {
        owner: Arc<Copy>,
        #[covariant]
        dependent: Frozen,
    }
);

/// The database as it was at one moment, for as long as somebody holds it. What is written or compacted later changes
/// nothing here; the space that it would free stays taken meanwhile.
pub(crate) struct Still {
    held: Held,
    pub(super) keys: Keys,
}

impl Still {
    /// This moment.
    pub(super) fn now(copy: Arc<Copy>, keys: Keys) -> Self {
        Self { held: Held::new(copy, |copy| copy.snapshot()), keys }
    }

    /// A row.
    pub(super) fn get(&self, key: &Key) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        Ok(self.held.borrow_dependent().get_pinned(key.as_bytes())?)
    }

    /// Rows, one after the other.
    pub(super) fn iterate(&self, from: IteratorMode<'_>, options: ReadOptions) -> DBIteratorWithThreadMode<'_, DB> {
        self.held.borrow_dependent().iterator_opt(from, options)
    }

    /// All rows, to be sought in.
    pub(super) fn rows(&self) -> DBRawIteratorWithThreadMode<'_, DB> {
        self.held.borrow_dependent().raw_iterator()
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still").finish_non_exhaustive()
    }
}
