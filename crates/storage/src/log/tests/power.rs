//! The power goes while the end of RocksDB's log is being written: of the last batch there is all, some or nothing.

use std::io::Write;

use super::*;

/// A log as it was after each of its batches, all in one file of RocksDB.
struct History {
    folder: TempDir,
    moments: Vec<Moment>,
}

/// What was acknowledged, the length of RocksDB's log then, and what `ACKED` said.
struct Moment {
    kept: Kept,
    wal_bytes: u64,
    acked: Vec<u8>,
}

impl History {
    fn make() -> Self {
        let folder = folder();
        let path = folder.path();
        let log = open(path).unwrap();
        append(&log, entries(1, 0..20)).unwrap();
        wait(|done| log.purge(LogId { term: 1, index: 3 }, done)).unwrap();
        drop(log);
        // The first session is in a table now, and the batches of the second are in a log of their own.
        let log = open(path).unwrap();
        let mut moments = Vec::new();
        let moment = |log: &Log| Moment {
            kept: Kept::of(log).unwrap(),
            wal_bytes: fs::metadata(only_file(path, ".log")).unwrap().len(),
            acked: fs::read(path.join("ACKED")).unwrap(),
        };
        moments.push(moment(&log));
        append(&log, entries(1, 20..23)).unwrap();
        moments.push(moment(&log));
        wait(|done| log.save_vote(vote(2, 3, false), done)).unwrap();
        moments.push(moment(&log));
        append(&log, entries(2, 23..24)).unwrap();
        moments.push(moment(&log));
        wait(|done| log.truncate_after(Some(21), done)).unwrap();
        moments.push(moment(&log));
        append(&log, entries(3, 22..25)).unwrap();
        moments.push(moment(&log));
        drop(log);
        Self { folder, moments }
    }

    /// The folder after the power went: of RocksDB's log the first `wal_bytes`, and what was acknowledged at `moment`.
    fn torn(&self, moment: &Moment, wal_bytes: u64) -> TempDir {
        let torn = folder();
        copy(self.folder.path(), torn.path());
        fs::write(torn.path().join("ACKED"), &moment.acked).unwrap();
        let wal = fs::OpenOptions::new().write(true).open(only_file(torn.path(), ".log")).unwrap();
        wal.set_len(wal_bytes).unwrap();
        torn
    }
}

fn assert_says_what_to_do(error: &OpenError, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "no folder in: {text}");
    assert!(text.contains("wipe the node's data folder"), "no remedy in: {text}");
}

/// Every length of the log from one acknowledged batch to the next one: what was acknowledged is there.
#[test]
fn a_torn_batch_costs_nothing_that_was_acknowledged() {
    let history = History::make();
    let mut cuts = 0;
    for pair in history.moments.windows(2) {
        let [acked, next] = pair else { unreachable!("INVARIANT: windows of two") };
        // A batch that shortens the log lowers what is promised before it is written.
        let promised = if next.kept.last() < acked.kept.last() { next } else { acked };
        // The first and last bytes of a batch, and some between.
        let inside = acked.wal_bytes..next.wal_bytes;
        let chosen = inside.clone().filter(|at| at - inside.start < 10 || inside.end - at < 4 || at % 11 == 0);
        for wal_bytes in chosen {
            let torn = history.torn(promised, wal_bytes);
            let log = open(torn.path()).unwrap_or_else(|error| panic!("cut at {wal_bytes}: {error}"));
            assert_eq!(Kept::of(&log).unwrap(), acked.kept, "cut at {wal_bytes}");
            cuts += 1;
        }
        let whole = history.torn(promised, next.wal_bytes);
        assert_eq!(Kept::of(&open(whole.path()).unwrap()).unwrap(), next.kept, "the batch is whole");
    }
    assert!(cuts > 40, "{cuts} cuts");
}

/// A log that lost the end of what was acknowledged does not open, however much is gone.
#[test]
fn a_log_that_lost_acknowledged_batches_is_refused() {
    let history = History::make();
    let last = history.moments.last().unwrap();
    let (mut refused, full) = (0, last.wal_bytes);
    let cuts = (1..=full).filter(|gone| *gone < 8 || gone % 29 == 0 || *gone == full);
    for gone in cuts {
        let torn = history.torn(last, full - gone);
        match open(torn.path()) {
            Err(error @ OpenError::Damaged { .. }) => assert_says_what_to_do(&error, torn.path()),
            Err(error) => panic!("{gone} bytes are gone: {error}"),
            Ok(log) => panic!("{gone} bytes are gone, and nothing says so: {:?}", Kept::of(&log)),
        }
        refused += 1;
    }
    assert!(refused > 15, "{refused} refusals");
}

/// A lost vote is found like a lost entry.
#[test]
fn a_log_that_lost_a_vote_is_refused() {
    let history = History::make();
    let [_, before, voted, ..] = history.moments.as_slice() else { unreachable!("INVARIANT: there are more") };
    for wal_bytes in before.wal_bytes..voted.wal_bytes {
        let torn = history.torn(voted, wal_bytes);
        let error = open(torn.path()).err().unwrap();
        assert!(error.to_string().contains("a vote of term 2 was given"), "{error}");
        assert_says_what_to_do(&error, torn.path());
    }
}

/// File systems may leave zeros or old blocks behind the last synced byte.
#[test]
fn rubbish_behind_what_was_acknowledged_hides_nothing() {
    let history = History::make();
    let moment = &history.moments[3];
    let mut dice = crate::dice::Dice(1);
    let (mut opened, mut refused) = (0, 0);
    for bytes in [1_usize, 3, 7, 11, 64, 500, 4_096] {
        for zeros in [true, false] {
            let torn = history.torn(moment, moment.wal_bytes);
            let mut random = || u8::try_from(dice.below(256)).unwrap();
            let rubbish: Vec<u8> = (0..bytes).map(|_| if zeros { 0 } else { random() }).collect();
            let mut wal = fs::OpenOptions::new().append(true).open(only_file(torn.path(), ".log")).unwrap();
            wal.write_all(&rubbish).unwrap();
            match open(torn.path()) {
                Ok(log) => {
                    assert_eq!(Kept::of(&log).unwrap(), moment.kept, "{bytes} bytes of rubbish");
                    opened += 1;
                }
                Err(error) => {
                    assert_says_what_to_do(&error, torn.path());
                    refused += 1;
                }
            }
        }
    }
    // A record that has its length and not its contents.
    let torn = history.torn(moment, moment.wal_bytes);
    let mut wal = fs::OpenOptions::new().append(true).open(only_file(torn.path(), ".log")).unwrap();
    wal.write_all(&[9, 9, 9, 9, 2, 0, 1, 7, 7]).unwrap();
    assert_says_what_to_do(&open(torn.path()).err().unwrap(), torn.path());
    println!("rubbish: {opened} opened, {refused} refused");
    assert!(opened > 0);
}
