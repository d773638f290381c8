//! Lists by pages, what has come, and what is kept of the past.

use portcullis_machine::command::{CreateGrant, CreateRole, End, RevokeGrants};
use portcullis_model::{GrantFilter, Tuple, TupleFilter};

use super::*;
use crate::state::{Page, StoreError};

/// Reads all pages of so many items; each is full but the last, and no empty one is announced.
fn all_pages<T>(most: usize, page: impl Fn(Option<&[u8]>, usize) -> Result<Page<T>, StoreError>) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = page(after.as_deref(), most).unwrap();
        let is_last = page.next.is_none();
        assert!(if is_last { page.items.len() <= most } else { page.items.len() == most });
        assert!(!page.items.is_empty() || (items.is_empty() && is_last), "an empty page was announced");
        items.extend(page.items);
        if is_last {
            return items;
        }
        after = page.next;
    }
}

fn create_role(id: &str) -> Envelope {
    let role = CreateRole { id: role(id), permissions: [].into(), inherits: [].into() };
    envelope(&TenantId::default_tenant(), Command::CreateRole(role))
}

fn create_grant(id: &str, subject: &str, start_ms: Option<u64>, end_ms: Option<u64>) -> Envelope {
    let create = CreateGrant {
        id: grant_id(id),
        subject: subject.parse().unwrap(),
        role: role("viewer"),
        scope: "document:a".parse().unwrap(),
        start: start_ms.map(|ms| NOW.plus_ms(ms)),
        end: end_ms.map_or(End::Never, |ms| End::At(NOW.plus_ms(ms))),
    };
    envelope(&TenantId::default_tenant(), Command::CreateGrant(Box::new(create)))
}

#[test]
fn pages_hold_each_item_once_in_order() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    // Ids of which some begin others, given in no order.
    let mut ids: Vec<String> = ["b", "a-", "a", "ab", "a.b", "a/b", "a_", "A", "0", "z"].map(str::to_owned).into();
    ids.extend((0..13).map(|n| format!("n{n}")));
    bench.done(create_role("viewer"));
    for (n, id) in ids.iter().enumerate() {
        bench.done(create_tenant(id));
        bench.done(create_role(id));
        bench.done(create_grant(id, ["user:a", "user:ab"][n % 2], None, None));
        let relationship = format!("group:{id}#member@user:a");
        bench.done(write(&here, vec![touch(&relationship), touch(&format!("group:{id}#member@group:{id}#member"))]));
    }
    let revoked = ["a", "n3"].map(grant_id);
    bench.done(envelope(&here, Command::RevokeGrants(RevokeGrants { ids: revoked.clone().into() })));
    ids.sort();
    let reader = bench.store.reader();
    let mine = GrantFilter { subject: Some("user:a".parse().unwrap()), ..GrantFilter::default() };
    for most in [1, 2, 5, 23, 24, 1_000] {
        let tenants = all_pages(most, |after, most| reader.present().unwrap().tenants(after, most));
        let mut expected: Vec<String> = ids.iter().cloned().chain(["default".into(), "system".into()]).collect();
        expected.sort();
        assert!(tenants.iter().map(|tenant| tenant.id.as_str()).eq(expected));
        let roles = all_pages(most, |after, most| reader.present().unwrap().roles(&here, after, most));
        let mut expected: Vec<String> = ids.iter().cloned().chain(["viewer".into()]).collect();
        expected.sort();
        assert!(roles.iter().map(|role| role.id.as_str()).eq(expected));

        let everything = GrantFilter::default();
        let all =
            all_pages(most, |after, most| reader.present().unwrap().grants(&here, &everything, false, after, most));
        assert!(all.iter().map(|grant| grant.id.as_str()).eq(&ids));
        let live =
            all_pages(most, |after, most| reader.present().unwrap().grants(&here, &everything, true, after, most));
        assert!(live.iter().eq(all.iter().filter(|grant| !revoked.contains(&grant.id))));
        let of_one = all_pages(most, |after, most| reader.present().unwrap().grants(&here, &mine, true, after, most));
        assert!(of_one.iter().eq(live.iter().filter(|grant| mine.matches(grant))));

        let all = all_pages(most, |after, most| {
            reader.present().unwrap().relationships(&here, &TupleFilter::default(), after, most)
        });
        let mut expected: Vec<Tuple> = all.clone();
        expected.sort_by_key(|Tuple { relationship: one, .. }| {
            (one.resource.clone(), one.relation.clone(), one.subject.to_string())
        });
        expected.dedup();
        assert_eq!((all.len(), &all), (2 * ids.len(), &expected));
        let of_one: TupleFilter = "*@user:a".parse().unwrap();
        let one = all_pages(most, |after, most| reader.present().unwrap().relationships(&here, &of_one, after, most));
        assert!(one.iter().eq(all.iter().filter(|tuple| of_one.matches(&tuple.relationship))));
        let none = all_pages(most, |after, most| {
            reader.present().unwrap().relationships(&here, &"user".parse().unwrap(), after, most)
        });
        assert_eq!(none, []);
    }
}

/// A page that begins behind an item that has gone since goes on behind it.
#[test]
fn pages_survive_what_happens_between_them() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    let member = |n: usize| format!("group:g#member@user:u{n}");
    bench.done(write(&here, (0..6).map(|n| touch(&member(n))).collect()));
    let reader = bench.store.reader();
    let everything = TupleFilter::default();
    let first = reader.present().unwrap().relationships(&here, &everything, None, 3).unwrap();
    bench.done(write(&here, vec![Update::Delete(member(2).parse().unwrap()), touch("group:g#member@user:u1x")]));
    let second = reader.present().unwrap().relationships(&here, &everything, first.next.as_deref(), 3).unwrap();
    let texts =
        |page: &Page<Tuple>| page.items.iter().map(|one| one.relationship.subject.to_string()).collect::<Vec<_>>();
    assert_eq!(texts(&first), ["user:u0", "user:u1", "user:u2"]);
    assert_eq!((texts(&second), second.next), (["user:u3", "user:u4", "user:u5"].map(str::to_owned).into(), None));
}

