//! What footprints declare, and that they declare nothing else: `apply` asserts that effects lie within them, which is
//! worth as much as they are narrow.

use portcullis_model::{
    GrantFilter, GrantState, NodeId, Relationship, Revision, Role, Tenant, TenantId, Timestamp, Tuple,
};

use super::granted;
use crate::command::{
    CreateGrant, CreateRole, CreateTenant, DeleteRelationships, DeleteRole, DeleteTenant, DueEnd, DueStart, End,
    ExpireGrants, RevokeByFilter, RevokeGrants, StartGrants, Update, UpdateRole, WriteRelationships,
};
use crate::{Command, Effect};

const ENDED: GrantState = GrantState::Ended { at: Timestamp(0) };

fn covers(command: &Command, effect: &Effect) -> bool {
    command.footprint(&TenantId::default_tenant()).covers(effect)
}

/// Asserts that a command declares an effect, and that it does not declare others which are almost the same.
#[track_caller]
fn only(command: &Command, declared: &Effect, others: &[Effect]) {
    assert!(covers(command, declared), "{command:?} may do {declared:?}");
    for other in others {
        assert!(!covers(command, other), "{command:?} may not do {other:?}");
    }
}

fn put(tenant: &str, words: [&str; 4], state: GrantState) -> Effect {
    Effect::PutGrant { tenant: tenant.parse().unwrap(), grant: Box::new(granted(words, state)) }
}

const GRANT: [&str; 4] = ["g", "user:u", "viewer", "document:d"];

/// Grants that differ from [`GRANT`] in one thing each.
fn unlike(state: &GrantState) -> Vec<Effect> {
    let [id, subject, role, scope] = GRANT;
    vec![
        put("other", GRANT, state.clone()),
        put("default", ["h", subject, role, scope], state.clone()),
        put("default", [id, "user:v", role, scope], state.clone()),
        put("default", [id, subject, "editor", scope], state.clone()),
        put("default", [id, subject, role, "document:e"], state.clone()),
    ]
}

#[test]
fn grants_are_made_and_started_as_the_command_says() {
    let [id, subject, role, scope] = GRANT;
    let create = Command::CreateGrant(Box::new(CreateGrant {
        id: id.parse().unwrap(),
        subject: subject.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: scope.parse().unwrap(),
        start: None,
        end: End::Never,
    }));
    let start = Command::StartGrants(StartGrants {
        due: vec![DueStart {
            tenant: TenantId::default_tenant(),
            id: id.parse().unwrap(),
            version: Revision(1),
            subject: subject.parse().unwrap(),
            role: role.parse().unwrap(),
            scope: scope.parse().unwrap(),
        }],
    });
    let mut others = unlike(&GrantState::Active);
    others.push(put("default", GRANT, ENDED));
    for command in [create, start] {
        only(&command, &put("default", GRANT, GrantState::Active), &others);
        assert!(covers(&command, &put("default", GRANT, GrantState::Scheduled)));
    }
}

#[test]
fn grants_are_ended_by_id_or_by_filter() {
    let id = || GRANT[0].parse().unwrap();
    let revoke = Command::RevokeGrants(RevokeGrants { ids: [id()].into() });
    let due = DueEnd { tenant: TenantId::default_tenant(), id: id(), version: Revision(1) };
    let expire = Command::ExpireGrants(ExpireGrants { due: vec![due] });
    let unlike = unlike(&ENDED);
    let [other_tenant, other_id, other_subject, other_role, other_scope] = unlike.as_slice() else { unreachable!() };
    let live = put("default", GRANT, GrantState::Active);
    for command in [revoke, expire] {
        only(&command, &put("default", GRANT, ENDED), &[other_tenant.clone(), other_id.clone(), live.clone()]);
    }
    let [_, subject, role, scope] = GRANT;
    let filters = [
        (GrantFilter { subject: subject.parse().ok(), ..GrantFilter::default() }, Some(other_subject)),
        (GrantFilter { role: role.parse().ok(), ..GrantFilter::default() }, Some(other_role)),
        (GrantFilter { scope: scope.parse().ok(), ..GrantFilter::default() }, Some(other_scope)),
        (GrantFilter::default(), None),
    ];
    for (filter, other) in filters {
        let command = Command::RevokeByFilter(RevokeByFilter { filter });
        only(&command, &put("default", GRANT, ENDED), &[other_tenant.clone(), live.clone()]);
        assert!(covers(&command, other_id));
        assert!(other.is_none_or(|other| !covers(&command, other)), "{command:?}");
    }
}

