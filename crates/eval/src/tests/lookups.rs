//! Lookups find what checks allow, all of it and nothing else.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use portcullis_model::{
    GrantState, Object, ObjectKey as ObjectId, PermissionName, RelationName, Subject, Tuple, TypeName,
};
use portcullis_schema::compile;
use proptest::prelude::*;
use proptest::sample::Index;

use super::schemas::{schema, tuple};
use super::worlds::{CLOCK, in_time, load, runner};
use crate::memory::{Fact, Memory};
use crate::script::{grant, role};
use crate::{
    Budget, Circumstances, Query, ResourceQuery, SubjectQuery, Verdict, check, check_anyone, check_resources,
    check_subjects, resource_candidates, subject_candidates,
};

const NOW: Circumstances<'_> = Circumstances { clock: Some(CLOCK), context: None };

/// The objects of the worlds, and some that nothing mentions.
const OBJECTS: [(&str, &[&str]); 5] = [
    ("user", &["u0", "u1", "u2", "stranger"]),
    ("team", &["t0", "t1", "none"]),
    ("group", &["g0", "g1", "none"]),
    ("folder", &["0", "1", "none"]),
    ("document", &["0", "1", "none"]),
];

const PERMISSIONS: [(&str, &str); 7] = [
    ("document", "view"),
    ("document", "viewer"),
    ("folder", "view"),
    ("folder", "banned"),
    ("group", "all"),
    ("group", "member"),
    ("team", "member"),
];

/// The kinds of subjects that are asked about.
const SUBJECTS: [(&str, Option<&str>); 7] = [
    ("user", None),
    ("team", Some("member")),
    ("group", Some("member")),
    ("group", Some("all")),
    ("folder", Some("banned")),
    ("document", None),
    ("document", Some("view")),
];

fn ids(object_type: &str) -> impl Iterator<Item = ObjectId> {
    let of_type = OBJECTS.iter().filter(move |(name, _)| *name == object_type);
    of_type.flat_map(|(_, ids)| ids.iter()).map(|id| id.parse().unwrap())
}

const GRANTED: [&str; 5] = ["user:u0", "user:*", "group:g0#member", "group:g1#all", "team:t1#member"];

fn grants() -> impl Strategy<Value = Vec<Fact>> {
    let one = (prop::sample::select(&GRANTED[..]), prop::sample::select(&["folder:0", "folder:1", "document:1"][..]));
    prop::collection::vec(one, 0..4).prop_map(|rows| {
        let row = |(nth, (subject, scope)): (usize, (&str, &str))| {
            let words = [&format!("g{nth}"), subject, "reader", scope];
            Fact::Grant(Box::new(grant(words, None, GrantState::Active).unwrap()))
        };
        let role = Fact::Role(role("reader", &["document#view", "folder#comment"]).unwrap());
        rows.into_iter().enumerate().map(row).chain([role]).collect()
    })
}

/// A world in which some relationships carry a condition that lacks a parameter, and some may be in doubt.
struct World {
    schema: String,
    rows: Vec<String>,
    memory: Memory,
    is_doubted: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.schema, self.rows.join("\n"))
    }
}

fn conditional() -> impl Strategy<Value = Tuple> {
    let place = prop::sample::select(&["folder:0", "folder:1", "document:0", "document:1"][..]);
    let user = prop::sample::select(&["user:u0", "user:u1", "user:u2", "user:*"][..]);
    (place, user).prop_map(|(place, user)| format!("{place}#viewer@{user}[tied]").parse().unwrap())
}

fn worlds() -> impl Strategy<Value = World> {
    let tuples = prop::collection::vec(tuple(), 15..40);
    let doubted = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<Index>(), 1..6)];
    let conditional = prop::collection::vec(conditional(), 0..8);
    (schema(), tuples, conditional, grants(), doubted).prop_map(|(schema, tuples, conditional, grants, doubted)| {
        let allowed = "relation viewer: user | user with tied | user:* with tied |";
        let schema = schema.replace("relation viewer: user |", allowed);
        let schema = format!("caveat tied(x int) {{ x == 1 }} {schema}");
        // Of each relationship there is one.
        let tuples = tuples.into_iter().chain(conditional).map(|tuple| (tuple.relationship.clone(), tuple));
        let tuples: BTreeMap<_, _> = tuples.collect();
        let doubted: BTreeSet<usize> = doubted.into_iter().map(|index| index.index(tuples.len())).collect();
        let mut memory = load(&[Fact::Schema(compile(&schema).unwrap())]);
        let mut rows: Vec<String> = grants.iter().map(|fact| format!("{fact:?}")).collect();
        for fact in &grants {
            memory.put(fact);
        }
        for (nth, tuple) in tuples.into_values().enumerate() {
            let is_doubted = doubted.contains(&nth);
            rows.push(format!("{tuple}{}", if is_doubted { " in doubt" } else { "" }));
            let fact = Fact::Tuple(tuple);
            if is_doubted { memory.doubt(&fact) } else { memory.put(&fact) }
        }
        World { schema, rows, memory, is_doubted: !doubted.is_empty() }
    })
}

impl World {
    /// Whether a lookup may say so where a check says something else: what it knows of one candidate makes it less certain of
    /// another, where anything is in doubt.
    fn may_say(&self, found: &Verdict, checked: &Verdict) -> bool {
        found == checked || self.is_doubted && *found == Verdict::No && matches!(checked, Verdict::Conditional(_))
    }
}

