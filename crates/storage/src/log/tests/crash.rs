//! The writer stops at each of its steps, as if the machine had died there.

use super::*;

const STEPS: [Point; 3] = [Point::LogBatchBeforeSync, Point::LogBatchSynced, Point::LogAckedWritten];

/// Something that was under way when the machine died.
type Ask = fn(&Log, Done);

/// What may be under way, and what is so if it reached the disk.
fn asks() -> [(Ask, Kept); 6] {
    let before = before();
    let with = |change: fn(&mut Kept)| {
        let mut after = before.clone();
        change(&mut after);
        after
    };
    [
        (|log, done| log.append(entries(2, 10..13), done), with(|kept| kept.entries.extend(entries(2, 10..13)))),
        (|log, done| log.save_vote(vote(9, 4, false), done), with(|kept| kept.vote = Some(vote(9, 4, false)))),
        (|log, done| log.truncate_after(Some(6), done), with(|kept| kept.entries.truncate(5))),
        (|log, done| log.truncate_after(None, done), with(|kept| kept.entries.clear())),
        (
            |log, done| log.purge(LogId { term: 2, index: 4 }, done),
            with(|kept| {
                kept.entries.drain(..3);
                kept.purged = Some(LogId { term: 2, index: 4 });
            }),
        ),
        (
            |log, done| log.purge(LogId { term: 5, index: 40 }, done),
            with(|kept| {
                kept.entries.clear();
                kept.purged = Some(LogId { term: 5, index: 40 });
            }),
        ),
    ]
}

/// What was acknowledged before.
fn before() -> Kept {
    Kept { entries: entries(2, 2..10), purged: Some(LogId { term: 2, index: 1 }), vote: Some(vote(2, 3, true)) }
}

fn make(path: &Path) {
    let log = open(path).unwrap();
    append(&log, entries(2, 0..10)).unwrap();
    wait(|done| log.save_vote(vote(2, 3, true), done)).unwrap();
    wait(|done| log.purge(LogId { term: 2, index: 1 }, done)).unwrap();
    assert_eq!(Kept::of(&log).unwrap(), before());
}

#[test]
fn a_crash_leaves_what_was_before_or_what_was_asked_for() {
    for step in STEPS {
        for (ask, after) in asks() {
            let folder = folder();
            make(folder.path());
            let dying = open_stopping_at(folder.path(), step);
            assert_eq!(Kept::of(&dying).unwrap(), before());
            assert!(wait(|done| ask(&dying, done)).is_err(), "acknowledged though the store stopped at {step:?}");
            drop(dying);
            let expected = if step == Point::LogBatchBeforeSync { before() } else { after };
            assert_eq!(Kept::of(&open(folder.path()).unwrap()).unwrap(), expected, "after {step:?}");
        }
    }
}

/// What is on disk is not known after a failure, so nothing that comes later may be promised.
#[test]
fn nothing_is_acknowledged_after_a_failure() {
    for step in STEPS {
        let folder = folder();
        make(folder.path());
        let dying = open_stopping_at(folder.path(), step);
        let appended = append(&dying, entries(2, 10..12));
        let voted = wait(|done| dying.save_vote(vote(3, 1, false), done));
        let again = append(&dying, entries(3, 12..13));
        assert!(appended.is_err() && voted.is_err() && again.is_err(), "{step:?}");
        drop(dying);
        let kept = Kept::of(&open(folder.path()).unwrap()).unwrap();
        assert_eq!(kept.vote, before().vote, "the vote was asked for after the crash");
        assert!(kept.last().unwrap().index < 12, "the last entry was appended after the crash");
    }
}

/// Truncating and appending in one batch, as a follower does when another leader overrules it.
#[test]
fn a_crash_between_two_histories_leaves_one_of_them() {
    for step in STEPS {
        let folder = folder();
        make(folder.path());
        let dying = open_stopping_at(folder.path(), step);
        dying.truncate_after(Some(5), Box::new(|written| assert!(written.is_err())));
        assert!(append(&dying, entries(7, 6..8)).is_err());
        drop(dying);
        let kept = Kept::of(&open(folder.path()).unwrap()).unwrap();
        let mut overruled = before();
        overruled.entries.truncate(4);
        let truncated = overruled.clone();
        overruled.entries.extend(entries(7, 6..8));
        // The two operations are one batch or two, as the writer finds them.
        if step == Point::LogBatchBeforeSync {
            assert_eq!(kept, before());
        } else {
            assert!(kept == truncated || kept == overruled, "{kept:?}");
        }
    }
}

/// A node that dies while it starts for the first time starts the next time.
#[test]
fn a_first_start_may_be_cut_short_anywhere() {
    let whole = folder();
    drop(open(whole.path()).unwrap());
    let parts: [&[&str]; 4] = [&[], &["IDENTITY"], &["IDENTITY", "ACKED"], &["IDENTITY", "entries"]];
    for part in parts {
        let cut = folder();
        for path in files(whole.path()) {
            let within = path.strip_prefix(whole.path()).unwrap();
            if part.iter().any(|kept| within.starts_with(kept)) {
                fs::create_dir_all(cut.path().join(within).parent().unwrap()).unwrap();
                fs::copy(&path, cut.path().join(within)).unwrap();
            }
        }
        // The file has its length before it has its contents.
        if part.contains(&"ACKED") {
            fs::create_dir_all(cut.path().join("entries")).unwrap();
            fs::write(cut.path().join("ACKED"), vec![0; 8_192]).unwrap();
        }
        // Without ACKED the database of an interrupted start holds nothing yet.
        if part.contains(&"entries") {
            fs::remove_dir_all(cut.path().join("entries")).unwrap();
            fs::create_dir(cut.path().join("entries")).unwrap();
        }
        let log = open(cut.path()).unwrap_or_else(|error| panic!("with {part:?}: {error}"));
        assert!(log.is_pristine());
        append(&log, entries(1, 0..3)).unwrap();
    }
}
