//! Receiving a snapshot from another node.

use std::fs;
use std::io;
use std::path::Path;

use portcullis_fault::{Failed, Fault, Faults, Point, Points};
use rocksdb::{DB, IteratorMode, Options as RocksOptions, WriteBatch};

use super::folder::{Folder, Removal};
use super::keys::{Family, Keys};
use super::open::Options;
use super::reads::StoreError;
use super::row;
use super::snapshot::{Header, Piece, Row, sum_of};
use super::sum::Sum;
use crate::codec::{self, DecodeError};
use crate::journal;

/// The row that says which snapshot is being received.
const MARK: &str = "incoming";

/// Why a piece is not taken, or a snapshot is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The folder cannot be used.
    #[error("the folder for a snapshot cannot be used")]
    Io(#[from] io::Error),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The piece was damaged on its way; it may be sent again.
    #[error("a piece of the snapshot was damaged on its way")]
    Damaged,
    /// The piece does not begin where the last one ended.
    #[error("a piece of the snapshot does not follow the one before")]
    OutOfOrder,
    /// The rows are not a list of rows.
    #[error("a piece of the snapshot is malformed")]
    Malformed(#[from] DecodeError),
    /// All rows together are not what was announced. They are dropped, so the snapshot has to be sent anew.
    #[error("the snapshot does not have the state hash that was announced")]
    WrongSum,
}

impl From<Failed> for ReceiveError {
    fn from(failed: Failed) -> Self {
        Self::Io(failed.into())
    }
}

impl From<rocksdb::Error> for ReceiveError {
    fn from(error: rocksdb::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Makes room for snapshots. Cheap to clone, and usable beside the store.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub(super) folder: Folder,
    pub(super) options: Options,
}

/// A snapshot that is being received.
pub struct Incoming {
    db: DB,
    keys: Keys,
    header: Header,
    last_key: Option<Vec<u8>>,
    folder: Folder,
    faults: Faults,
    points: Points,
}

/// A snapshot that was received as a whole. Its folder goes with it unless it is installed.
#[derive(Debug)]
pub struct Received {
    pub(super) header: Header,
    pub(super) removal: Removal,
}

impl Inbox {
    /// Begins to receive a snapshot, or goes on with it if it is the one that was being received. `sender` tells apart
    /// snapshots of the same entry by different nodes, whose rows need not be cut into the same pieces.
    pub fn receive(&self, sender: u64, header: &Header) -> Result<Incoming, ReceiveError> {
        let (path, keys) = (self.folder.incoming(), Keys { group: self.options.group });
        let mark = (sender, header.clone());
        // What RocksDB would read for ever, or only in part, is received anew.
        let same = if journal::flaws(&path)?.is_empty() { open(&path, &self.options, false).ok() } else { None };
        let same = same.filter(|db| marked(db, keys).as_ref() == Some(&mark));
        let db = if let Some(db) = same {
            db
        } else {
            clear(&path)?;
            let db = open(&path, &self.options, true)?;
            let key = keys.global(Family::Meta).text(MARK);
            db.put(key.as_bytes(), row::encode(header.revision(), &mark))?;
            db
        };
        let points = self.options.points.clone();
        points.fail(Point::SnapshotReceiveBegun)?;
        let last_key = last_key(&db, keys)?;
        let (folder, faults) = (self.folder.clone(), self.options.faults);
        Ok(Incoming { db, keys, header: header.clone(), last_key, folder, faults, points })
    }
}

impl Received {
    /// What it is of.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl Incoming {
    /// The key behind which the next piece begins; `None` is the beginning.
    pub fn after(&self) -> Option<&[u8]> {
        self.last_key.as_deref()
    }

    /// Takes a piece. Blocks on the disk.
    pub fn take(&mut self, piece: &Piece) -> Result<(), ReceiveError> {
        if crc32c::crc32c(&piece.rows) != piece.checksum {
            return Err(ReceiveError::Damaged);
        }
        if piece.after != self.last_key {
            return Err(ReceiveError::OutOfOrder);
        }
        let rows: Vec<Row> = codec::decode(&piece.rows)?;
        let mut batch = WriteBatch::default();
        let mut last = self.last_key.as_ref();
        for (key, value) in &rows {
            if last.is_some_and(|last| key <= last) {
                return Err(ReceiveError::OutOfOrder);
            }
            batch.put(key, value);
            last = Some(key);
        }
        self.points.fail(Point::SnapshotReceiveBeforePiece)?;
        self.db.write(batch)?;
        self.points.fail(Point::SnapshotReceivePiece)?;
        self.last_key = last.cloned();
        Ok(())
    }

    /// Checks the whole, and closes it. Blocks on the disk for as long as it takes to read everything once.
    pub fn finish(self) -> Result<Received, ReceiveError> {
        let Self { db, keys, header, folder, faults, points, .. } = self;
        let path = folder.incoming();
        if sum_of(&db, keys)? != Sum::from_bytes(header.sum) {
            drop(db);
            clear(&path)?;
            return Err(ReceiveError::WrongSum);
        }
        points.fail(Point::SnapshotReceiveChecked)?;
        if faults.has(Fault::SnapshotForgetsOutcomes) {
            forget_outcomes(&db)?;
        }
        let meta = |name: &str| keys.global(Family::Meta).text(name);
        let revision = header.revision();
        let mut batch = WriteBatch::default();
        batch.delete(meta(MARK).as_bytes());
        if let Some(applied) = &header.applied {
            batch.put(meta("applied").as_bytes(), row::encode(revision, applied));
        }
        batch.put(meta("sum").as_bytes(), row::encode(revision, &header.sum));
        if let Some(membership) = &header.membership {
            batch.put(meta("membership").as_bytes(), row::encode(revision, membership));
        }
        db.write(batch)?;
        db.flush_wal(true)?;
        db.flush()?;
        drop(db);
        points.pass(Point::SnapshotReceiveFinished);
        Ok(Received { header, removal: Removal::new(path, true) })
    }
}

/// Loses which calls were made, behind the back of the sum over all rows.
fn forget_outcomes(db: &DB) -> Result<(), rocksdb::Error> {
    let is_outcome = |key: &[u8]| matches!(Family::of(key), Some(Family::Remembered | Family::RememberedByAge));
    for row in db.iterator(IteratorMode::Start) {
        let (key, _) = row?;
        if is_outcome(&key) {
            db.delete(key)?;
        }
    }
    Ok(())
}

fn open(path: &Path, options: &Options, create: bool) -> Result<DB, rocksdb::Error> {
    let mut rocks = RocksOptions::default();
    rocks.create_if_missing(create);
    rocks.set_paranoid_checks(true);
    rocks.set_write_buffer_size(options.write_buffer_bytes);
    rocks.set_max_file_opening_threads(options.opening_threads.into());
    journal::set_aside(&mut rocks, options.journal_bytes);
    DB::open(&rocks, path)
}

fn marked(db: &DB, keys: Keys) -> Option<(u64, Header)> {
    let mark = db.get(keys.global(Family::Meta).text(MARK).as_bytes()).ok()??;
    row::decode(&mark).ok()
}

fn last_key(db: &DB, keys: Keys) -> Result<Option<Vec<u8>>, ReceiveError> {
    let meta = keys.global(Family::Meta);
    for row in db.iterator(IteratorMode::End) {
        let (key, _) = row?;
        if !key.starts_with(meta.as_bytes()) {
            return Ok(Some(key.into_vec()));
        }
    }
    Ok(None)
}

fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
