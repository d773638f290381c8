//! That worlds have the shapes they claim, and answers are those they claim.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_eval::memory::{Fact, Memory};
use portcullis_eval::{Bounds, Budget, Query, check};
use portcullis_model::{Object, PermissionName, Relationship, Subject};

use super::*;

/// How many relationships of each kind there are, by the types and relations at their ends.
fn kinds(world: &World) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for relationship in world.relationships() {
        let (resource, rest) = relationship.split_once(':').unwrap();
        let (_, rest) = rest.split_once('#').unwrap();
        let (relation, subject) = rest.split_once('@').unwrap();
        let (subject, rest) = subject.split_once(':').unwrap();
        let userset = rest.split_once('#').map(|(_, relation)| format!("#{relation}")).unwrap_or_default();
        *kinds.entry(format!("{resource}#{relation}@{subject}{userset}")).or_default() += 1;
    }
    kinds
}

#[test]
fn docs_is_the_world_that_others_were_measured_on() {
    let world = World::new(Shape::Docs, 153_000);
    let parts = [("users", 20_000), ("groups", 1_000), ("folders", 5_000), ("documents", 60_000)];
    assert_eq!(world.parts(), parts.into());
    let expected = [
        ("document#banned@user", 6_000),
        ("document#parent@folder", 60_000),
        ("document#viewer@user", 60_000),
        ("folder#parent@folder", 4_999),
        ("folder#viewer@group#member", 1_000),
        ("group#member@group#member", 900),
        ("group#member@user", 20_000),
    ];
    assert_eq!(kinds(&world), expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    assert_eq!(world.relationships().collect::<BTreeSet<_>>().len(), 152_899);
    // The deepest folder lies eight below the topmost.
    let depth = std::iter::successors(Some(4_999_u32), |folder| (*folder > 0).then(|| (*folder - 1) / 3)).count() - 1;
    assert_eq!(depth, 8);
}

#[test]
fn sizes_are_about_those_asked_for() {
    for (shape, size) in [
        (Shape::Docs, 10_000),
        (Shape::Docs, 1_000_000),
        (Shape::Flat, 10_000),
        (Shape::Deep, 10_000),
        (Shape::Wide, 48_000),
        (Shape::Grants, 14_700),
    ] {
        let world = World::new(shape, size);
        let all = world.relationships().count() + world.grants().count();
        let size = size as usize;
        assert!(all > size * 9 / 10 && all < size * 11 / 10, "{shape:?} of {size} has {all}");
    }
    let deepest = World::new(Shape::Deep, 310);
    assert_eq!(deepest.parts(), [("users", 10), ("folders", 300), ("documents", 10)].into());
    let wide = World::new(Shape::Wide, 1);
    assert_eq!(wide.parts(), [("users", 11_000), ("groups", 1_001), ("documents", 1)].into());
    assert_eq!(kinds(&wide)["group#member@user"], 11_000);
    assert_eq!(kinds(&wide)["document#viewer@group#member"], 1_000);
}

#[test]
fn half_of_the_questions_are_allowed_and_the_others_are_not() {
    for (shape, size) in [(Shape::Docs, 2_000), (Shape::Flat, 1_000), (Shape::Deep, 700), (Shape::Wide, 1)] {
        let world = World::new(shape, size);
        let mut memory = Memory::default();
        memory.put(&Fact::Schema(portcullis_schema::compile(SCHEMA).unwrap()));
        let tuples = world.relationships().map(|text| text.parse::<Relationship>().unwrap());
        tuples.for_each(|relationship| memory.put(&Fact::Tuple(relationship.into())));
        let permission: PermissionName = "view".parse().unwrap();
        let late = || false;
        let mut allowed = 0;
        for ask in world.asks().take(60) {
            let (subject, resource): (Subject, Object) = (ask.subject.parse().unwrap(), ask.resource.parse().unwrap());
            let query = Query { subject: &subject, permission: &permission, resource: &resource };
            let bounds = check(&memory, query, None, &Budget::new(&late)).unwrap().bounds;
            assert_eq!(bounds, if ask.allowed { Bounds::YES } else { Bounds::NO }, "{shape:?}: {ask:?}");
            allowed += usize::from(ask.allowed);
        }
        assert_eq!(allowed, 30, "{shape:?}");
    }
}
