//! Earlier versions of rows: from the revision that made them up to the one that replaced them.

use std::collections::BTreeMap;

use super::commands::Commands;
use super::*;
use crate::state::Due;
use crate::state::row;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The rows of which history is kept, as they are now.
fn kept(store: &Store) -> Rows {
    let all = rows(store).into_iter();
    all.filter(|(key, _)| Family::of(key).is_some_and(Family::keeps_history)).collect()
}

/// A row of the history: the key that it was of, and when it was so.
fn parse(key: &[u8]) -> (Vec<u8>, u64, u64) {
    let family = key[4..].iter().position(|byte| *byte == 0).unwrap() + 5;
    assert_eq!(key[family], Family::History as u8);
    let (rest, deleted) = key.split_last_chunk::<8>().unwrap();
    let (rest, created) = rest.split_last_chunk::<8>().unwrap();
    let of = [&rest[..family], &rest[family + 1..]].concat();
    (of, u64::from_be_bytes(*created), u64::from_be_bytes(*deleted))
}

fn history(store: &Store) -> Vec<(Vec<u8>, u64, u64, Vec<u8>)> {
    let of_history = rows(store).into_iter().filter(|(key, _)| Family::of(key) == Some(Family::History));
    let parsed = of_history.map(|(key, value)| {
        let (of, created, deleted) = parse(&key);
        (of, created, deleted, value)
    });
    parsed.collect()
}

/// Every past state is what the present and the history say of it.
#[test]
fn past_states_can_be_read_from_the_history() {
    for seed in crate::dice::seeds("STATE_SEED", 3) {
        println!("replay with STATE_SEED={seed}");
        let mut bench = Bench::new();
        let mut commands = Commands { deletes_tenants: false, ..Commands::new(seed) };
        let mut past: BTreeMap<u64, Rows> = BTreeMap::new();
        for _ in 0..400 {
            let due = bench.store.reader().due(commands.now, commands.now, 100).unwrap();
            let applied = bench.apply(commands.next(&due));
            past.insert(applied.change.revision.0, kept(&bench.store));
        }
        let (present, history) = (kept(&bench.store), history(&bench.store));
        assert!(history.len() > 10, "{} rows of history", history.len());
        for (of, created, deleted, value) in &history {
            assert!(created < deleted, "{}: [{created}, {deleted})", of.escape_ascii());
            assert_eq!(row::revision(value).unwrap(), Revision(*created));
        }
        for (revision, expected) in past {
            let now = present.iter().filter(|(_, value)| row::revision(value).unwrap().0 <= revision);
            let mut then: Rows = now.map(|(key, value)| (key.clone(), value.clone())).collect();
            for (of, created, deleted, value) in &history {
                if (*created..*deleted).contains(&revision) {
                    assert!(then.insert(of.clone(), value.clone()).is_none(), "two versions at {revision}");
                }
            }
            assert!(then == expected, "the rows at {revision} are not those of then");
        }
    }
}

/// What was never seen by anybody is no version.
#[test]
fn a_write_that_undoes_itself_leaves_no_version() {
    let mut bench = Bench::new();
    let (here, member) = (TenantId::default_tenant(), "group:g#member@user:a");
    bench.done(write(&here, vec![touch(member), Update::Delete(member.parse().unwrap())]));
    assert_eq!(history(&bench.store), []);
    let created = bench.done(write(&here, vec![touch(member)])).0;
    let delete = Update::Delete(member.parse().unwrap());
    let deleted = bench.done(write(&here, vec![delete.clone(), touch(member), delete])).0;
    let times: Vec<_> = history(&bench.store).into_iter().map(|(_, created, deleted, _)| (created, deleted)).collect();
    assert_eq!(times, [(created, deleted)]);
    assert_eq!(bench.store.reader().due(NOW, NOW, 1).unwrap(), Due::default());
}
