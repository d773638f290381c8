//! Reading the change records in order, a piece at a time.
//!
//! Records are never removed, and a snapshot brings all of them, so what lies between two revisions is the same in every copy
//! and at any time.

use portcullis_machine::Change;
use portcullis_model::Revision;

use super::keys::Family;
use super::reader::Reader;
use super::reads::StoreError;
use super::row;

/// How much is read in one go.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// This many records.
    pub records: usize,
    /// Records of about this many bytes, as they are stored; one record always fits.
    pub bytes: usize,
}

/// A record, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record.
    pub change: Change,
    /// How many bytes it takes as it is stored.
    pub bytes: usize,
}

/// Some records, without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// In the order of the log.
    pub records: Vec<Record>,
    /// No more were made up to here.
    pub reached: Revision,
}

impl Reader {
    /// The records behind `after`, up to `upto` or as many as are good for one go. Nothing behind what is published may be
    /// shown to anybody, so `upto` must not be either. Blocks on the disk.
    pub fn changes(&self, after: Revision, upto: Revision, most: Most) -> Result<Records, StoreError> {
        let reads = self.reads();
        let last = reads.keys.change(upto);
        let (mut records, mut bytes): (Vec<Record>, usize) = (Vec::new(), 0);
        for row in reads.rows_after(&reads.keys.global(Family::Change), Some(&after.0.to_be_bytes())) {
            let (key, value) = row?;
            if *key > *last.as_bytes() {
                break;
            }
            bytes += value.len();
            if let Some(before) = records.last()
                && (records.len() == most.records || bytes > most.bytes)
            {
                let reached = before.change.revision;
                return Ok(Records { records, reached });
            }
            let change = row::decode(&value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })?;
            records.push(Record { change, bytes: value.len() });
        }
        Ok(Records { records, reached: upto })
    }
}
