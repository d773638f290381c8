//! Operations that wait for the writer: they share a batch, and are answered in order.

use std::sync::{Arc, Mutex};

use super::super::acked::{AckedFile, Found};
use super::*;

/// One entry that fills a batch, so that what is queued behind it is written later.
fn batch_filler(term: u64, index: u64) -> Entry {
    Entry { id: LogId { term, index }, payload: vec![7; 16 * 1_024 * 1_024].into() }
}

/// Holds the writer in a callback. What is asked for until the sender is used is queued.
fn hold(log: &Log) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (sender, started) = mpsc::channel();
    let hold = move |written: io::Result<()>| {
        written.unwrap();
        sender.send(()).unwrap();
        released.recv().unwrap();
    };
    log.save_vote(vote(1, 1, false), Box::new(hold));
    started.recv().unwrap();
    release
}

fn batches(path: &Path) -> u64 {
    match AckedFile::read(&path.join("ACKED")).unwrap() {
        Found::Acked(sequence, _) => sequence,
        Found::Nothing | Found::Damaged => panic!("there is no number"),
    }
}

#[test]
fn what_waits_is_one_batch_and_is_answered_in_order() {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    let release = hold(&log);
    let before = batches(folder.path());
    let answered = Arc::new(Mutex::new(Vec::new()));
    for index in 0..3_000 {
        let answered = Arc::clone(&answered);
        let done = move |written: io::Result<()>| {
            written.unwrap();
            answered.lock().unwrap().push(index);
        };
        log.append(entries(1, index..index + 1), Box::new(done));
    }
    // They can be read before they are on disk.
    assert_eq!(log.entries(0..u64::MAX).unwrap(), entries(1, 0..3_000));
    assert!(answered.lock().unwrap().is_empty());
    release.send(()).unwrap();
    wait(|done| log.append(entries(1, 3_000..3_001), done)).unwrap();
    assert!(answered.lock().unwrap().iter().copied().eq(0..3_000));
    let batches = batches(folder.path()) - before;
    assert!(batches <= 2, "{batches} batches for what was queued at once");
}

#[test]
fn whoever_finds_the_queue_full_waits_for_a_place() {
    let folder = folder();
    let options = Options { queue_max: 2, ..Options::default() };
    let log = Log::open(folder.path(), &options, OWNER).unwrap();
    let (sender, answers) = mpsc::channel();
    for index in 0..200 {
        let sender = sender.clone();
        log.append(entries(1, index..index + 1), Box::new(move |written| sender.send((index, written)).unwrap()));
    }
    let order: Vec<u64> = answers.iter().take(200).map(|(index, written)| (written, index).1).collect();
    assert!(order.into_iter().eq(0..200));
}

/// A log that is dropped finishes what was asked for.
#[test]
fn dropping_the_log_finishes_the_queue() {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    let release = hold(&log);
    for index in 0..50 {
        log.append(entries(1, index..index + 1), Box::new(|written| written.unwrap()));
    }
    release.send(()).unwrap();
    drop(log);
    assert_eq!(Kept::of(&open(folder.path()).unwrap()).unwrap().entries, entries(1, 0..50));
}

fn ids(entries: Vec<Entry>) -> Vec<LogId> {
    entries.into_iter().map(|entry| entry.id).collect()
}

/// Reads `range` once a batch was written that others wait behind.
fn read_between_batches(log: &Log, first: Entry, queue: impl FnOnce(), range: std::ops::Range<u64>) -> Vec<LogId> {
    let release = hold(log);
    let (sender, read) = mpsc::channel();
    let reader = log.clone();
    log.append(vec![first], Box::new(move |_| sender.send(ids(reader.entries(range).unwrap())).unwrap()));
    queue();
    release.send(()).unwrap();
    read.recv().unwrap()
}

