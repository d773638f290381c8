//! The evaluator against a naive oracle, on small dense worlds.

use std::cell::Cell;

use portcullis_model::{Clock, Grant, Object, PermissionName, Relationship, Role, Subject, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

use crate::memory::Memory;
use crate::{Bounds, Budget, Error, Query, check, explain, permissions};

const NOW: Timestamp = Timestamp(1_000_000);
const CLOCK: Clock = Clock { reading: NOW, error_ms: 250 };

/// A world as a list of facts.
#[derive(Clone, Debug, Default)]
struct World {
    roles: Vec<Role>,
    grants: Vec<Grant>,
    relationships: Vec<Relationship>,
}

impl World {
    fn load(&self) -> Memory {
        let mut memory = Memory::default();
        self.roles.iter().cloned().for_each(|role| memory.put_role(role));
        self.grants.iter().for_each(|grant| memory.put_grant(grant));
        self.relationships.iter().for_each(|relationship| memory.put_relationship(relationship));
        memory
    }
}

fn role(id: &str, permissions: &[&str], inherits: &[&str]) -> Role {
    Role {
        id: id.parse().unwrap(),
        permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
        inherits: inherits.iter().map(|text| text.parse().unwrap()).collect(),
        created: portcullis_model::Revision(1),
        modified: portcullis_model::Revision(1),
    }
}

fn grant(id: usize, subject: &str, role: &str, scope: &str, end: Option<Timestamp>) -> Grant {
    let admin = "user:admin".parse().unwrap();
    Grant {
        id: format!("g{id}").parse().unwrap(),
        subject: subject.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: scope.parse().unwrap(),
        window: portcullis_model::Window { start: None, end },
        reason: None,
        granted_by: portcullis_model::Actor {
            caller: admin,
            on_behalf_of: None,
            verified: portcullis_model::Verified::Assumed,
        },
        granted_at: Timestamp(0),
        created: portcullis_model::Revision(1),
        modified: portcullis_model::Revision(1),
        state: portcullis_model::GrantState::Active,
    }
}

/// The definition of the answer, written down as directly as possible: expand everything forwards.
fn oracle(world: &World, subject: &Subject, permission: &PermissionName, resource: &Object) -> Bounds {
    let mut bounds = Bounds::NO;
    for grant in &world.grants {
        let joins = contains(world, &grant.subject, subject, &mut Vec::new())
            && lies_in(world, resource, &grant.scope, &mut Vec::new())
            && holds(world, &grant.role, resource, permission);
        if joins {
            let near_end = grant.window.end.is_some_and(|end| CLOCK.latest() >= end);
            bounds = bounds.or(if near_end { Bounds::MAYBE } else { Bounds::YES });
        }
    }
    bounds
}

fn contains(world: &World, whole: &Subject, part: &Subject, path: &mut Vec<Subject>) -> bool {
    let is_wildcard_of = |part: &Object| *whole == Subject::Wildcard(part.object_type.clone());
    if whole == part || matches!(part, Subject::Object(object) if is_wildcard_of(object)) {
        return true;
    }
    let Subject::Userset { object, relation } = whole else { return false };
    if path.contains(whole) {
        return false;
    }
    path.push(whole.clone());
    let members = world.relationships.iter().filter(|r| r.resource == *object && r.relation == *relation);
    let found = members.into_iter().any(|r| contains(world, &r.subject, part, path));
    path.pop();
    found
}

fn lies_in(world: &World, inner: &Object, outer: &Object, path: &mut Vec<Object>) -> bool {
    if inner == outer {
        return true;
    }
    if path.contains(inner) {
        return false;
    }
    path.push(inner.clone());
    let parents = world.relationships.iter().filter(|r| r.resource == *inner && r.relation.as_str() == "parent");
    let found = parents.into_iter().any(|r| match &r.subject {
        Subject::Object(parent) => lies_in(world, parent, outer, path),
        Subject::Userset { .. } | Subject::Wildcard(_) => false,
    });
    path.pop();
    found
}

fn holds(world: &World, id: &portcullis_model::RoleId, resource: &Object, permission: &PermissionName) -> bool {
    let Some(role) = world.roles.iter().find(|role| role.id == *id) else { return false };
    let named = format!("{}#{permission}", resource.object_type);
    let all = format!("{}#*", resource.object_type);
    role.permissions.iter().any(|pattern| pattern.to_string() == named || pattern.to_string() == all)
        || role.inherits.iter().any(|inherited| holds(world, inherited, resource, permission))
}

fn world() -> impl Strategy<Value = World> {
    let member = (
        0..4_usize,
        prop_oneof![
            3 => (0..4_usize).prop_map(|n| format!("user:u{n}")),
            3 => (0..4_usize).prop_map(|n| format!("group:g{n}#member")),
            1 => Just("user:*".to_owned()),
        ],
    )
        .prop_map(|(group, subject)| format!("group:g{group}#member@{subject}"));
    let parent = (0..3_usize, 0..5_usize, 0..3_usize).prop_map(|(child, kind, parent)| match kind {
        0..=1 => format!("document:d{child}#parent@folder:f{parent}"),
        _ => format!("folder:f{child}#parent@folder:f{parent}"),
    });
    let subject = prop_oneof![
        2 => (0..4_usize).prop_map(|n| format!("user:u{n}")),
        3 => (0..4_usize).prop_map(|n| format!("group:g{n}#member")),
        1 => Just("user:*".to_owned()),
    ];
    let scope = prop_oneof![
        (0..3_usize).prop_map(|n| format!("document:d{n}")),
        (0..3_usize).prop_map(|n| format!("folder:f{n}"))
    ];
    let end = prop_oneof![
        2 => Just(None),
        1 => Just(Some(NOW.plus_ms(10_000))),
        1 => Just(Some(NOW.plus_ms(100))),
        1 => Just(Some(NOW.minus_ms(10_000))),
    ];
    let granted = (subject, 0..4_usize, scope, end);
    (prop::collection::vec(member, 0..12), prop::collection::vec(parent, 0..8), prop::collection::vec(granted, 0..5))
        .prop_map(|(members, parents, grants)| World {
            roles: vec![
                role("r0", &["document#view"], &[]),
                role("r1", &["document#edit", "folder#view"], &["r0"]),
                role("r2", &["folder#*"], &[]),
                role("r3", &["document#*"], &["r1", "r2"]),
            ],
            grants: grants
                .iter()
                .enumerate()
                .map(|(id, (subject, role, scope, end))| grant(id, subject, &format!("r{role}"), scope, *end))
                .collect(),
            relationships: members.iter().chain(&parents).map(|text| text.parse().unwrap()).collect(),
        })
}

/// A runner whose seed is printed by proptest on failure and can be set to replay it.
fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("PROPTEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("PROPTEST_SEED={seed}");
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    })
}

