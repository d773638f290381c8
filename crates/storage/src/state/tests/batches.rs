//! Entries that are applied together, however they are cut into batches.

use std::collections::BTreeMap;

use portcullis_machine::memory::Memory;
use portcullis_machine::{State, apply};

use super::commands::*;
use super::sides::compare;
use super::*;
use crate::dice::{self, Dice};

const SEEDS: u64 = 3;
const COMMANDS: u64 = 400;
const ALL: usize = 1_000;

/// What has to be so after an entry.
struct Moment {
    envelope: Envelope,
    sum: Sum,
    answers: Vec<(String, Bounds)>,
}

/// `BATCH_SEED` makes other sequences.
#[test]
fn batches_leave_no_trace() {
    for seed in dice::seeds("BATCH_SEED", SEEDS) {
        println!("replay with BATCH_SEED={seed}");
        let mut dice = Dice(seed ^ 0xbad);
        let mut commands = Commands::new(seed);
        // One is written after each entry. The other is cut at random, and crashes now and then with a batch half done.
        let (mut memory, mut single, mut cut) = (Memory::default(), Bench::empty(), Bench::empty());
        let mut moments = BTreeMap::new();
        for index in 1..=COMMANDS {
            let due = single.store.reader().due(commands.now, commands.now.plus_ms(ERROR_MS), ALL).unwrap();
            let envelope = if index == 1 { initialise() } else { commands.next(&due) };
            let expected = apply(&memory, Revision(index), envelope.clone()).unwrap();
            memory.carry_out(&expected.change);
            assert_eq!(single.apply(envelope.clone()), expected);
            assert_eq!(cut.store.apply(at(index), envelope.clone()).unwrap(), expected);
            let (sum, answers) = (single.store.sum, answers(&single.store.reader().view()));
            assert_eq!(cut.store.sum, sum, "hash at {index}");
            moments.insert(index, Moment { envelope, sum, answers });
            if dice.below(9) == 0 {
                // Whoever decides sees what is pending, by every way there is to look.
                compare(&cut.store.reads, &memory);
            }
            if dice.below(8) == 0 {
                cut.store.publish().unwrap();
                check(&cut.store, &moments);
            } else {
                check_pending(&cut.store, index);
            }
            if dice.below(60) == 0 {
                crash(&mut cut, &moments);
            }
        }
        cut.store.publish().unwrap();
        check(&cut.store, &moments);
        assert!(rows(&cut.store) == rows(&single.store), "the rows differ");
        for (revision, moment) in &moments {
            let version =
                single.store.reader().view_at(&TenantId::default_tenant(), Revision(*revision)).unwrap().unwrap();
            assert_eq!(version.revision, Revision(*revision));
            assert!(answers(&version) == moment.answers, "the version at {revision} is not what was shown then");
        }
    }
}

/// What is written is the state after the last published entry, as a whole.
fn check(store: &Store, moments: &BTreeMap<u64, Moment>) {
    let Some(applied) = store.applied() else { return assert_eq!(sum_of_all(store), Sum::default()) };
    let moment = &moments[&applied.index];
    assert_eq!(sum_of_all(store), moment.sum, "sum over the rows at {}", applied.index);
    assert!(answers(&store.reader().view()) == moment.answers, "answers at {}", applied.index);
    assert_eq!(store.reader().view().revision, Revision(applied.index));
    // Each version since it was opened is exactly what was shown, kept or made again.
    for revision in applied.index.saturating_sub(40)..applied.index {
        if let Some(version) = store.reader().view_at(&TenantId::default_tenant(), Revision(revision)).unwrap() {
            let expected = moments.get(&revision).map(|moment| moment.answers.clone());
            assert!(answers(&version) == expected.unwrap_or_default(), "the version at {revision}");
        }
    }
}

/// Readers do not see what is pending.
fn check_pending(store: &Store, index: u64) {
    let reader = store.reader();
    assert!(reader.view().revision < Revision(index));
    assert!(reader.view_at(&TenantId::default_tenant(), Revision(index)).unwrap().is_none());
    assert_eq!(reader.change(Revision(index)).unwrap(), None);
}

/// Dies with a batch half done, and comes back at the last one that was published.
fn crash(bench: &mut Bench, moments: &BTreeMap<u64, Moment>) {
    let published = bench.store.reader().view().revision.0;
    bench.reopen();
    assert_eq!(bench.store.applied().map_or(0, |applied| applied.index), published);
    check(&bench.store, moments);
    for (index, moment) in moments.range(published + 1..) {
        bench.store.apply(at(*index), moment.envelope.clone()).unwrap();
        assert_eq!(bench.store.reader().state_hash(Revision(*index)), Some(moment.sum));
    }
}

/// A batch that grows too large is written before it ends, in whole entries.
#[test]
fn much_is_written_early() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    let written = |bench: &Bench| bench.store.reader().change(Revision(2)).unwrap().is_some();
    let mut sums = BTreeMap::new();
    while !written(&bench) {
        bench.next += 1;
        let updates = (0..500).map(|n| touch(&format!("group:g{}#member@user:u{n}", bench.next))).collect();
        bench.store.apply(at(bench.next - 1), write(&here, updates)).unwrap();
        sums.insert(bench.next - 1, bench.store.sum);
        assert!(bench.next < 200, "nothing is written");
    }
    let last = bench.next - 1;
    assert_eq!(bench.store.reader().view().revision, Revision(1), "it is not published");
    assert_eq!(bench.store.reader().present().unwrap().revision(), Revision(last), "rows know of when they are");
    // What comes now is pending again, and lost.
    bench.store.apply(at(last + 1), write(&here, vec![touch("group:g#member@user:a")])).unwrap();
    bench.reopen();
    assert_eq!(bench.store.applied(), Some(at(last)));
    assert_eq!(sum_of_all(&bench.store), sums[&last]);
    assert_eq!(bench.store.reads.last_stamp().unwrap(), NOW);
}

/// A failure half way through an entry must not reach the disk with the next one.
#[test]
#[should_panic(expected = "nothing is written after a failure")]
fn half_an_entry_is_never_written() {
    let mut bench = Bench::new();
    bench.store.whole = false;
    drop(bench.store.publish());
}
