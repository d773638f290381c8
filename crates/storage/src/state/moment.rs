//! Which changes were made by a point in time.
//!
//! Change records carry the time at which they were made, by the leader's clock then, and it never decreases from one to the
//! next. So those that were made by a time are the first ones, and the last of them is found by halves.

use portcullis_machine::Change;
use portcullis_model::{Revision, Timestamp};

use super::keys::Family;
use super::reader::Reader;
use super::reads::{Reads, StoreError};
use super::row;

/// A point in time among the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The last change that was made by then; 0 if none was.
    pub last: Revision,
    /// Whether a later one was made after it, so that none can come any more that was made by then.
    pub is_over: bool,
}

impl Reader {
    /// Where a time lies among the changes up to `upto`. Nothing behind what is published may be shown to anybody, so `upto` must
    /// not be either. Blocks on the disk.
    pub fn moment(&self, time: Timestamp, upto: Revision) -> Result<Moment, StoreError> {
        let reads = self.reads();
        // INVARIANT: what was made by then lies behind `low` only up to `high`, and nothing behind `high` was.
        let (mut low, mut high) = (0, upto.0);
        while low < high {
            let middle = low.midpoint(high);
            match next(&reads, Revision(middle), upto)? {
                Some(change) if change.at <= time => low = change.revision.0,
                Some(_) | None => high = middle,
            }
        }
        let is_over = next(&reads, Revision(high), upto)?.is_some();
        Ok(Moment { last: Revision(high), is_over })
    }

    /// The first change that the state can be read at, and when it was made. `None` before anything was written. Blocks on the
    /// disk.
    pub fn history_begins(&self) -> Result<Option<(Revision, Timestamp)>, StoreError> {
        let reads = self.reads();
        let floor: Revision = reads.get(&reads.keys.history_floor())?.unwrap_or_default();
        let first = next(&reads, Revision(floor.0.saturating_sub(1)), Revision(u64::MAX))?;
        Ok(first.map(|change| (change.revision, change.at)))
    }
}

/// The first change behind a revision.
fn next(reads: &Reads, after: Revision, upto: Revision) -> Result<Option<Change>, StoreError> {
    let mut rows = reads.rows_after(&reads.keys.global(Family::Change), Some(&after.0.to_be_bytes()));
    let Some(row) = rows.next() else { return Ok(None) };
    let (key, value) = row?;
    let change: Change = row::decode(&value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })?;
    Ok(Some(change).filter(|change| change.revision <= upto))
}
