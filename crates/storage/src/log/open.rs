//! Opening a log store, and refusing one that is not what it should be.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use portcullis_fault::{Fault, Point};
use rocksdb::{DB, DBRecoveryMode, Options as RocksOptions, WriteBatch, WriteOptions};

use super::acked::{Acked, AckedFile, Found};
use super::identity::{self, Adopter, Identity, Malformed, Owner};
use super::rows::{Mark, RowError, Rows, term};
use super::tail::Tail;
use super::writer::Writer;
use super::{Bounds, Log, Options, Shared, View, Vote};
use crate::journal::{self, Flaw};

/// What to do about a store that is damaged.
const REMEDY: &str = "wipe the node's data folder and let it join again as a learner under a new node id";

/// Only a last record that is incomplete is dropped; whether it was acknowledged is known from `ACKED`.
const RECOVERY: DBRecoveryMode = DBRecoveryMode::TolerateCorruptedTailRecords;

/// Why a log store does not open. The node must not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be read or written.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// RocksDB does not open.
    #[error("the log in `{}` does not open: is another process using it? if it is damaged, {REMEDY}", path.display())]
    RocksDb {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rocksdb::Error,
    },
    /// Something in it is not what was written.
    #[error("the log in `{}` is damaged: {what}; {REMEDY}", path.display())]
    Damaged {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It belongs to another node.
    #[error(
        "`{}` belongs to node {} of group {}, and this is node {} of group {}: give this node a data folder of its own",
        path.display(), found.node, found.group, wanted.node, wanted.group
    )]
    OtherOwner {
        /// The identity file.
        path: PathBuf,
        /// Whose it is.
        found: Owner,
        /// Who opened it.
        wanted: Owner,
    },
    /// A newer build wrote it.
    #[error("`{}` was written by a newer version (format {found}): upgrade the binary", path.display())]
    Newer {
        /// The identity file.
        path: PathBuf,
        /// Its format.
        found: u8,
    },
}

impl Log {
    /// Opens the log in a folder, which must exist; a new log is made where there is none.
    pub fn open(folder: &Path, options: &Options, owner: Owner) -> Result<Self, OpenError> {
        let (identity_path, acked_path) = (folder.join("IDENTITY"), folder.join("ACKED"));
        let in_acked = |source| OpenError::Io { path: acked_path.clone(), source };
        let damaged = |path: &Path, what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
        let (sequence, acked, is_new) = match AckedFile::read(&acked_path).map_err(in_acked)? {
            Found::Nothing => (0, Acked::default(), true),
            Found::Acked(sequence, acked) => (sequence, acked, false),
            Found::Damaged => return Err(damaged(&acked_path, "neither of its slots is whole")),
        };
        let Some(identity) = open_identity(&identity_path, owner, is_new)? else {
            return Err(damaged(&identity_path, "it is missing"));
        };
        let path = folder.join("entries");
        let flaws = journal::flaws(&path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let drops_records = options.faults.has(Fault::RecoveryDropsRecords);
        if let Some(Flaw { path, at }) = flaws.first().filter(|_| !drops_records) {
            return Err(damaged(path, &format!("the record at byte {at} is not what was written")));
        }
        let recovery = if drops_records { DBRecoveryMode::PointInTime } else { RECOVERY };
        let db = DB::open(&rocks_options(is_new, recovery, options), &path)
            .map_err(|source| OpenError::RocksDb { path: path.clone(), source })?;
        let rows = Rows { db: Arc::new(db), group: owner.group };
        if is_new && !rows.is_empty().map_err(|error| ContentsError::from(error).at(&path))? {
            return Err(damaged(&acked_path, "it is missing or was never written, and the log was"));
        }
        let needed = if drops_records { Acked::default() } else { acked };
        let contents = Contents::read(&rows, needed).map_err(|error| error.at(&path))?;
        // It is kept in two places, so that damage to one of them does not bring an old one back.
        let incarnation = AckedFile::beside(sequence, contents.incarnation.max(sequence) + 1);
        let mut acked_file = AckedFile::open(&acked_path, incarnation - 1, acked).map_err(in_acked)?;
        let reached = Acked { last: contents.bounds.last, vote: contents.vote };
        options.points.pass(Point::LogOpenRead);
        // What is on disk but was never acknowledged is kept, and counts from now on.
        acked_file.write(reached).map_err(in_acked)?;
        options.points.pass(Point::LogOpenAcked);
        put_incarnation(&rows, incarnation).map_err(|error| error.at(&path))?;
        options.points.pass(Point::LogOpenNumbered);
        let tail = Tail::new(contents.bounds, options.tail_bytes);
        let shared = Arc::new(Shared {
            rows,
            view: RwLock::new(View { tail, vote: contents.vote }),
            incarnation,
            pristine: contents.bounds.last.is_none() && contents.vote.is_none(),
            adopter: Adopter::new(identity_path, identity),
        });
        let writer = Writer::start(Arc::clone(&shared), acked_file, options)
            .map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
        Ok(Self { shared, writer: Arc::new(writer) })
    }
}

/// The identity, which is written for a new log; nothing where one that is not new lacks it.
fn open_identity(path: &Path, owner: Owner, is_new: bool) -> Result<Option<Identity>, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let Some(found) = identity::read(path).map_err(io)? else {
        if !is_new {
            return Ok(None);
        }
        let new = Identity { owner, cluster: None };
        identity::write(path, &new).map_err(io)?;
        return Ok(Some(new));
    };
    match found {
        Ok(found) if found.owner == owner => Ok(Some(found)),
        Ok(found) => Err(OpenError::OtherOwner { path: path.to_owned(), found: found.owner, wanted: owner }),
        Err(Malformed::Version(found)) => Err(OpenError::Newer { path: path.to_owned(), found }),
        Err(Malformed::Damaged) => {
            Err(OpenError::Damaged { path: path.to_owned(), what: "its checksum does not match".to_owned() })
        }
    }
}

