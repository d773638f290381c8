//! Tenants that go, and come again.

use std::num::NonZeroU64;

use portcullis_machine::command::{CreateGrant, CreateRole, End};
use portcullis_machine::{Change, Effect, Idempotency, State};
use portcullis_model::{GrantFilter, Role, Tenant, TupleFilter};

use super::*;
use crate::state::Due;
use crate::state::batch::Batch;

/// Gives a tenant something in every family.
fn furnish(bench: &mut Bench, name: &str) {
    let tenant = tenant(name);
    let role = CreateRole {
        id: "viewer".parse().unwrap(),
        permissions: ["document#view".parse().unwrap()].into(),
        inherits: [].into(),
    };
    bench.done(envelope(&tenant, Command::CreateRole(role)));
    let heir = CreateRole {
        id: "editor".parse().unwrap(),
        permissions: [].into(),
        inherits: ["viewer".parse().unwrap()].into(),
    };
    bench.done(envelope(&tenant, Command::CreateRole(heir)));
    for (id, start) in [("now", None), ("later", Some(NOW.plus_ms(50_000)))] {
        let create = CreateGrant {
            id: id.parse().unwrap(),
            subject: "user:a".parse().unwrap(),
            role: "viewer".parse().unwrap(),
            scope: "document:a".parse().unwrap(),
            start,
            end: End::After(NonZeroU64::new(90_000).unwrap()),
        };
        let mut create = envelope(&tenant, Command::CreateGrant(Box::new(create)));
        create.idempotency = Some(Idempotency { key: id.parse().unwrap(), digest: [1; 32] });
        bench.done(create);
    }
    bench.done(write(&tenant, vec![touch("group:g#member@user:a"), touch("document:a#parent@folder:f")]));
    bench.done(write(&tenant, vec![Update::Delete("document:a#parent@folder:f".parse().unwrap())]));
}

fn rows_of(store: &Store, name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let prefix = Key::tenant(GroupId::FIRST, &tenant(name));
    rows(store).into_iter().filter(|(key, _)| key.starts_with(prefix.as_bytes())).collect()
}

fn dues(store: &Store, name: &str) -> usize {
    let Due { starts, ends, relationships } = store.reader().due(Timestamp::MAX, Timestamp::MAX, 100).unwrap();
    let tenant = tenant(name);
    starts.iter().filter(|due| due.tenant == tenant).count()
        + ends.iter().filter(|due| due.tenant == tenant).count()
        + relationships.iter().filter(|due| due.tenant == tenant).count()
}