/// Entries leave memory only once they are on disk, also those that a truncation kept.
#[test]
fn truncating_does_not_make_entries_count_as_written() {
    let folder = folder();
    let log = Log::open(folder.path(), &Options { tail_bytes: 0, ..Options::default() }, OWNER).unwrap();
    let queue = || {
        log.append(entries(1, 1..10), Box::new(|written| written.unwrap()));
        log.truncate_after(Some(6), Box::new(|written| written.unwrap()));
    };
    let read = read_between_batches(&log, batch_filler(1, 0), queue, 1..10);
    assert_eq!(read, ids(entries(1, 1..7)));
}

/// Entries that came in place of others are not on disk because those are.
#[test]
fn entries_that_replace_others_are_read_as_the_new_ones() {
    let folder = folder();
    let log = Log::open(folder.path(), &Options { tail_bytes: 0, ..Options::default() }, OWNER).unwrap();
    append(&log, entries(1, 0..3)).unwrap();
    let queue = || {
        log.truncate_after(Some(1), Box::new(|written| written.unwrap()));
        log.append(entries(2, 2..6), Box::new(|written| written.unwrap()));
    };
    let read = read_between_batches(&log, batch_filler(1, 3), queue, 1..6);
    assert_eq!(read, ids([entries(1, 1..2), entries(2, 2..6)].concat()));
}

#[test]
fn the_last_entry_is_known_after_it_left_memory() {
    let folder = folder();
    let log = Log::open(folder.path(), &Options { tail_bytes: 0, ..Options::default() }, OWNER).unwrap();
    append(&log, entries(1, 0..5)).unwrap();
    append(&log, entries(2, 5..10)).unwrap();
    wait(|done| log.truncate_after(Some(3), done)).unwrap();
    assert_eq!(log.bounds().last, Some(LogId { term: 1, index: 3 }));
    wait(|done| log.truncate_after(Some(8), done)).unwrap();
    assert_eq!(log.bounds().last, Some(LogId { term: 1, index: 3 }), "there was nothing to truncate");
    append(&log, entries(3, 4..6)).unwrap();
    assert_eq!(log.entries(2..9).unwrap(), [entries(1, 2..4), entries(3, 4..6)].concat());
}

/// An entry that memory has forgotten and the disk has lost is an error, not the beginning of the log.
#[test]
fn entries_that_vanish_from_the_disk_are_an_error() {
    let folder = folder();
    let log = Log::open(folder.path(), &Options { tail_bytes: 0, ..Options::default() }, OWNER).unwrap();
    append(&log, entries(1, 0..10)).unwrap();
    log.shared.rows.db.delete(log.shared.rows.entry_key(4)).unwrap();
    assert!(log.entries(0..10).is_err());
    assert!(log.entries(4..5).is_err());
    assert_eq!(log.entries(5..10).unwrap(), entries(1, 5..10));
    assert!(wait(|done| log.truncate_after(Some(4), done)).is_err());
    assert_eq!(log.bounds().last, Some(LogId { term: 1, index: 9 }), "what failed changed nothing");
}

/// A log that is written in turns writes when somebody takes one, and everything that waited then.
#[test]
fn a_turn_writes_what_has_queued_up() {
    let folder = folder();
    let (given, turns) = mpsc::channel();
    let writing = Writing::Turns(Arc::new(move |turn| given.send(turn).unwrap()));
    let log = Log::open(folder.path(), &Options { writing, ..Options::default() }, OWNER).unwrap();
    let (sender, answers) = mpsc::channel();
    let append = |index: u64| {
        let sender = sender.clone();
        log.append(entries(1, index..index + 1), Box::new(move |written| sender.send((index, written)).unwrap()));
    };
    let answered = || answers.try_iter().map(|(index, written): (u64, io::Result<()>)| (written, index).1);
    append(0);
    append(1);
    let turn = turns.try_recv().expect("the first operation begins a turn");
    assert!(turns.try_recv().is_err(), "there is one at a time");
    assert!(answered().next().is_none());
    turn.take();
    assert!(answered().eq(0..2));
    assert!(turns.try_recv().is_err(), "nothing waits");
    append(2);
    let turn = turns.try_recv().expect("the next operation begins another");
    append(3);
    drop((turn, log));
    assert_eq!(Kept::of(&open(folder.path()).unwrap()).unwrap().entries, entries(1, 0..2), "no turn was taken");
}
