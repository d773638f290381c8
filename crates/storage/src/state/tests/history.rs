//! Earlier versions of rows: from the revision that made them up to the one that replaced them.

use std::collections::BTreeMap;

use portcullis_machine::StoredSchema;
use portcullis_model::{Grant, GrantFilter, Role, Tuple, TupleFilter};

use super::commands::{Commands, GRANTS, ROLES, TENANTS};
use super::*;
use crate::state::{Due, Page, Past, PastError, Reader, Ripe, row};

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

/// What was to be read at a revision while it was the newest.
struct Then {
    rows: Rows,
    stamp: Timestamp,
    answers: Vec<(String, Bounds)>,
    lists: Vec<Lists>,
}

/// What is in a tenant, by its lists.
#[derive(Debug, PartialEq)]
struct Lists {
    roles: Vec<Role>,
    grants: Vec<Grant>,
    live: Vec<Grant>,
    relationships: Vec<Tuple>,
    schema: Option<StoredSchema>,
}

/// Reads a whole list, page by page.
fn all<T, E: std::fmt::Debug>(page: impl Fn(Option<&[u8]>) -> Result<Page<T>, E>) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let Page { items: some, next } = page(after.as_deref()).unwrap();
        items.extend(some);
        let Some(next) = next else { return items };
        after = Some(next);
    }
}

fn lists(reader: &Reader, name: &str) -> Lists {
    let (tenant, grants, relationships) = (tenant(name), GrantFilter::default(), TupleFilter::default());
    let rows = reader.present().unwrap();
    Lists {
        roles: all(|after| rows.roles(&tenant, after, 100)),
        grants: all(|after| rows.grants(&tenant, &grants, false, after, 100)),
        live: all(|after| rows.grants(&tenant, &grants, true, after, 100)),
        relationships: all(|after| rows.relationships(&tenant, &relationships, after, 100)),
        schema: rows.schema(&tenant).unwrap(),
    }
}

fn past_lists(past: &Past, name: &str) -> Lists {
    let (tenant, grants, relationships) = (tenant(name), GrantFilter::default(), TupleFilter::default());
    let found = Lists {
        roles: all(|after| past.roles(&tenant, after, 1)),
        grants: all(|after| past.grants(&tenant, &grants, false, after, 2)),
        live: all(|after| past.grants(&tenant, &grants, true, after, 3)),
        relationships: all(|after| past.relationships(&tenant, &relationships, after, 2)),
        schema: past.schema(&tenant).unwrap(),
    };
    for role in ROLES.map(role) {
        assert_eq!(past.role(&tenant, &role).unwrap().as_ref(), found.roles.iter().find(|found| found.id == role));
    }
    for grant in GRANTS.map(grant_id) {
        assert_eq!(past.grant(&tenant, &grant).unwrap().as_ref(), found.grants.iter().find(|found| found.id == grant));
    }
    found
}

/// Every past state that is kept is what the present and the history say of it, and what is older is gone.
#[test]
fn past_states_can_be_read_from_the_history() {
    for seed in crate::dice::seeds("STATE_SEED", 3) {
        println!("replay with STATE_SEED={seed}");
        let mut bench = Bench::new();
        let mut commands = Commands { deletes_tenants: false, ..Commands::new(seed) };
        let mut past: BTreeMap<u64, Then> = BTreeMap::new();
        for _ in 0..500 {
            let reader = bench.store.reader();
            let due = reader.due(commands.now, commands.now, 100).unwrap();
            let applied = bench.apply(commands.next(&due));
            let then = Then {
                rows: kept(&bench.store),
                stamp: applied.change.at,
                answers: answers(&reader.view()),
                lists: TENANTS.iter().map(|name| lists(&reader, name)).collect(),
            };
            past.insert(applied.change.revision.0, then);
        }
        let floor = bench.store.reader().history_floor().unwrap().0;
        assert!((1..400).contains(&floor), "history begins at {floor}");
        let (present, history) = (kept(&bench.store), history(&bench.store));
        assert!(history.len() > 10, "{} rows of history", history.len());
        for (of, created, deleted, value) in &history {
            assert!(created < deleted && floor < *deleted, "{}: [{created}, {deleted})", of.escape_ascii());
            assert_eq!(row::revision(value).unwrap(), Revision(*created));
        }
        for (revision, then) in past {
            if revision < floor {
                let refused = bench.store.reader().past(Revision(revision)).stamp(&TenantId::default_tenant());
                let says = format!("revision {revision} is no longer kept: history begins at revision {floor};");
                assert!(refused.unwrap_err().to_string().starts_with(&says));
                continue;
            }
            let now = present.iter().filter(|(_, value)| row::revision(value).unwrap().0 <= revision);
            let mut rows: Rows = now.map(|(key, value)| (key.clone(), value.clone())).collect();
            for (of, created, deleted, value) in &history {
                if (*created..*deleted).contains(&revision) {
                    assert!(rows.insert(of.clone(), value.clone()).is_none(), "two versions at {revision}");
                }
            }
            assert!(rows == then.rows, "the rows at {revision} are not those of then");
            compare_past(&bench.store.reader().past(Revision(revision)), &then);
        }
    }
}