fn checked(memory: &Memory, subject: &Subject, permission: &PermissionName, resource: &Object) -> Verdict {
    let outcome = check(memory, Query { subject, permission, resource }, NOW, &Budget::new(&in_time)).unwrap();
    match outcome.bounds.decided() {
        Some(true) => Verdict::Yes,
        None if !outcome.missing.is_empty() => Verdict::Conditional(outcome.missing),
        Some(false) | None => Verdict::No,
    }
}

#[derive(Default)]
struct Counts {
    yes: Cell<u32>,
    conditional: Cell<u32>,
    no: Cell<u32>,
}

impl Counts {
    fn count(&self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Yes => &self.yes,
            Verdict::Conditional(_) => &self.conditional,
            Verdict::No => &self.no,
        };
        counter.set(counter.get() + 1);
    }

    /// Fails where the worlds are too thin to mean anything.
    fn finish(&self) {
        let (yes, conditional, no) = (self.yes.get(), self.conditional.get(), self.no.get());
        println!("{yes} yes, {conditional} conditional, {no} no");
        assert!(yes * 20 > no && conditional * 300 > no && no > 1_000, "{yes}, {conditional}, {no}");
    }
}

/// What a lookup says of all that exist, those that are no candidates included.
fn verdicts(ids: &[ObjectId], candidates: &[ObjectId], found: Vec<Verdict>) -> BTreeMap<ObjectId, Verdict> {
    assert!(candidates.is_sorted_by(|one, next| one < next), "each once, in order: {candidates:?}");
    let mut verdicts: BTreeMap<_, _> = ids.iter().map(|id| (id.clone(), Verdict::No)).collect();
    verdicts.extend(candidates.iter().cloned().zip(found));
    verdicts
}

#[test]
fn resources_found_are_those_that_checks_allow() {
    let counts = Counts::default();
    let budget = Budget::new(&in_time);
    let tested = runner(300).run(&worlds(), |world| {
        let memory = &world.memory;
        for (subject_type, relation) in SUBJECTS {
            let userset = |id: ObjectId| match relation {
                None => format!("{subject_type}:{id}"),
                Some(relation) => format!("{subject_type}:{id}#{relation}"),
            };
            for subject in ids(subject_type).map(userset) {
                let subject: Subject = subject.parse().unwrap();
                for (object_type, permission) in PERMISSIONS.iter().chain(&[("folder", "comment")]) {
                    let (object_type, permission): (TypeName, _) =
                        (object_type.parse().unwrap(), permission.parse().unwrap());
                    let query = ResourceQuery { subject: &subject, permission: &permission, object_type: &object_type };
                    let candidates = match resource_candidates(memory, query, &budget) {
                        Ok(candidates) => candidates,
                        Err(error) => panic!("{error} for {query:?}"),
                    };
                    let found = check_resources(memory, query, &candidates, NOW, &budget).unwrap();
                    let ids: Vec<ObjectId> = ids(object_type.as_str()).collect();
                    for (id, found) in verdicts(&ids, &candidates, found) {
                        let resource = Object { object_type: object_type.clone(), key: id };
                        let expected = checked(memory, &subject, &permission, &resource);
                        counts.count(&expected);
                        prop_assert!(
                            world.may_say(&found, &expected),
                            "{found:?} where a check says {expected:?}: {subject} {permission} {resource}"
                        );
                    }
                }
            }
        }
        Ok(())
    });
    tested.unwrap();
    counts.finish();
}

#[test]
fn subjects_found_are_those_that_checks_allow() {
    let (counts, anyone) = (Counts::default(), Counts::default());
    let budget = Budget::new(&in_time);
    let tested = runner(300).run(&worlds(), |world| {
        let memory = &world.memory;
        for (object_type, permission) in PERMISSIONS {
            let permission: PermissionName = permission.parse().unwrap();
            for id in ids(object_type) {
                let resource = Object { object_type: object_type.parse().unwrap(), key: id };
                for (subject_type, relation) in SUBJECTS {
                    let relation: Option<RelationName> = relation.map(|relation| relation.parse().unwrap());
                    let query = SubjectQuery {
                        permission: &permission,
                        resource: &resource,
                        subject_type: &subject_type.parse().unwrap(),
                        subject_relation: relation.as_ref(),
                    };
                    let candidates = subject_candidates(memory, query, &budget).unwrap();
                    let found = check_subjects(memory, query, &candidates.ids, NOW, &budget).unwrap();
                    let others = if candidates.wildcard {
                        check_anyone(memory, query, NOW, &budget).unwrap()
                    } else {
                        Verdict::No
                    };
                    anyone.count(&others);
                    // Whoever is not listed is as anyone.
                    let mut all: BTreeMap<_, _> = ids(subject_type).map(|id| (id, others.clone())).collect();
                    all.extend(verdicts(&[], &candidates.ids, found));
                    for (id, found) in all {
                        let subject = query.subject(&id);
                        let expected = checked(memory, &subject, &permission, &resource);
                        counts.count(&expected);
                        prop_assert!(
                            world.may_say(&found, &expected),
                            "{found:?} where a check says {expected:?}: {subject} {permission} {resource}"
                        );
                    }
                }
            }
        }
        Ok(())
    });
    tested.unwrap();
    counts.finish();
    assert!(anyone.yes.get() > 100, "wildcards hardly matter: {}", anyone.yes.get());
}
