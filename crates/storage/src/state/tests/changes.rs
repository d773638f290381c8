//! Change records as watchers read them.

use portcullis_machine::Change;
use portcullis_machine::command::CompactHistory;

use super::commands::Commands;
use super::*;
use crate::state::{Inbox, Most, Reader, Records, Snapshot};

/// As much as there is.
const ALL: Most = Most { records: usize::MAX, bytes: usize::MAX };

/// Applies random commands, with entries between them that are none, and returns their records.
pub(super) fn fill(bench: &mut Bench, commands: &mut Commands, count: usize) -> Vec<Change> {
    let mut made = Vec::new();
    while made.len() < count {
        if commands.dice.below(5) == 0 {
            bench.store.apply_blank(at(bench.next)).unwrap();
            bench.next += 1;
        }
        let due = bench.store.reader().due(commands.now, commands.now, 100).unwrap();
        made.push(bench.apply(commands.next(&due)).change);
    }
    made
}

fn changes(records: Records) -> Vec<Change> {
    records.records.into_iter().map(|record| record.change).collect()
}

/// Reads everything behind `after`, a piece at a time.
fn in_pieces(reader: &Reader, mut after: Revision, upto: Revision, most: Most) -> Vec<Change> {
    let mut all = Vec::new();
    while after < upto {
        let piece = reader.changes(after, upto, most).unwrap();
        assert!(piece.reached > after && piece.reached <= upto, "{:?} behind {after:?}", piece.reached);
        assert!(piece.records.len() <= most.records);
        let bytes: usize = piece.records.iter().map(|record| record.bytes).sum();
        assert!(bytes <= most.bytes || piece.records.len() == 1, "{bytes} bytes");
        after = piece.reached;
        all.extend(changes(piece));
    }
    all
}

fn below(commands: &mut Commands, most: u64) -> Revision {
    let drawn = commands.dice.below(usize::try_from(most).unwrap());
    Revision(u64::try_from(drawn).unwrap())
}

fn between(made: &[Change], after: Revision, upto: Revision) -> Vec<Change> {
    made.iter().filter(|change| change.revision > after && change.revision <= upto).cloned().collect()
}

#[test]
fn records_are_read_in_order_once_and_without_a_gap() {
    for seed in crate::dice::seeds("STATE_SEED", 3) {
        println!("replay with STATE_SEED={seed}");
        let mut bench = Bench::new();
        let mut commands = Commands::new(seed);
        let initialised = bench.store.reader().change(Revision(1)).unwrap().unwrap();
        let made = [vec![initialised], fill(&mut bench, &mut commands, 200)].concat();
        let (reader, last) = (bench.store.reader(), bench.next - 1);
        for _ in 0..40 {
            let after = below(&mut commands, bench.next);
            let upto = Revision(after.0 + below(&mut commands, last - after.0 + 1).0);
            let expected = between(&made, after, upto);
            assert_eq!(changes(reader.changes(after, upto, ALL).unwrap()), expected, "{after:?} to {upto:?}");
            for most in [Most { records: 1, ..ALL }, Most { records: 7, ..ALL }, Most { bytes: 2_000, ..ALL }] {
                assert_eq!(in_pieces(&reader, after, upto, most), expected, "{after:?} to {upto:?} by {most:?}");
            }
        }
    }
}

/// History that goes takes no record with it.
#[test]
fn records_outlive_the_history() {
    let mut bench = Bench::new();
    let mut commands = Commands { deletes_tenants: false, ..Commands::new(1) };
    let made = fill(&mut bench, &mut commands, 100);
    let floor = Revision(bench.next - 10);
    let mut compact = envelope(&TenantId::system(), Command::CompactHistory(CompactHistory { floor }));
    compact.version = portcullis_machine::VERSION_SUPPORTED;
    compact.stamp.reading_ms = commands.now.plus_ms(10_000).0;
    let applied = bench.apply(compact);
    assert!(applied.result.is_ok() || bench.store.reader().history_floor().unwrap() >= floor, "{:?}", applied.result);
    let last = Revision(bench.next - 2);
    assert_eq!(changes(bench.store.reader().changes(Revision(1), last, ALL).unwrap()), made);
}

/// Whoever reads on after another copy took the place of his own is given the same.
#[test]
fn a_snapshot_brings_every_record() {
    let (mut source, mut target) = (Bench::new(), Bench::new());
    let mut commands = Commands::new(2);
    let early = fill(&mut source, &mut commands, 50);
    let middle = Revision(source.next - 1);
    let late = fill(&mut source, &mut commands, 150);
    let last = Revision(source.next - 1);
    let reader = target.store.reader();
    let snapshot = source.store.snapshot().unwrap();
    install(&mut target.store, &snapshot);
    assert_eq!(reader.view().revision, last);
    assert_eq!(in_pieces(&reader, middle, last, Most { records: 9, ..ALL }), late);
    target.next = source.next;
    let later = fill(&mut target, &mut commands, 20);
    drop(reader);
    target.reopen();
    let reader = target.store.reader();
    let all = changes(reader.changes(Revision(1), Revision(target.next - 1), ALL).unwrap());
    assert_eq!(all, [early, late, later].concat());
}

fn install(store: &mut Store, snapshot: &Snapshot) {
    let inbox: Inbox = store.inbox();
    let mut incoming = inbox.receive(1, snapshot.header()).unwrap();
    loop {
        let piece = snapshot.piece(incoming.after().map(<[u8]>::to_vec)).unwrap();
        incoming.take(&piece).unwrap();
        if piece.last {
            break;
        }
    }
    store.install(&incoming.finish().unwrap()).unwrap();
}