fn compare_past(past: &Past, then: &Then) {
    for (name, lists) in TENANTS.iter().zip(&then.lists) {
        assert_eq!(past_lists(past, name), *lists, "{name} at {}", past.revision);
        let tenant = tenant(name);
        let Some(stamp) = past.stamp(&tenant).unwrap() else {
            assert!(!then.answers.iter().any(|(question, _)| question.starts_with(&format!("{name}: "))), "{name}");
            continue;
        };
        assert_eq!(stamp, then.stamp);
        for is_spilled in [false, true] {
            let ours = answers(&past.view(&tenant, is_spilled, &|| false).unwrap());
            let theirs = then.answers.iter().filter(|(question, _)| question.starts_with(&format!("{name}: ")));
            assert!(ours.iter().eq(theirs), "{name} at {}, spilled: {is_spilled}", past.revision);
        }
    }
}

/// A tenant that goes takes its history with it, and one that comes again under its name has none from before.
#[test]
fn a_tenant_that_is_gone_has_no_past() {
    let mut bench = Bench::new();
    let (member, t) = ("group:g#member@user:a", tenant("t"));
    let before = bench.done(create_tenant("t"));
    let written = bench.done(write(&t, vec![touch(member)]));
    bench.done(write(&t, vec![Update::Delete(member.parse().unwrap())]));
    let all = |past: Past| past.relationships(&t, &TupleFilter::default(), None, 9).unwrap().items.len();
    let reader = bench.store.reader();
    assert_eq!((all(reader.past(before)), all(reader.past(written))), (0, 1));
    assert_eq!(reader.past(Revision(before.0 - 1)).stamp(&t).unwrap(), None);
    bench.done(delete_tenant("t"));
    assert_eq!(reader.past(written).stamp(&t).unwrap(), None);
    bench.done(create_tenant("t"));
    assert_eq!(reader.past(written).stamp(&t).unwrap(), None);
    assert_eq!(all(reader.past(written)), 0);
}

/// Whoever no longer waits is not answered.
#[test]
fn an_earlier_state_is_not_made_for_nobody() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    let members = |to: usize| (0..to).map(|nth| touch(&format!("group:g#member@user:u{nth}"))).collect();
    let at = bench.done(write(&here, members(1_000)));
    let past = bench.store.reader().past(at);
    assert!(past.view(&here, false, &|| false).is_ok());
    assert!(matches!(past.view(&here, false, &|| true), Err(PastError::Late)));
}

/// What may go is found in bounded steps, each from where the one before ended.
#[test]
fn history_ripens_change_by_change() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    let mut at = |text: &str, ms: i64| {
        let mut write = write(&here, vec![touch(text)]);
        write.stamp.reading_ms = NOW.0 + ms;
        bench.done(write)
    };
    let (first, second) = (at("group:g#member@user:a", 1_000), at("group:g#member@user:b", 2_000));
    for nth in 0..1_500 {
        at(&format!("group:g#member@user:u{nth}"), 2_000);
    }
    let reader = bench.store.reader();
    let ripe = |after: Revision, ms: i64| reader.ripe(after, Timestamp(NOW.0 + ms)).unwrap();
    assert_eq!(ripe(Revision(0), -1), None);
    assert_eq!(ripe(Revision(0), 0), Some(Ripe { upto: Revision(1), replaces: false, more: false }));
    assert_eq!(ripe(Revision(0), 1_999), Some(Ripe { upto: first, replaces: true, more: false }));
    assert_eq!(ripe(first, 1_999), None);
    let some = ripe(first, 2_000).unwrap();
    assert_eq!(some, Ripe { upto: Revision(second.0 + 999), replaces: true, more: true });
    let rest = ripe(some.upto, 9_000).unwrap();
    assert_eq!(rest, Ripe { upto: Revision(second.0 + 1_500), replaces: true, more: false });
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
