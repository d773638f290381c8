//! One flipped bit anywhere.
//!
//! For every file of the folder the bit is tried at many places, spread over the whole file; in small files everywhere.
//! Whatever it does, opening and reading give all that was acknowledged, or an error.

use std::collections::BTreeMap;

use super::*;
use crate::dice::Dice;

/// Files with at most so many bits are tried bit by bit.
const EXHAUSTIVE_BITS: usize = 3_000;
/// In larger files so many bits are tried.
const SAMPLES: usize = 110;
/// In files that RocksDB writes and does not read.
const SAMPLES_UNREAD: usize = 8;
/// The seed of the places in larger files.
const SEED: u64 = 7;

/// What came of damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcomes {
    /// Everything is there, and nothing says that anything is wrong.
    harmless: usize,
    /// The log does not open.
    refused: usize,
    /// It opens, and reading fails.
    unreadable: usize,
}

struct Original {
    folder: TempDir,
    kept: Kept,
    incarnation: u64,
}

/// A log with two tables and a log of RocksDB in use, a vote, and a purged beginning.
fn original() -> Original {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    append(&log, entries(1, 0..60)).unwrap();
    wait(|done| log.purge(LogId { term: 1, index: 5 }, done)).unwrap();
    wait(|done| log.save_vote(vote(1, 3, true), done)).unwrap();
    drop(log);
    // A table in which another history replaces the end of the first, and is shorter than that.
    let log = open(folder.path()).unwrap();
    wait(|done| log.truncate_after(Some(49), done)).unwrap();
    append(&log, entries(2, 50..53)).unwrap();
    drop(log);
    let log = open(folder.path()).unwrap();
    append(&log, entries(2, 53..60)).unwrap();
    wait(|done| log.save_vote(vote(3, 4, false), done)).unwrap();
    wait(|done| log.truncate_after(Some(57), done)).unwrap();
    append(&log, entries(3, 58..66)).unwrap();
    let (kept, incarnation) = (Kept::of(&log).unwrap(), log.incarnation());
    Original { folder, kept, incarnation }
}

/// Which bits of a file of so many bytes are tried.
fn places(bytes: usize, is_read: bool, dice: &mut Dice) -> Vec<usize> {
    let bits = bytes * 8;
    if is_read && bits <= EXHAUSTIVE_BITS {
        return (0..bits).collect();
    }
    let samples = if is_read { SAMPLES } else { SAMPLES_UNREAD };
    // One from each of as many equal parts, and the first and last bytes, which often mean more.
    let part = |nth: usize| nth * bits / samples;
    let spread = (0..samples).map(|nth| part(nth) + dice.below(part(nth + 1) - part(nth)));
    spread.chain([0, 7, bits - 8, bits - 1]).collect()
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

fn try_bit(original: &Original, within: &Path, bit: usize) -> Outcomes {
    let damaged = folder();
    copy(original.folder.path(), damaged.path());
    flip(&damaged.path().join(within), bit);
    let mut outcomes = Outcomes::default();
    match open(damaged.path()).map(|log| (Kept::of(&log), log)) {
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&damaged.path().display().to_string()), "no folder in: {text}");
            outcomes.refused += 1;
        }
        Ok((Err(_), _)) => outcomes.unreadable += 1,
        Ok((Ok(kept), log)) => {
            assert!(kept == original.kept, "bit {bit} of {} and nothing says so: {kept:?}", within.display());
            let (before, now) = (original.incarnation, log.incarnation());
            assert!(now > before, "bit {bit} of {}: incarnation {now} came before", within.display());
            outcomes.harmless += 1;
        }
    }
    outcomes
}

/// The kinds of files that RocksDB writes and does not read.
const UNREAD: [&str; 2] = ["OPTIONS", "RocksDB's IDENTITY"];

/// The kind of a file, by which outcomes are counted.
fn kind(within: &Path) -> Option<&'static str> {
    let name = within.to_string_lossy();
    let kinds = [
        ("IDENTITY", "IDENTITY"),
        ("ACKED", "ACKED"),
        ("entries/CURRENT", "CURRENT"),
        ("entries/IDENTITY", "RocksDB's IDENTITY"),
        ("entries/MANIFEST", "MANIFEST"),
        ("entries/OPTIONS", "OPTIONS"),
    ];
    // What RocksDB tells people, and what it locks, holds no data.
    if name.contains("/LOG") || name.contains("/LOCK") {
        return None;
    }
    let by_start = kinds.into_iter().find(|(start, _)| name.starts_with(start)).map(|(_, kind)| kind);
    by_start
        .or_else(|| [(".log", "WAL"), (".sst", "SST")].into_iter().find(|(end, _)| name.ends_with(end)).map(|k| k.1))
}

