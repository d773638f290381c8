//! The promise of the log: after any crash and any damage there is never less than what was acknowledged, unless
//! opening or reading says so.

mod crash;
mod damage;
mod model;
mod power;
mod queue;
mod refusals;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use portcullis_fault::{Deed, Hook, Point, Points};
use tempfile::TempDir;

use super::{Bounds, Done, Entry, Log, LogId, OpenError, Options, Owner, Vote, Writing};

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

/// Has the store stop at a point, as if the machine had died there.
fn failing_at(point: Point) -> Points {
    struct FailsAt(Point);
    impl Hook for FailsAt {
        fn pass(&self, point: Point) -> Deed {
            if point == self.0 { Deed::Fail } else { Deed::Nothing }
        }
    }
    Points::told(Arc::new(FailsAt(point)))
}

fn open_stopping_at(path: &Path, point: Point) -> Log {
    Log::open(path, &Options { points: failing_at(point), ..Options::default() }, OWNER).unwrap()
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

/// Copies a folder with the folders in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

/// The files in a folder and in the folders in it, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The only file of a log's database whose name ends so and that is not empty.
fn only_file(folder: &Path, end: &str) -> PathBuf {
    let mut named = files(&folder.join("entries"));
    named.retain(|path| path.to_string_lossy().ends_with(end) && fs::metadata(path).unwrap().len() > 0);
    assert_eq!(named.len(), 1, "{named:?}");
    named.remove(0)
}