#[test]
fn a_deleted_tenant_leaves_its_change_records_only() {
    let mut bench = Bench::new();
    // Names that begin alike.
    for name in ["t", "t1", "t10"] {
        bench.done(create_tenant(name));
        furnish(&mut bench, name);
    }
    let families = |name: &str, bench: &Bench| {
        let rows = rows_of(&bench.store, name);
        rows.iter().map(|(key, _)| Family::of(key).unwrap()).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(families("t1", &bench) >= 12, "the tenant lacks rows of some families");
    let before = (rows_of(&bench.store, "t"), rows_of(&bench.store, "t10"));
    let made = bench.next - 1;
    bench.done(delete_tenant("t1"));
    assert_eq!(rows_of(&bench.store, "t1"), []);
    assert_eq!((rows_of(&bench.store, "t"), rows_of(&bench.store, "t10")), before);
    assert_eq!(["t", "t1", "t10"].map(|name| dues(&bench.store, name)), [3, 0, 3]);
    assert_eq!(sum_of_all(&bench.store), bench.store.sum);
    let reader = bench.store.reader();
    assert!((1..=made + 1).all(|index| reader.change(Revision(index)).unwrap().is_some()));
    assert!(reader.view().resident.tenant(&tenant("t1")).is_none());
    let view = answers(&reader.view());
    drop(reader);
    bench.reopen();
    assert_eq!(answers(&bench.store.reader().view()), view);
    assert_eq!(rows_of(&bench.store, "t1"), []);
}

#[test]
fn a_tenant_that_comes_again_is_empty() {
    let mut bench = Bench::new();
    for round in 0..3 {
        bench.done(create_tenant("t1"));
        let (tenant, reads) = (tenant("t1"), &bench.store.reads);
        assert_eq!(reads.remembered_count(&tenant).unwrap(), 0, "round {round}");
        assert_eq!(reads.oldest_remembered(&tenant, 10).unwrap(), []);
        assert_eq!(reads.live_grants(&tenant, &GrantFilter::default(), 10).unwrap(), []);
        assert_eq!(reads.relationships(&tenant, &TupleFilter::default(), 10).unwrap(), []);
        furnish(&mut bench, "t1");
        assert_eq!(bench.store.reads.remembered_count(&tenant).unwrap(), 2);
        assert_eq!(sum_of_all(&bench.store), bench.store.sum);
        // Deleted from within, while it forgets and remembers.
        let mut delete = envelope(&tenant, Command::DeleteTenant(DeleteTenant { id: tenant.clone() }));
        delete.idempotency = Some(Idempotency { key: "delete".parse().unwrap(), digest: [1; 32] });
        delete.stamp.reading_ms += portcullis_model::limit::IDEMPOTENCY_RETENTION_MS * (round + 1);
        let applied = bench.apply(delete);
        assert!(applied.result.is_ok(), "{:?}", applied.result);
        assert_eq!(rows_of(&bench.store, "t1"), []);
        assert_eq!(sum_of_all(&bench.store), bench.store.sum);
        assert_eq!(dues(&bench.store, "t1"), 0);
    }
}

/// No command does it today, but effects are carried out in order, whatever they are.
#[test]
fn a_tenant_may_go_and_come_within_one_change() {
    let mut bench = Bench::new();
    bench.done(create_tenant("t1"));
    furnish(&mut bench, "t1");
    let (id, revision) = (tenant("t1"), Revision(bench.next));
    let grant = bench.store.reads.grant(&id, &grant_id("now")).unwrap().unwrap();
    let role =
        Role { id: role("viewer"), permissions: [].into(), inherits: [].into(), created: revision, modified: revision };
    let put_grant = |name: &str| Effect::PutGrant {
        tenant: id.clone(),
        grant: Box::new(portcullis_model::Grant { id: grant_id(name), ..grant.clone() }),
    };
    let change = Change {
        revision,
        tenant: TenantId::system(),
        actor: actor(),
        reason: None,
        at: NOW,
        salt: [0; 16],
        command: create_tenant("t1").command,
        result: Ok(portcullis_machine::Outcome::Done),
        repeats: None,
        effects: vec![
            put_grant("brief"),
            Effect::DropTenant(id.clone()),
            Effect::PutTenant(Tenant { id: id.clone(), created: revision }),
            Effect::PutRole { tenant: id.clone(), role },
            put_grant("now"),
        ],
    };
    let mut batch = Batch::new(&mut bench.store.reads, revision, bench.store.sum);
    batch.change(&change).unwrap();
    let sum = batch.finish();
    // What it dropped is gone before and after it is written.
    assert_eq!(dues(&bench.store, "t1"), 3);
    bench.store.publish().unwrap();
    assert_eq!(sum_of_all(&bench.store), sum);
    let families: Vec<Family> = rows_of(&bench.store, "t1").iter().map(|(key, _)| Family::of(key).unwrap()).collect();
    let expected = [
        Family::Role,
        Family::Grant,
        Family::GrantBySubject,
        Family::GrantByScope,
        Family::GrantByRole,
        Family::Totals,
    ];
    assert_eq!(families, expected);
    assert_eq!(dues(&bench.store, "t1"), 1);
    let reads = &bench.store.reads;
    assert_eq!(reads.remembered_count(&id).unwrap(), 0);
    assert_eq!(reads.live_grants(&id, &GrantFilter::default(), 10).unwrap(), [grant]);
}
