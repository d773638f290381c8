//! The schema layer against a naive evaluator, on dense worlds under schemas made at random.

use std::cell::Cell;
use std::collections::BTreeSet;

use portcullis_model::{Object, PermissionName, Relationship, Subject, Tuple};
use portcullis_schema::{Expression, Member, Mode, Schema, Step, compile};
use proptest::prelude::*;
use proptest::sample::Index;

use super::worlds::{CLOCK, in_time, load, runner};
use crate::memory::Fact;
use crate::{Bounds, Budget, Error, Query, check, explain};

/// The definition of the answer, written down as directly as possible.
struct Oracle<'a> {
    schema: &'a Schema,
    relationships: &'a [&'a Relationship],
    subject: &'a Subject,
}

impl Oracle<'_> {
    fn holds(&self, object: &Object, name: &str, path: &mut Vec<(Object, String)>) -> bool {
        if matches!(self.subject, Subject::Userset { object: other, relation } if other == object && relation.as_str() == name)
        {
            return true;
        }
        let question = (object.clone(), name.to_owned());
        if path.contains(&question) {
            return false;
        }
        path.push(question);
        let definition = self.schema.definition(&object.object_type);
        let holds = match definition.and_then(|definition| definition.member(name)) {
            None => false,
            Some(Member::Permission(permission)) => self.expression(object, &permission.expression, path),
            Some(Member::Relation(_)) => self.subjects(object, name).into_iter().any(|subject| match subject {
                _ if subject == self.subject => true,
                Subject::Object(_) => false,
                Subject::Wildcard(all) => matches!(self.subject, Subject::Object(one) if one.object_type == *all),
                Subject::Userset { object, relation } => self.holds(object, relation.as_str(), path),
            }),
        };
        path.pop();
        holds
    }

    fn expression(&self, object: &Object, expression: &Expression, path: &mut Vec<(Object, String)>) -> bool {
        match expression {
            Expression::Nil => false,
            Expression::SelfObject => *self.subject == Subject::Object(object.clone()),
            Expression::Computed(name) => self.holds(object, name.as_str(), path),
            Expression::Arrow(arrow) => self.arrow(object, &arrow.steps, arrow.target.as_str(), path),
            Expression::Union(operands) => operands.iter().any(|one| self.expression(object, one, path)),
            Expression::Intersection(operands) => operands.iter().all(|one| self.expression(object, one, path)),
            Expression::Exclusion(base, taken) => {
                self.expression(object, base, path) && !self.expression(object, taken, path)
            }
        }
    }

    fn arrow(&self, object: &Object, steps: &[Step], target: &str, path: &mut Vec<(Object, String)>) -> bool {
        let [step, rest @ ..] = steps else { return self.holds(object, target, path) };
        let mut objects = self.subjects(object, step.relation.as_str()).into_iter().map(|subject| match subject {
            Subject::Object(object) | Subject::Userset { object, .. } => object,
            Subject::Wildcard(_) => unreachable!("no arrow leads over wildcards"),
        });
        match step.mode {
            Mode::Any => objects.any(|object| self.arrow(object, rest, target, path)),
            Mode::All => {
                let objects: Vec<&Object> = objects.collect();
                !objects.is_empty() && objects.into_iter().all(|object| self.arrow(object, rest, target, path))
            }
        }
    }

    fn subjects(&self, object: &Object, relation: &str) -> Vec<&Subject> {
        let rows = self.relationships.iter().filter(|one| one.resource == *object && one.relation.as_str() == relation);
        rows.map(|one| &one.subject).collect()
    }
}

/// What expressions are made of, on folders and on documents.
const LEAVES: [&str; 12] = [
    "viewer",
    "viewer",
    "viewer",
    "owner",
    "banned",
    "parent->view",
    "parent->viewer",
    "parent.all(view)",
    "owner->all",
    "owner.all(member)",
    "parent->parent->view",
    "nil",
];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(&LEAVES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        (prop::collection::vec(inner, 2..4), prop::sample::select(&["+", "&", "-"][..]))
            .prop_map(|(operands, operator)| format!("({})", operands.join(&format!(" {operator} "))))
    })
}

