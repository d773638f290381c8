//! What entries will come to that may not be applied yet.
//!
//! An entry that is committed is decided by what came before it, whoever may see it. Foresight decides it on rows of its
//! own, over the rows of the copy, and shows them to nobody.
//!
//! INVARIANT: the rows of its own hold everything that the entries up to `at` change. So what they do not hold is in the
//! copy as it was, also while the copy takes these entries in; but not once it takes in later ones.

use std::sync::Arc;

use portcullis_machine::{Applied, Envelope};
use portcullis_model::Revision;

use super::batch::Batch;
use super::keys::Family;
use super::reader::Reader;
use super::reads::{Reads, StoreError};
use super::store::ApplyError;
use super::sum::Sum;

/// The state as it will be after some entries.
pub struct Foresight {
    reader: Reader,
    reads: Reads,
    /// The last entry that is included.
    at: u64,
}

impl Foresight {
    /// The state as it is.
    pub fn begin(reader: &Reader) -> Result<Self, StoreError> {
        let stored = reader.reads();
        let mut foresight = Self { reader: reader.clone(), reads: stored.owned(None), at: 0 };
        foresight.at = foresight.stored_at()?;
        Ok(foresight)
    }

    /// The last entry that is included.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether it says more than the copy does. Once it does not, it must not decide any more, and nobody needs it.
    pub fn is_ahead(&self) -> Result<bool, StoreError> {
        Ok(Arc::ptr_eq(&self.reads.db, &self.reader.reads().db) && self.stored_at()? < self.at)
    }

    /// Decides the entry after the last one. `None` if the copy has come to include it meanwhile: then it is decided there.
    ///
    /// # Panics
    ///
    /// When the entry is not the next one.
    pub fn decide(&mut self, index: u64, envelope: Envelope) -> Result<Option<Applied>, ApplyError> {
        assert_eq!(index, self.at + 1, "INVARIANT: entries are decided in order");
        let applied = portcullis_machine::apply(&self.reads, Revision(index), envelope)?;
        let mut batch = Batch::new(&mut self.reads, Revision(index), Sum::default());
        batch.change(&applied.change)?;
        batch.finish();
        self.at = index;
        // Only now is it known what all of this was read from.
        Ok((self.stored_at()? < index).then_some(applied))
    }

    /// Moves past an entry that decides nothing.
    pub fn skip(&mut self, index: u64) {
        assert_eq!(index, self.at + 1, "INVARIANT: entries are decided in order");
        self.at = index;
    }

    /// The last entry that the copy includes, or is about to.
    fn stored_at(&self) -> Result<u64, StoreError> {
        let key = self.reads.keys.global(Family::Meta).text("applied");
        let stored: Option<(u64, u64)> = Reads::stored(Arc::clone(&self.reads.db), self.reads.keys).get(&key)?;
        Ok(stored.map_or(0, |(_, index)| index))
    }
}