fn in_time() -> bool {
    false
}

#[test]
fn agrees_with_the_oracle() {
    let (allows, denies, undecided) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let tested = runner(2_000).run(&world(), |world| {
        let memory = world.load();
        let budget = Budget::new(&in_time);
        let subjects = ["user:u0", "user:u1", "user:stranger", "group:g0#member", "user:*"];
        let resources = ["document:d0", "document:d1", "folder:f0", "document:unknown"];
        for (subject, resource) in subjects.iter().flat_map(|s| resources.iter().map(move |r| (s, r))) {
            let (subject, resource): (Subject, Object) = (subject.parse().unwrap(), resource.parse().unwrap());
            let held = permissions(&memory, &subject, &resource, Some(CLOCK), &budget).unwrap();
            for name in ["view", "edit", "burn"] {
                let permission: PermissionName = name.parse().unwrap();
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                let expected = oracle(&world, &subject, &permission, &resource);
                let checked = check(&memory, query, Some(CLOCK), &budget).unwrap();
                prop_assert_eq!(checked.bounds, expected, "{} {} {}", subject, name, resource);
                prop_assert_eq!(explain(&memory, query, Some(CLOCK), &budget).unwrap().outcome.bounds, expected);
                // A permission that no role names is held where all are.
                let listed = held.permissions.iter().find(|(listed, _)| *listed == permission);
                prop_assert_eq!(listed.map_or(held.all, |(_, bounds)| *bounds), expected);
                match expected.decided() {
                    Some(true) => count(&allows),
                    Some(false) => count(&denies),
                    None => count(&undecided),
                }
            }
        }
        Ok(())
    });
    tested.unwrap();
    let (allows, denies, undecided) = (allows.get(), denies.get(), undecided.get());
    let all = allows + denies + undecided;
    println!("{allows} allows, {denies} denies, {undecided} undecided of {all}");
    assert!(allows * 100 / all >= 15 && denies * 100 / all >= 15, "the worlds are too thin to mean anything");
    assert!(undecided * 100 / all >= 1, "ends of grants are not tested");
}

