//! Small dense worlds made at random, and the runner that makes them.

use portcullis_model::{Clock, Grant, GrantState, Object, PermissionName, Relationship, Subject, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

use crate::memory::{Fact, Memory};
use crate::script::{grant, role};

pub(super) const NOW: Timestamp = Timestamp(1_000_000);
pub(super) const CLOCK: Clock = Clock { reading: NOW, error_ms: 250 };

pub(super) fn in_time() -> bool {
    false
}

pub(super) fn load(facts: &[Fact]) -> Memory {
    let mut memory = Memory::default();
    for fact in facts {
        memory.put(fact);
    }
    memory
}

/// Every question that is asked of a world made at random.
pub(super) fn questions() -> Vec<(Subject, PermissionName, Object)> {
    let subjects = ["user:u0", "user:u1", "group:g0#member", "user:*", "user:stranger"];
    let resources = ["document:d0", "document:d1", "folder:f0"];
    let mut questions = Vec::new();
    for subject in subjects {
        for resource in resources {
            for permission in ["view", "edit", "burn"] {
                questions.push((subject.parse().unwrap(), permission.parse().unwrap(), resource.parse().unwrap()));
            }
        }
    }
    questions
}

fn subject() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..3_usize).prop_map(|n| format!("user:u{n}")),
        5 => (0..4_usize).prop_map(|n| format!("group:g{n}#member")),
        2 => Just("user:*".to_owned()),
    ]
}

fn relationship() -> impl Strategy<Value = Relationship> {
    let member = (0..4_usize, subject()).prop_map(|(group, subject)| format!("group:g{group}#member@{subject}"));
    let parent = (any::<bool>(), 0..3_usize, 0..3_usize).prop_map(|(document, child, parent)| {
        if document {
            format!("document:d{child}#parent@folder:f{parent}")
        } else {
            format!("folder:f{child}#parent@folder:f{parent}")
        }
    });
    prop_oneof![3 => member, 2 => parent].prop_map(|text| text.parse().unwrap())
}

fn granted(id: usize) -> impl Strategy<Value = Grant> {
    let scope = prop_oneof![
        2 => (0..3_usize).prop_map(|n| format!("document:d{n}")),
        3 => (0..3_usize).prop_map(|n| format!("folder:f{n}")),
    ];
    let end = prop_oneof![
        5 => Just(None),
        1 => Just(Some(NOW.plus_ms(10_000))),
        1 => Just(Some(NOW.plus_ms(100))),
        1 => Just(Some(NOW.minus_ms(10_000))),
    ];
    let state = prop_oneof![
        8 => Just(GrantState::Active),
        1 => Just(GrantState::Scheduled),
        1 => Just(GrantState::Ended { at: NOW }),
    ];
    (subject(), 0..4_usize, scope, end, state).prop_map(move |(subject, role, scope, end, state)| {
        grant([&format!("grant{id}"), &subject, &format!("r{role}"), &scope], end, state).unwrap()
    })
}

/// A world: four roles that inherit each other, groups and folders with loops, and grants of every kind.
pub(super) fn world() -> impl Strategy<Value = Vec<Fact>> {
    let roles = [
        role("r0", &["document#view"]),
        role("r1", &["document#edit", "folder#view", "inherits", "r0"]),
        role("r2", &["folder#*"]),
        role("r3", &["document#*", "inherits", "r1", "r2"]),
    ];
    let roles: Vec<Fact> = roles.into_iter().map(|role| Fact::Role(role.unwrap())).collect();
    let relationships = prop::collection::vec(relationship(), 10..24);
    let grants = (4..10_usize).prop_flat_map(|count| (0..count).map(granted).collect::<Vec<_>>());
    (relationships, grants).prop_map(move |(relationships, grants)| {
        let mut facts = roles.clone();
        facts.extend(relationships.into_iter().map(|one| Fact::Tuple(one.into())));
        facts.extend(grants.into_iter().map(|grant| Fact::Grant(Box::new(grant))));
        facts
    })
}

/// A runner that makes the same worlds every time. A failure prints the world; `PROPTEST_SEED` makes other ones.
pub(super) fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("PROPTEST_SEED").map_or(7, |seed| seed.parse().expect("a number"));
    println!("replay with PROPTEST_SEED={seed}");
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    })
}