/// Why the rows are not what they should be, without the path.
enum ContentsError {
    Row(RowError),
    Lost(String),
}

impl From<RowError> for ContentsError {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl ContentsError {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Row(RowError::RocksDb(source)) => OpenError::RocksDb { path, source },
            Self::Row(RowError::Version { found, .. }) => OpenError::Newer { path, found },
            Self::Row(error @ (RowError::Damaged { .. } | RowError::Missing { .. })) => {
                OpenError::Damaged { path, what: error.to_string() }
            }
            Self::Lost(what) => OpenError::Damaged { path, what },
        }
    }
}

struct Contents {
    bounds: Bounds,
    vote: Option<Vote>,
    incarnation: u64,
}

impl Contents {
    /// Reads every entry once: each must be whole, none may be missing from the first or from where it was purged on,
    /// each must follow the one before, and what was acknowledged must be there.
    fn read(rows: &Rows, acked: Acked) -> Result<Self, ContentsError> {
        let purged = rows.id(Mark::Purged)?;
        let mut last = purged;
        let mut has_acked = acked.last.is_none_or(|acked| purged.is_some_and(|purged| acked.index <= purged.index));
        rows.scan(0..u64::MAX, |entry, previous_term| {
            let id = entry.id;
            let next = last.map_or(0, |last| last.index + 1);
            if id.index != next {
                return Err(ContentsError::Lost(format!("entry {next} is missing")));
            }
            if previous_term != term(last) {
                let what = format!("entry {} does not follow the one before it, which is of term {}", next, term(last));
                return Err(ContentsError::Lost(what));
            }
            has_acked |= acked.last == Some(id);
            last = Some(id);
            Ok(())
        })?;
        if let (Some(acked), false) = (acked.last, has_acked) {
            let reached = last.map_or("nothing".to_owned(), |last| format!("entry {}", last.index));
            let what =
                format!("entry {} of term {} was acknowledged, and only {reached} is there", acked.index, acked.term);
            return Err(ContentsError::Lost(what));
        }
        let vote = rows.vote()?;
        if let Some(acked) = acked.vote
            && !vote.is_some_and(|vote| vote.covers(&acked))
        {
            let what = format!("a vote of term {} was given, and is not there", acked.term);
            return Err(ContentsError::Lost(what));
        }
        let incarnation = rows.number(Mark::Incarnation)?.unwrap_or(0);
        Ok(Self { bounds: Bounds { purged, last }, vote, incarnation })
    }
}

impl Vote {
    /// Whether whoever has this vote may also have given `earlier`.
    fn covers(&self, earlier: &Self) -> bool {
        self.term > earlier.term
            || (self.term == earlier.term && self.node == earlier.node && self.committed >= earlier.committed)
    }
}

fn put_incarnation(rows: &Rows, incarnation: u64) -> Result<(), ContentsError> {
    let mut batch = WriteBatch::default();
    rows.put_number(&mut batch, Mark::Incarnation, incarnation);
    let mut options = WriteOptions::default();
    options.set_sync(true);
    rows.db.write_opt(batch, &options).map_err(RowError::from)?;
    Ok(())
}

fn rocks_options(is_new: bool, recovery: DBRecoveryMode, options: &Options) -> RocksOptions {
    let mut rocks = RocksOptions::default();
    // A log that has acknowledged something is never made anew.
    rocks.create_if_missing(is_new);
    rocks.set_paranoid_checks(true);
    rocks.set_wal_recovery_mode(recovery);
    rocks.set_write_buffer_size(options.write_buffer_bytes);
    rocks.set_max_file_opening_threads(options.opening_threads.into());
    journal::set_aside(&mut rocks, options.journal_bytes);
    rocks.set_max_background_jobs(2);
    rocks.set_keep_log_file_num(4);
    rocks
}
