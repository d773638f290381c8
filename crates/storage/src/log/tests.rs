//! The promise of the log: after any crash and any damage there is never less than what was acknowledged, unless
//! opening or reading says so.

mod model;
mod queue;

use std::io;
use std::path::Path;
use std::sync::mpsc;

use tempfile::TempDir;

use super::{Bounds, Done, Entry, Log, LogId, OpenError, Options, Owner, Step, Vote};

const OWNER: Owner = Owner { group: 1, node: 3 };

/// A folder of a log, gone with the test. In memory where there is such a place: what is tested is what is in the files
/// when the machine dies, and not the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn open(path: &Path) -> Result<Log, OpenError> {
    Log::open(path, &Options::default(), OWNER)
}

/// Asks for an operation, and waits until it is answered.
fn wait(ask: impl FnOnce(Done)) -> io::Result<()> {
    let (sender, answer) = mpsc::channel();
    ask(Box::new(move |written| sender.send(written).unwrap()));
    answer.recv().unwrap()
}

/// An entry whose payload nothing else has, of a length that depends on its place.
fn entry(term: u64, index: u64) -> Entry {
    let text = format!("entry {index} of term {term}, ");
    let bytes = usize::try_from(index * 37 % 90).unwrap();
    Entry { id: LogId { term, index }, payload: text.repeat(5).into_bytes()[..bytes].to_vec().into() }
}

fn entries(term: u64, indexes: std::ops::Range<u64>) -> Vec<Entry> {
    indexes.map(|index| entry(term, index)).collect()
}

fn append(log: &Log, entries: Vec<Entry>) -> io::Result<()> {
    wait(|done| log.append(entries, done))
}

fn vote(term: u64, node: u64, committed: bool) -> Vote {
    Vote { term, node, committed }
}

/// Everything that a log was asked to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    entries: Vec<Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
}

impl Kept {
    fn of(log: &Log) -> io::Result<Self> {
        let entries = log.entries(0..u64::MAX)?;
        let Bounds { purged, last } = log.bounds();
        assert_eq!(entries.last().map(|entry| entry.id).or(purged), last, "the ends are not those of the entries");
        Ok(Self { entries, purged, vote: log.vote() })
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.id).or(self.purged)
    }
}