#[test]
fn budgets_are_errors_with_names() {
    let chain = |n: usize| format!("group:g{}#member@group:g{n}#member", n + 1);
    let mut world = World { roles: vec![role("r", &["document#view"], &[])], ..World::default() };
    world.relationships = (0..60).map(|n| chain(n).parse().unwrap()).collect();
    world.relationships.push("group:g0#member@user:u0".parse().unwrap());
    world.grants = vec![grant(0, "group:g60#member", "r", "document:d0", None)];
    let memory = world.load();
    let (subject, resource) = ("user:u0".parse().unwrap(), "document:d0".parse().unwrap());
    let permission = "view".parse().unwrap();
    let query = Query { subject: &subject, permission: &permission, resource: &resource };
    let ask = |budget: Budget<'_>| check(&memory, query, Some(CLOCK), &budget).map(|outcome| outcome.bounds);
    let wide = Budget::new(&in_time);
    assert_eq!(ask(Budget { depth: 50, ..wide }), Err(Error::DepthExceeded { most: 50 }));
    assert_eq!(ask(Budget { depth: 100, ..Budget::new(&in_time) }), Ok(Bounds::YES));
    assert_eq!(
        ask(Budget { depth: 100, visited: 10, ..Budget::new(&in_time) }),
        Err(Error::VisitedExceeded { most: 10 })
    );
}

#[test]
fn a_late_evaluation_ends() {
    let members = (0..1_000).map(|n| format!("group:g{n}#member@user:u0").parse().unwrap());
    let world = World { relationships: members.collect(), ..World::default() };
    let (subject, resource) = ("user:u0".parse().unwrap(), "document:d0".parse().unwrap());
    let permission = "view".parse().unwrap();
    let query = Query { subject: &subject, permission: &permission, resource: &resource };
    let late = check(&world.load(), query, Some(CLOCK), &Budget::new(&|| true));
    assert_eq!(late, Err(Error::DeadlineExceeded));
}

#[test]
fn nothing_timed_is_certain_without_a_clock() {
    let world = World {
        roles: vec![role("r", &["document#view"], &[])],
        grants: vec![grant(0, "user:u0", "r", "document:d0", Some(NOW.plus_ms(1_000_000)))],
        ..World::default()
    };
    let (subject, resource) = ("user:u0".parse().unwrap(), "document:d0".parse().unwrap());
    let permission = "view".parse().unwrap();
    let query = Query { subject: &subject, permission: &permission, resource: &resource };
    let budget = Budget::new(&in_time);
    assert_eq!(check(&world.load(), query, None, &budget).unwrap().bounds, Bounds::MAYBE);
    assert_eq!(check(&world.load(), query, Some(CLOCK), &budget).unwrap().bounds, Bounds::YES);
}

#[test]
fn explanations_show_the_way() {
    let world = World {
        roles: vec![role("editor", &["document#edit"], &[])],
        grants: vec![grant(0, "group:eng#member", "editor", "folder:q3", None)],
        relationships: ["group:eng#member@user:alice", "document:plan#parent@folder:q3"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
    };
    let memory = world.load();
    let resource = "document:plan".parse().unwrap();
    let steps = |subject: &str, permission: &str| {
        let (subject, permission) = (subject.parse().unwrap(), permission.parse().unwrap());
        let query = Query { subject: &subject, permission: &permission, resource: &resource };
        explain(&memory, query, Some(CLOCK), &Budget::new(&in_time)).unwrap().steps
    };
    assert_eq!(
        steps("user:alice", "edit"),
        [
            "user:alice is in group:eng#member",
            "grant g0: group:eng#member is editor on folder:q3",
            "folder:q3 is the parent of document:plan",
        ]
    );
    assert_eq!(
        steps("user:bob", "edit"),
        ["the subject is user:bob", "the resource lies in document:plan, folder:q3", "no grant joins the two",]
    );
    assert_eq!(
        steps("user:alice", "burn").last().unwrap(),
        "grant g0: group:eng#member is editor on folder:q3 does not hold document#burn"
    );
}
