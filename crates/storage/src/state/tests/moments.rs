//! Times among the changes.

use portcullis_machine::command::CompactHistory;

use super::changes::fill;
use super::commands::Commands;
use super::*;
use crate::state::Moment;

/// What a search through all of them finds.
fn expected(made: &[(Revision, Timestamp)], time: Timestamp, upto: Revision) -> Moment {
    let made = || made.iter().filter(|(revision, _)| *revision <= upto);
    let last = made().rfind(|(_, at)| *at <= time).map_or(Revision(0), |(revision, _)| *revision);
    Moment { last, is_over: made().any(|(_, at)| *at > time) }
}

#[test]
fn a_time_lies_behind_every_change_that_was_made_by_then() {
    for seed in crate::dice::seeds("STATE_SEED", 3) {
        println!("replay with STATE_SEED={seed}");
        let mut bench = Bench::new();
        let mut commands = Commands::new(seed);
        let initialised = bench.store.reader().change(Revision(1)).unwrap().unwrap();
        let mut made = vec![(initialised.revision, initialised.at)];
        made.extend(fill(&mut bench, &mut commands, 300).iter().map(|change| (change.revision, change.at)));
        let (reader, last) = (bench.store.reader(), Revision(bench.next - 1));
        assert!(made.is_sorted_by_key(|(_, at)| *at));
        assert!(made.windows(2).any(|pair| pair[0].1 == pair[1].1), "no two were made at the same time");
        let times = made.iter().flat_map(|(_, at)| [at.minus_ms(1), *at, at.plus_ms(1)]);
        for time in times.chain([Timestamp::MIN, Timestamp::MAX]) {
            for upto in [last, Revision(last.0 / 2), Revision(1), Revision(0)] {
                assert_eq!(reader.moment(time, upto).unwrap(), expected(&made, time, upto), "{time} up to {upto}");
            }
        }
    }
}

#[test]
fn history_begins_with_the_first_change_that_is_kept() {
    let reader_of = |bench: &Bench| bench.store.reader();
    assert_eq!(reader_of(&Bench::empty()).history_begins().unwrap(), None);
    let mut bench = Bench::new();
    let first = reader_of(&bench).change(Revision(1)).unwrap().unwrap();
    assert_eq!(reader_of(&bench).history_begins().unwrap(), Some((first.revision, first.at)));
    let mut commands = Commands { deletes_tenants: false, ..Commands::new(1) };
    let made = fill(&mut bench, &mut commands, 50);
    let floor = &made[30];
    let mut compact = envelope(&TenantId::system(), Command::CompactHistory(CompactHistory { floor: floor.revision }));
    compact.version = portcullis_machine::VERSION_SUPPORTED;
    bench.done(compact);
    assert_eq!(reader_of(&bench).history_begins().unwrap(), Some((floor.revision, floor.at)));
}