pub(super) fn schema() -> impl Strategy<Value = String> {
    (expression(), expression(), prop::sample::select(&["member + guest", "member & guest", "member - guest"][..]))
        .prop_map(|(folder, document, all)| {
            let members = "relation viewer: user | user:* | team#member | group#member | group#all | folder#banned
                 relation owner: group relation banned: user | team#member";
            format!(
                "definition user {{}}
                 definition team {{ relation member: user | team#member }}
                 definition group {{
                    relation member: user | team#member | group#member | group#all relation guest: user | user:*
                    permission all = {all}
                 }}
                 definition folder {{ relation parent: folder {members} permission view = {folder} }}
                 definition document {{ relation parent: folder {members} permission view = {document} }}"
            )
        })
}

pub(super) fn tuple() -> impl Strategy<Value = Tuple> {
    let user = || prop_oneof![3 => (0..3_usize).prop_map(|n| format!("user:u{n}")), 1 => Just("user:*".to_owned())];
    let team = || (0..2_usize).prop_map(|n| format!("team:t{n}"));
    let group = || (0..2_usize).prop_map(|n| format!("group:g{n}"));
    let place = || {
        (0..2_usize, any::<bool>())
            .prop_map(|(n, folder)| format!("{}:{n}", if folder { "folder" } else { "document" }))
    };
    let someone = prop_oneof![
        2 => user(),
        2 => group().prop_map(|group| format!("{group}#member")),
        1 => group().prop_map(|group| format!("{group}#all")),
        2 => team().prop_map(|team| format!("{team}#member")),
        1 => (0..2_usize).prop_map(|n| format!("folder:{n}#banned")),
    ];
    let member = prop_oneof![
        3 => (0..3_usize).prop_map(|n| format!("user:u{n}")),
        1 => group().prop_map(|group| format!("{group}#member")),
        1 => group().prop_map(|group| format!("{group}#all")),
        1 => team().prop_map(|team| format!("{team}#member")),
    ];
    let plain = prop_oneof![
        1 => (0..3_usize).prop_map(|n| format!("user:u{n}")),
        1 => team().prop_map(|team| format!("{team}#member")),
    ];
    prop_oneof![
        4 => (team(), plain.clone()).prop_map(|(team, member)| format!("{team}#member@{member}")),
        4 => (group(), member).prop_map(|(group, member)| format!("{group}#member@{member}")),
        2 => (group(), user()).prop_map(|(group, user)| format!("{group}#guest@{user}")),
        4 => (place(), someone).prop_map(|(place, someone)| format!("{place}#viewer@{someone}")),
        2 => (place(), group()).prop_map(|(place, group)| format!("{place}#owner@{group}")),
        3 => (place(), 0..2_usize).prop_map(|(place, n)| format!("{place}#parent@folder:{n}")),
        1 => (place(), plain).prop_map(|(place, someone)| format!("{place}#banned@{someone}")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

pub(super) fn questions() -> Vec<(Subject, PermissionName, Object)> {
    let mut questions = Vec::new();
    for subject in [
        "user:u0",
        "user:u1",
        "user:stranger",
        "user:*",
        "group:g0#member",
        "group:g1#all",
        "team:t0#member",
        "folder:0#banned",
    ] {
        for (resource, permission) in [
            ("document:0", "view"),
            ("document:1", "view"),
            ("folder:0", "view"),
            ("folder:1", "viewer"),
            ("group:g0", "all"),
        ] {
            questions.push((subject.parse().unwrap(), permission.parse().unwrap(), resource.parse().unwrap()));
        }
    }
    questions
}

#[derive(Default)]
struct Counts {
    allows: Cell<u32>,
    denies: Cell<u32>,
}

impl Counts {
    fn count(&self, allowed: bool) {
        let counter = if allowed { &self.allows } else { &self.denies };
        counter.set(counter.get() + 1);
    }
}

#[test]
fn schemas_agree_with_the_oracle() {
    let counts = Counts::default();
    let tested = runner(1_500).run(&(schema(), prop::collection::btree_set(tuple(), 30..60)), |(schema, tuples)| {
        let schema = compile(&schema).unwrap();
        let mut facts = vec![Fact::Schema(schema.clone())];
        facts.extend(tuples.iter().cloned().map(Fact::Tuple));
        let (memory, budget) = (load(&facts), Budget::new(&in_time));
        let relationships: Vec<&Relationship> = tuples.iter().map(|tuple| &tuple.relationship).collect();
        for (subject, permission, resource) in &questions() {
            let oracle = Oracle { schema: &schema, relationships: &relationships, subject };
            let expected = oracle.holds(resource, permission.as_str(), &mut Vec::new());
            let query = Query { subject, permission, resource };
            let checked = check(&memory, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(checked.bounds.decided(), Some(expected), "{} {} {}", subject, permission, resource);
            let explained = explain(&memory, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(explained.outcome.bounds.decided(), Some(expected));
            counts.count(expected);
        }
        Ok(())
    });
    tested.unwrap();
    let (allows, denies) = (counts.allows.get(), counts.denies.get());
    println!("{allows} allows, {denies} denies");
    assert!(
        allows.min(denies) * 5 > allows + denies,
        "the worlds are too thin to mean anything: {allows} and {denies}"
    );
}

/// A relation that leads to many groups is met from the side of the few that the subject is in.
#[test]
fn long_lists_of_groups_agree_with_the_oracle() {
    let schema = "definition user {} definition group { relation member: user | group#member }
        definition document { relation viewer: user | group#member relation banned: group#member permission view = viewer - banned }";
    let schema = compile(schema).unwrap();
    let group = || (0..30_usize).prop_map(|n| format!("group:g{n}#member"));
    let tuple = prop_oneof![
        3 => ((0..30_usize), 0..4_usize).prop_map(|(n, user)| format!("group:g{n}#member@user:u{user}")),
        2 => ((0..30_usize), group()).prop_map(|(n, group)| format!("group:g{n}#member@{group}")),
        8 => ((0..2_usize), group()).prop_map(|(n, group)| format!("document:{n}#viewer@{group}")),
        2 => ((0..2_usize), group()).prop_map(|(n, group)| format!("document:{n}#banned@{group}")),
    ];
    let tuple = tuple.prop_map(|text| text.parse::<Tuple>().unwrap());
    let counts = Counts::default();
    let tested = runner(300).run(&prop::collection::btree_set(tuple, 20..70), |tuples| {
        let mut facts = vec![Fact::Schema(schema.clone())];
        facts.extend(tuples.iter().cloned().map(Fact::Tuple));
        let (memory, budget) = (load(&facts), Budget::new(&in_time));
        let relationships: Vec<&Relationship> = tuples.iter().map(|tuple| &tuple.relationship).collect();
        for subject in ["user:u0", "user:u1", "user:u2", "user:u3", "group:g0#member", "group:g1#member"] {
            let (subject, permission): (Subject, PermissionName) = (subject.parse().unwrap(), "view".parse().unwrap());
            for resource in ["document:0", "document:1"] {
                let resource = resource.parse().unwrap();
                let oracle = Oracle { schema: &schema, relationships: &relationships, subject: &subject };
                let expected = oracle.holds(&resource, "view", &mut Vec::new());
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                let checked = check(&memory, query, Some(CLOCK), &budget).unwrap();
                prop_assert_eq!(checked.bounds.decided(), Some(expected), "{} {}", subject, resource);
                counts.count(expected);
            }
        }
        Ok(())
    });
    tested.unwrap();
    let (allows, denies) = (counts.allows.get(), counts.denies.get());
    assert!(allows.min(denies) * 5 > allows + denies, "{allows} and {denies}");
}

/// Whichever of the pending changes are shown, the answer lies between the bounds.
#[test]
fn what_is_pending_lies_between_the_bounds() {
    let (decided, undecided, changed) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let some = prop::collection::vec(any::<Index>(), 3..7);
    let worlds = (schema(), prop::collection::btree_set(tuple(), 25..50), some);
    let tested = runner(300).run(&worlds, |(schema, tuples, indices)| {
        let schema = compile(&schema).unwrap();
        let pending_at: BTreeSet<usize> = indices.iter().map(|index| index.index(tuples.len())).collect();
        let numbered = || tuples.iter().enumerate();
        let certain: Vec<&Tuple> = numbered().filter(|(at, _)| !pending_at.contains(at)).map(|(_, one)| one).collect();
        let pending: Vec<&Tuple> = pending_at.iter().map(|at| tuples.iter().nth(*at).unwrap()).collect();
        let mut memory = load(&[Fact::Schema(schema.clone())]);
        for tuple in &certain {
            memory.put(&Fact::Tuple((*tuple).clone()));
        }
        for tuple in &pending {
            memory.doubt(&Fact::Tuple((*tuple).clone()));
        }
        for (subject, permission, resource) in &questions() {
            let (query, budget) = (Query { subject, permission, resource }, Budget::new(&in_time));
            let bounds = check(&memory, query, Some(CLOCK), &budget).unwrap().bounds;
            let mut answers = BTreeSet::new();
            for subset in 0..1_usize << pending.len() {
                let chosen = pending.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1).map(|(_, one)| one);
                let shown: Vec<&Relationship> = certain.iter().chain(chosen).map(|one| &one.relationship).collect();
                let oracle = Oracle { schema: &schema, relationships: &shown, subject };
                answers.insert(oracle.holds(resource, permission.as_str(), &mut Vec::new()));
            }
            for answer in &answers {
                prop_assert!(bounds.lower <= *answer && *answer <= bounds.upper, "{bounds:?} {answer} {query:?}");
            }
            match (bounds.decided(), answers.len()) {
                (Some(_), _) => count(&decided),
                (None, 1) => count(&undecided),
                (None, _) => count(&changed),
            }
        }
        Ok(())
    });
    tested.unwrap();
    let (decided, undecided, changed) = (decided.get(), undecided.get(), changed.get());
    println!("{decided} decided; undecided: {changed} did change, {undecided} did not");
    assert!(changed > 500 && undecided * 4 < changed, "the bounds say too little, or what is pending hardly matters");
}

/// One more object on which the rest does not hold ends an `.all`, so it is no union of what it leads to: an object that may
/// be added takes certainty away, and one that may be removed may be the only one that stands in the way, or the only one.
#[test]
fn all_of_what_is_pending_is_no_union() {
    let schema = "definition user {}
        definition folder { relation viewer: user }
        definition document { relation parent: folder permission view = parent.all(viewer) }";
    let fact = |text: &str| Fact::Tuple(text.parse().unwrap());
    let (mine, other) = (fact("document:d#parent@folder:mine"), fact("document:d#parent@folder:other"));
    for (certain, pending, expected) in [
        (vec![&mine], vec![&other], Bounds::MAYBE),
        (vec![&other], vec![&mine], Bounds::NO),
        (vec![], vec![&mine], Bounds::MAYBE),
        (vec![], vec![&other], Bounds::NO),
        (vec![&mine], vec![], Bounds::YES),
    ] {
        let mut memory = load(&[Fact::Schema(compile(schema).unwrap()), fact("folder:mine#viewer@user:u")]);
        for fact in certain {
            memory.put(fact);
        }
        for fact in pending {
            memory.doubt(fact);
        }
        let (subject, permission) = ("user:u".parse().unwrap(), "view".parse().unwrap());
        let resource = "document:d".parse().unwrap();
        let query = Query { subject: &subject, permission: &permission, resource: &resource };
        let bounds = check(&memory, query, Some(CLOCK), &Budget::new(&in_time)).unwrap().bounds;
        assert_eq!(bounds, expected);
    }
}

/// Expressions that lie within each other have an end before the stack has, on the threads that checks run on.
#[test]
fn permissions_that_lie_deep_within_each_other_end_with_an_error() {
    let mut schema =
        "definition user {} definition document { relation viewer: user permission p0 = viewer ".to_owned();
    schema.extend((1..3_000).map(|n| format!("permission p{n} = p{} ", n - 1)));
    schema.push('}');
    let asked = std::thread::Builder::new().stack_size(2 * 1_024 * 1_024).spawn(move || {
        let memory =
            load(&[Fact::Schema(compile(&schema).unwrap()), Fact::Tuple("document:d#viewer@user:u".parse().unwrap())]);
        let (subject, resource) = ("user:u".parse().unwrap(), "document:d".parse().unwrap());
        ["p490", "p2999"].map(|permission| {
            let permission = permission.parse().unwrap();
            let query = Query { subject: &subject, permission: &permission, resource: &resource };
            let explained = explain(&memory, query, Some(CLOCK), &Budget::new(&in_time));
            let checked = check(&memory, query, Some(CLOCK), &Budget::new(&in_time));
            assert_eq!(explained.is_ok(), checked.is_ok());
            checked.map(|outcome| outcome.bounds)
        })
    });
    let [near, far] = asked.unwrap().join().unwrap();
    assert_eq!(near, Ok(Bounds::YES));
    assert!(matches!(far, Err(Error::NestingExceeded { .. })), "{far:?}");
}