#[test]
fn roles_are_made_changed_and_deleted() {
    let (id, permissions, inherits) = (|| "viewer".parse().unwrap(), [].into(), [].into());
    let put = |tenant: &str, id: &str, modified: u64| {
        let (created, modified) = (Revision(1), Revision(modified));
        let role = Role { id: id.parse().unwrap(), permissions: [].into(), inherits: [].into(), created, modified };
        Effect::PutRole { tenant: tenant.parse().unwrap(), role }
    };
    let delete =
        |tenant: &str, id: &str| Effect::DeleteRole { tenant: tenant.parse().unwrap(), role: id.parse().unwrap() };
    let new = put("default", "viewer", 1);
    // A role that is replaced takes away what it named before.
    let (changed, deleted) = (put("default", "viewer", 2), delete("default", "viewer"));
    let others = [put("other", "viewer", 1), put("default", "editor", 1)];
    let create = Command::CreateRole(CreateRole { id: id(), permissions, inherits });
    only(&create, &new, &[&others[..], &[changed.clone(), deleted.clone()]].concat());
    let update = Command::UpdateRole(UpdateRole { id: id(), permissions: [].into(), inherits: [].into() });
    only(&update, &changed, &[put("other", "viewer", 2), put("default", "editor", 2)]);
    let gone = Command::DeleteRole(DeleteRole { id: id() });
    only(&gone, &deleted, &[delete("other", "viewer"), delete("default", "editor"), new, changed]);
}

#[test]
fn relationships_are_put_and_deleted() {
    let (alice, bob) = ("group:eng#member@user:alice", "group:eng#member@user:bob");
    let put = |tenant: &str, text: &str| Effect::PutRelationship {
        tenant: tenant.parse().unwrap(),
        relationship: text.parse().unwrap(),
    };
    let delete = |tenant: &str, text: &str| Effect::DeleteRelationship {
        tenant: tenant.parse().unwrap(),
        relationship: text.parse().unwrap(),
    };
    let (added, removed) = (put("default", alice), delete("default", alice));
    for verb in [Update::Create, Update::Touch] {
        let verb: fn(Relationship) -> Update = verb;
        let command = Command::WriteRelationships(WriteRelationships { updates: vec![verb(alice.parse().unwrap())] });
        only(&command, &added, &[put("other", alice), put("default", bob), removed.clone()]);
    }
    // What is touched may have held always, and then an update that adds takes away as well.
    let under = |text: &str| format!("{text}[c]").parse::<Tuple>().unwrap();
    let qualified = Effect::put("default".parse().unwrap(), under(alice));
    let create = WriteRelationships { updates: vec![Update::create(under(alice))] };
    only(&Command::WriteRelationships(create), &qualified, std::slice::from_ref(&removed));
    let touch = Command::WriteRelationships(WriteRelationships { updates: vec![Update::touch(under(alice))] });
    assert!(covers(&touch, &qualified) && covers(&touch, &removed));
    assert!(!covers(&touch, &delete("default", bob)) && !covers(&touch, &put("other", alice)));
    let updates = vec![Update::Delete(alice.parse().unwrap())];
    let command = Command::WriteRelationships(WriteRelationships { updates });
    only(&command, &removed, &[delete("other", alice), delete("default", bob), added.clone()]);
    let filter = "group:eng@user:alice".parse().unwrap();
    let command = Command::DeleteRelationships(DeleteRelationships { filter });
    only(&command, &removed, &[delete("other", alice), delete("default", bob), added]);
}

#[test]
fn tenants_are_made_and_dropped() {
    let acme: TenantId = "acme".parse().unwrap();
    let made = |id: &TenantId| Effect::PutTenant(Tenant { id: id.clone(), created: Revision(1) });
    let other = TenantId::default_tenant();
    let create = Command::CreateTenant(CreateTenant { id: acme.clone() });
    only(&create, &made(&acme), &[made(&other), Effect::DropTenant(acme.clone())]);
    let delete = Command::DeleteTenant(DeleteTenant { id: acme.clone() });
    only(&delete, &Effect::DropTenant(acme.clone()), &[Effect::DropTenant(other), made(&acme)]);
    // No answer depends on nodes, so nothing has to be declared for them.
    assert!(covers(&create, &Effect::AdmitNode(NodeId(1))));
}

#[test]
fn many_effects_are_looked_for_in_any_order() {
    let relationship = |nth: usize| format!("group:eng#member@user:u{nth}").parse::<Relationship>().unwrap();
    let updates = (0..20).map(|nth| Update::Touch(relationship(nth))).collect();
    let footprint = Command::WriteRelationships(WriteRelationships { updates }).footprint(&TenantId::default_tenant());
    let put = |nth| Effect::put(TenantId::default_tenant(), relationship(nth).into());
    let orders: [Vec<usize>; 4] = [(0..20).collect(), (0..20).rev().collect(), vec![19, 0, 19, 19, 7], vec![3; 30]];
    for order in orders {
        let mut effects: Vec<Effect> = order.iter().map(|nth| put(*nth)).collect();
        assert_eq!(footprint.first_not_covered(&effects), None, "{order:?}");
        effects.insert(order.len() / 2, put(20));
        assert_eq!(footprint.first_not_covered(&effects), Some(&put(20)), "{order:?}");
    }
}
