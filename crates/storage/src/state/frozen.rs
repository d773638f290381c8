//! The keys of every family, the values that only the store knows, and the state hash.

use portcullis_machine::MemoryKey;
use portcullis_model::{GroupId, NodeId, Relationship, Revision, Timestamp};

use super::Sum;
use super::batch::Totals;
use super::keys::{Family, Key, Keys};
use super::row;
use crate::frozen::Frozen;

/// The family after another, so that none lacks a key here.
fn after(previous: Option<Family>) -> Option<Family> {
    Some(match previous {
        None => Family::Meta,
        Some(Family::Meta) => Family::Tenant,
        Some(Family::Tenant) => Family::RetiredNode,
        Some(Family::RetiredNode) => Family::Change,
        Some(Family::Change) => Family::Cluster,
        Some(Family::Cluster) => Family::StartDue,
        Some(Family::StartDue) => Family::EndDue,
        Some(Family::EndDue) => Family::AdmittedNode,
        Some(Family::AdmittedNode) => Family::TupleDue,
        Some(Family::TupleDue) => Family::Role,
        Some(Family::Role) => Family::RoleHeir,
        Some(Family::RoleHeir) => Family::Grant,
        Some(Family::Grant) => Family::GrantBySubject,
        Some(Family::GrantBySubject) => Family::GrantByScope,
        Some(Family::GrantByScope) => Family::GrantByRole,
        Some(Family::GrantByRole) => Family::Tuple,
        Some(Family::Tuple) => Family::TupleBySubject,
        Some(Family::TupleBySubject) => Family::Schema,
        Some(Family::Schema) => Family::Remembered,
        Some(Family::Remembered) => Family::RememberedByAge,
        Some(Family::RememberedByAge) => Family::Totals,
        Some(Family::Totals) => Family::History,
        Some(Family::History) => return None,
    })
}

fn key(family: Family) -> Key {
    let keys = Keys { group: GroupId(0x0102_0304) };
    let tenant = "t".parse().unwrap();
    let (role, grant) = ("r".parse().unwrap(), "g".parse().unwrap());
    let tuple: Relationship = "group:g#member@user:a".parse().unwrap();
    let memory =
        MemoryKey { tenant: "t".parse().unwrap(), caller: "user:a".parse().unwrap(), key: "k".parse().unwrap() };
    match family {
        Family::Meta => keys.global(family).text("applied"),
        Family::Tenant => keys.tenant(&tenant),
        Family::RetiredNode => keys.retired(NodeId(3)),
        Family::Change => keys.change(Revision(0x0506)),
        Family::Cluster => keys.global(family).text("stamp"),
        Family::StartDue | Family::EndDue => keys.due(family, Timestamp(0x0708), &tenant, &grant),
        Family::AdmittedNode => keys.admitted(NodeId(3)),
        Family::TupleDue => keys.tuple_due(Timestamp(0x0708), &tenant, &tuple),
        Family::Role => keys.role(&tenant, &role),
        Family::RoleHeir => keys.role_heirs(&tenant, &role).text("h"),
        Family::Grant => keys.grant(&tenant, &grant),
        Family::GrantBySubject => keys.grants_by_subject(&tenant, &tuple.subject).text("g"),
        Family::GrantByScope => keys.grants_by_scope(&tenant, &tuple.resource).text("g"),
        Family::GrantByRole => keys.grants_by_role(&tenant, &role).text("g"),
        Family::Tuple => keys.tuple(&tenant, &tuple),
        Family::TupleBySubject => keys.tuple_by_subject(&tenant, &tuple),
        Family::Schema => keys.schema(&tenant),
        Family::Remembered => keys.remembered(&memory),
        Family::RememberedByAge => keys.remembered_by_age(&memory, Revision(9)),
        Family::Totals => keys.of(&tenant, family),
        Family::History => keys.history(&tenant, &keys.role(&tenant, &role), Revision(5), Revision(6)),
    }
}

#[test]
fn keys_and_rows_are_frozen() {
    let mut frozen = Frozen::new(include_str!("../../frozen/state-v1.txt"));
    let mut family = after(None);
    while let Some(one) = family {
        frozen.bytes(&format!("key/{one:?}"), key(one).as_bytes());
        assert_eq!(Family::of(key(one).as_bytes()), Some(one));
        family = after(Some(one));
    }
    // What a relationship holds under is its row, and nothing if it holds always.
    frozen.bytes("row/Tuple", &row::encode(Revision(0x0506), &()));
    frozen.bytes("row/Tuple/qualified", &row::encode(Revision(0x0506), &crate::frozen::tuple().qualifier));
    let keys = Keys { group: GroupId(1) };
    for name in ["applied", "membership", "sum", "incoming"] {
        frozen.bytes(&format!("key/Meta/{name}"), keys.global(Family::Meta).text(name).as_bytes());
    }
    for name in ["id", "version", "stamp", "leases", "history", "trust"] {
        frozen.bytes(&format!("key/Cluster/{name}"), keys.global(Family::Cluster).text(name).as_bytes());
    }
    frozen.bytes("key/time-before-1970", keys.global(Family::EndDue).time(Timestamp(-1)).as_bytes());
    frozen.value("Totals", &Totals { sum: [4; 32], remembered: 300 });
    let applied: (u64, u64) = (2, 9);
    frozen.bytes("row/applied", &row::encode(Revision(9), &applied));
    frozen.bytes("row/membership", &row::encode(Revision(9), &vec![1_u8, 2]));
    frozen.bytes("row/sum", &row::encode(Revision(9), &[4_u8; 32]));
    frozen.bytes("row/stamp", &row::encode(Revision(9), &-5_i64));
    frozen.bytes("row/nothing", &row::encode(Revision(9), &()));
    frozen.bytes("sum", &Sum::of_row(b"key", b"value").to_bytes());
    frozen.finish();
}