#[test]
fn a_flipped_bit_is_harmless_or_an_error() {
    let original = original();
    let mut dice = Dice(SEED);
    let mut all: BTreeMap<&str, Outcomes> = BTreeMap::new();
    for path in files(original.folder.path()) {
        let within = path.strip_prefix(original.folder.path()).unwrap().to_owned();
        let Some(kind) = kind(&within) else { continue };
        let bytes = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        let bits = if kind == "ACKED" { slots(&mut dice) } else { places(bytes, !UNREAD.contains(&kind), &mut dice) };
        for bit in bits {
            let one = try_bit(&original, &within, bit);
            let sum = all.entry(kind).or_default();
            sum.harmless += one.harmless;
            sum.refused += one.refused;
            sum.unreadable += one.unreadable;
        }
    }
    println!("{all:#?}");
    let of = |kind: &str| all.get(kind).copied().unwrap_or_else(|| panic!("no {kind} was tried"));
    let tried = |kind: &str| of(kind).harmless + of(kind).refused + of(kind).unreadable;
    // Files of which every byte counts.
    for kind in ["IDENTITY", "CURRENT"] {
        assert!(of(kind).refused == tried(kind), "{kind}: {:?}", of(kind));
    }
    // A slot that does not count leaves the other, and the entries are whole.
    assert!(of("ACKED").harmless == tried("ACKED") && tried("ACKED") > 100);
    // Files that nobody reads at start.
    for kind in UNREAD {
        assert!(of(kind).harmless == tried(kind), "{kind}: {:?}", of(kind));
    }
    // Every bit of these is under a checksum of RocksDB's.
    for kind in ["WAL", "MANIFEST"] {
        assert!(of(kind).refused == tried(kind) && tried(kind) > 100, "{kind}: {:?}", of(kind));
    }
    assert!(of("SST").refused * 2 > tried("SST") && tried("SST") > 100, "{:?}", of("SST"));
}

/// Bits of both slots, and of the space between that means nothing.
fn slots(dice: &mut Dice) -> Vec<usize> {
    let slot_bits = 48 * 8;
    let within = |start: usize, dice: &mut Dice| start * 8 + dice.below(slot_bits);
    (0..120).map(|nth| within(nth % 2 * 4_096, dice)).chain([1_000 * 8, 8_000 * 8]).collect()
}

/// Whole files that are gone, as when somebody tidied up.
#[test]
fn a_missing_file_is_an_error() {
    let original = original();
    let mut missing = 0;
    for path in files(original.folder.path()) {
        let within = path.strip_prefix(original.folder.path()).unwrap();
        let is_needed = kind(within).is_some_and(|kind| !UNREAD.contains(&kind));
        if !is_needed || fs::metadata(&path).unwrap().len() == 0 {
            continue;
        }
        let damaged = folder();
        copy(original.folder.path(), damaged.path());
        fs::remove_file(damaged.path().join(within)).unwrap();
        if let Ok(log) = open(damaged.path()) {
            panic!("{} is gone, and nothing says so: {:?}", within.display(), Kept::of(&log));
        }
        missing += 1;
    }
    assert!(missing >= 6, "{missing} files");
    // And with all of RocksDB's files.
    let damaged = folder();
    copy(original.folder.path(), damaged.path());
    fs::remove_dir_all(damaged.path().join("entries")).unwrap();
    assert!(open(damaged.path()).is_err());
}

/// Whole rows of a history that was overruled, as an old table would bring them back.
#[test]
fn a_mixture_of_two_histories_is_an_error() {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    append(&log, entries(1, 0..10)).unwrap();
    let key = |index: u64| [&1_u32.to_be_bytes()[..], &[1], &index.to_be_bytes()].concat();
    let old: Vec<_> = (5..8).map(|index| log.shared.rows.db.get(key(index)).unwrap().unwrap()).collect();
    wait(|done| log.truncate_after(Some(4), done)).unwrap();
    append(&log, entries(2, 5..12)).unwrap();
    drop(log);
    drop(open(folder.path()).unwrap());
    let db = rocksdb::DB::open_default(folder.path().join("entries")).unwrap();
    (5..8).zip(old).for_each(|(index, row)| db.put(key(index), row).unwrap());
    drop(db);
    let error = open(folder.path()).err().expect("entries 5 to 7 are of another history, and nothing says so");
    assert!(error.to_string().contains("entry 8 does not follow the one before it"), "{error}");
}

/// A log that was never purged begins at its first entry, so a beginning that is gone is found.
#[test]
fn a_lost_beginning_is_an_error() {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    append(&log, entries(1, 0..10)).unwrap();
    drop(log);
    let db = rocksdb::DB::open_default(folder.path().join("entries")).unwrap();
    for row in 0_u64..3 {
        let key = [&1_u32.to_be_bytes()[..], &[1], &row.to_be_bytes()].concat();
        assert!(db.get(&key).unwrap().is_some());
        db.delete(&key).unwrap();
    }
    drop(db);
    let error = open(folder.path()).err().expect("entries 0 to 2 are gone, and nothing says so");
    assert!(error.to_string().contains("entry 0 is missing"), "{error}");
}