#[test]
fn starts_and_ends_come_in_the_order_of_time() {
    let mut bench = Bench::new();
    bench.done(create_role("viewer"));
    for (id, start, end) in [
        ("z", Some(1_000), Some(9_000)),
        ("a", Some(3_000), None),
        ("m", Some(2_000), Some(2_500)),
        ("b", None, Some(1_500)),
        ("c", None, None),
        ("d", None, Some(256)),
    ] {
        bench.done(create_grant(id, "user:a", start, end));
    }
    let reader = bench.store.reader();
    let due = |start_ms, end_ms, most| {
        let due = reader.due(NOW.plus_ms(start_ms), NOW.plus_ms(end_ms), most).unwrap();
        let starts: Vec<String> = due.starts.iter().map(|due| due.id.to_string()).collect();
        let ends: Vec<String> = due.ends.iter().map(|due| due.id.to_string()).collect();
        (starts.join(" "), ends.join(" "))
    };
    let of = |starts: &str, ends: &str| (starts.to_owned(), ends.to_owned());
    assert_eq!(due(10_000, 10_000, 10), of("z m a", "d b m z"));
    assert_eq!(due(2_000, 2_499, 10), of("z m", "d b"));
    assert_eq!(due(999, 255, 10), of("", ""));
    assert_eq!(due(1_000, 256, 10), of("z", "d"));
    assert_eq!(due(10_000, 10_000, 2), of("z m", "d b"));
    // Times before 1970 come before those after it.
    let early = reader.due(Timestamp(-5), Timestamp(i64::MIN), 10).unwrap();
    assert!(early.starts.is_empty() && early.ends.is_empty());
}

#[test]
fn ended_grants_are_no_longer_due() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    bench.done(create_role("viewer"));
    bench.done(create_grant("g", "user:a", Some(1_000), Some(2_000)));
    let far = NOW.plus_ms(10_000);
    assert_eq!(bench.store.reader().due(far, far, 10).unwrap().starts.len(), 1);
    bench.done(envelope(&here, Command::RevokeGrants(RevokeGrants { ids: [grant_id("g")].into() })));
    let due = bench.store.reader().due(far, far, 10).unwrap();
    assert!(due.starts.is_empty() && due.ends.is_empty());
    let index = |family| rows(&bench.store).iter().filter(|(key, _)| Family::of(key) == Some(family)).count();
    assert_eq!((index(Family::StartDue), index(Family::EndDue), index(Family::GrantByRole)), (0, 0, 0));
}

fn member(n: u64) -> Update {
    touch(&format!("group:g#member@user:u{n}"))
}

#[test]
fn versions_are_kept_for_a_while_and_published_ones_are_read() {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    let count = |view: &View| view.resident.tenant(&TenantId::default_tenant()).map(|index| index.relationships());
    for n in 0..1_100 {
        bench.done(write(&here, vec![member(n)]));
    }
    let reader = bench.store.reader();
    // The entry at 1 was the first command; the one at n + 2 wrote member n.
    let last = bench.next - 1;
    for (revision, expected) in [(last, Some(1_100)), (last - 1, Some(1_099)), (last - 999, Some(101))] {
        let view = reader.view_at(&TenantId::default_tenant(), Revision(revision)).unwrap();
        assert_eq!(view.as_deref().and_then(count), expected, "at {revision}");
        assert_eq!(view.unwrap().revision, Revision(revision));
    }
    let view_at = |revision| reader.view_at(&TenantId::default_tenant(), Revision(revision)).unwrap();
    assert!(view_at(last - 1_040).is_none() && view_at(1).is_none());
    // Entries that change nothing have the version of the one before.
    bench.store.apply_blank(at(last + 1)).unwrap();
    bench.store.apply(at(last + 2), write(&here, vec![member(5_000)])).unwrap();
    assert!(view_at(last + 1).is_none(), "it is not published");
    assert!(view_at(last + 2).is_none(), "it is not published");
    assert_eq!(count(&reader.view()), Some(1_100));
    bench.store.publish().unwrap();
    assert_eq!(view_at(last + 1).as_deref().and_then(count), Some(1_100));
    assert_eq!(view_at(last + 2).as_deref().and_then(count), Some(1_101));
    assert!(view_at(last + 3).is_none());
}

#[test]
fn state_hashes_are_kept_for_a_while() {
    let mut bench = Bench::new();
    let first = bench.store.sum;
    for index in 2..=10_101 {
        bench.store.apply_blank(at(index)).unwrap();
    }
    bench.store.publish().unwrap();
    let reader = bench.store.reader();
    assert_eq!(reader.state_hash(Revision(10_101)), Some(first));
    assert_eq!(reader.state_hash(Revision(102)), Some(first));
    assert_eq!((reader.state_hash(Revision(101)), reader.state_hash(Revision(10_102))), (None, None));
    drop(reader);
    bench.reopen();
    let reader = bench.store.reader();
    assert_eq!(reader.state_hash(Revision(10_101)), Some(first), "the last one is known after a restart");
    assert_eq!(reader.state_hash(Revision(10_100)), None);
}
