//! Snapshots: the whole state as of one entry, frozen, and sent to another node in pieces.
//!
//! A snapshot is a checkpoint of the database: hard links, so making one costs a flush and no copy. It is sent as its
//! rows, sorted by key and cut into pieces with a checksum each. A piece says behind which key it begins, so that
//! whoever was interrupted goes on where the receiver stopped. The receiver writes them into a database of its own and
//! believes them only when all rows together have the state hash that was announced.
//!
//! Rows that are about one copy alone ([`Family::Meta`]) are not sent; what they say is in the [`Header`].

use std::path::Path;
use std::sync::Arc;

use portcullis_model::Revision;
use rocksdb::{DB, Direction, IteratorMode, Options as RocksOptions, ReadOptions};
use serde::{Deserialize, Serialize};

use super::folder::Removal;
use super::keys::{Family, Key, Keys};
use super::open::Options;
use super::reads::StoreError;
use super::sum::Sum;
use crate::codec;
use crate::log::LogId;

/// Rows in one piece take about this many bytes; one row always fits.
const PIECE_BYTES: usize = 1_024 * 1_024;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The term and the place of the last entry that it includes; `None` before the first.
    pub applied: Option<(u64, u64)>,
    /// The membership as of that entry, in the form that the store was given.
    pub membership: Option<Vec<u8>>,
    /// The state hash, as [`Sum::to_bytes`].
    pub sum: [u8; 32],
}

impl Header {
    /// The last entry that the snapshot includes.
    pub fn applied(&self) -> Option<LogId> {
        self.applied.map(|(term, index)| LogId { term, index })
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |(_, index)| index))
    }
}

/// Some rows of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The key behind which the rows begin; `None` is the beginning.
    pub after: Option<Vec<u8>>,
    /// The rows, as [`codec`] writes a list of pairs.
    pub rows: Vec<u8>,
    /// The CRC-32C of the rows.
    pub checksum: u32,
    /// Whether these are the last rows.
    pub last: bool,
}

pub(super) type Row = (Vec<u8>, Vec<u8>);

impl Piece {
    fn new(after: Option<Vec<u8>>, rows: &[Row], last: bool) -> Self {
        let rows = codec::encode(&rows);
        Self { after, checksum: crc32c::crc32c(&rows), rows, last }
    }
}

/// A frozen copy. Cheap to clone; its folder goes with the last clone.
#[derive(Clone)]
pub struct Snapshot {
    header: Header,
    frozen: Arc<Frozen>,
}

struct Frozen {
    // The order counts: the database is closed before its folder goes.
    db: DB,
    keys: Keys,
    _folder: Removal,
}

impl Snapshot {
    /// Takes over a checkpoint.
    pub(super) fn open(header: Header, keys: Keys, path: &Path, options: &Options) -> Result<Self, StoreError> {
        let folder = Removal::new(path.to_owned(), true);
        let mut rocks = RocksOptions::default();
        rocks.set_max_file_opening_threads(options.opening_threads.into());
        let db = DB::open_for_read_only(&rocks, path, false)?;
        Ok(Self { header, frozen: Arc::new(Frozen { db, keys, _folder: folder }) })
    }

    /// What it is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The rows behind a key. Blocks on the disk.
    pub fn piece(&self, after: Option<Vec<u8>>) -> Result<Piece, StoreError> {
        let Frozen { db, keys, .. } = &*self.frozen;
        let group = Key::group(keys.group);
        let first = after.as_ref().map_or_else(|| group.as_bytes().to_vec(), |after| [after, &[0][..]].concat());
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        options.set_iterate_upper_bound(group.end_of_prefix());
        let meta = keys.global(Family::Meta);
        let (mut rows, mut bytes): (Vec<Row>, usize) = (Vec::new(), 0);
        for row in db.iterator_opt(IteratorMode::From(&first, Direction::Forward), options) {
            let (key, value) = row?;
            if key.starts_with(meta.as_bytes()) {
                continue;
            }
            bytes += key.len() + value.len();
            if bytes > PIECE_BYTES && !rows.is_empty() {
                return Ok(Piece::new(after, &rows, false));
            }
            rows.push((key.into_vec(), value.into_vec()));
        }
        Ok(Piece::new(after, &rows, true))
    }
}

/// The sum of all rows of a database that are part of the state hash.
pub(super) fn sum_of(db: &DB, keys: Keys) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(Key::group(keys.group).end_of_prefix());
    let from = Key::group(keys.group);
    for row in db.iterator_opt(IteratorMode::From(from.as_bytes(), Direction::Forward), options) {
        let (key, value) = row?;
        if Family::of(&key).is_some_and(Family::is_hashed) {
            sum = sum.plus(Sum::of_row(&key, &value));
        }
    }
    Ok(sum)
}
