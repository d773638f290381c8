//! The evaluator against a naive one.

use std::cell::Cell;

use portcullis_model::{Grant, GrantState, Object, PermissionName, Relationship, Role, RoleId, Subject};
use proptest::prelude::*;

use super::worlds::{CLOCK, in_time, load, questions, runner, world};
use crate::memory::Fact;
use crate::{Bounds, Budget, Path, Query, check, explain, permissions};

fn roles(facts: &[Fact]) -> impl Iterator<Item = &Role> {
    facts.iter().filter_map(|fact| if let Fact::Role(role) = fact { Some(role) } else { None })
}

fn grants(facts: &[Fact]) -> impl Iterator<Item = &Grant> {
    let grants = facts.iter().filter_map(|fact| if let Fact::Grant(grant) = fact { Some(&**grant) } else { None });
    grants.filter(|grant| grant.state == GrantState::Active)
}

fn relationships(facts: &[Fact]) -> impl Iterator<Item = &Relationship> {
    facts.iter().filter_map(|fact| if let Fact::Tuple(one) = fact { Some(&one.relationship) } else { None })
}

/// The definition of the answer, written down as directly as possible: expand everything forwards.
pub(super) fn oracle(facts: &[Fact], subject: &Subject, permission: &PermissionName, resource: &Object) -> Bounds {
    let mut bounds = Bounds::NO;
    for grant in grants(facts) {
        let joins = contains(facts, &grant.subject, subject, &mut Vec::new())
            && lies_in(facts, resource, &grant.scope, &mut Vec::new())
            && holds(facts, &grant.role, resource, permission);
        if joins {
            let near_end = grant.window.end.is_some_and(|end| CLOCK.latest() >= end);
            bounds = bounds.or(if near_end { Bounds::MAYBE } else { Bounds::YES });
        }
    }
    bounds
}

fn contains(facts: &[Fact], whole: &Subject, part: &Subject, path: &mut Vec<Subject>) -> bool {
    let is_wildcard_of = |part: &Object| *whole == Subject::Wildcard(part.object_type.clone());
    if whole == part || matches!(part, Subject::Object(object) if is_wildcard_of(object)) {
        return true;
    }
    let Subject::Userset { object, relation } = whole else { return false };
    if path.contains(whole) {
        return false;
    }
    path.push(whole.clone());
    let mut members = relationships(facts).filter(|r| r.resource == *object && r.relation == *relation);
    let found = members.any(|r| contains(facts, &r.subject, part, path));
    path.pop();
    found
}

fn lies_in(facts: &[Fact], inner: &Object, outer: &Object, path: &mut Vec<Object>) -> bool {
    if inner == outer {
        return true;
    }
    if path.contains(inner) {
        return false;
    }
    path.push(inner.clone());
    let mut parents = relationships(facts).filter(|r| r.resource == *inner && r.relation.as_str() == "parent");
    let found = parents.any(|r| match &r.subject {
        Subject::Object(parent) => lies_in(facts, parent, outer, path),
        Subject::Userset { .. } | Subject::Wildcard(_) => false,
    });
    path.pop();
    found
}

fn holds(facts: &[Fact], id: &RoleId, resource: &Object, permission: &PermissionName) -> bool {
    let Some(role) = roles(facts).find(|role| role.id == *id) else { return false };
    names(role, resource, permission)
        || role.inherits.iter().any(|inherited| holds(facts, inherited, resource, permission))
}

fn names(role: &Role, resource: &Object, permission: &PermissionName) -> bool {
    let (one, all) = (format!("{}#{permission}", resource.object_type), format!("{}#*", resource.object_type));
    role.permissions.iter().any(|pattern| pattern.to_string() == one || pattern.to_string() == all)
}

/// Whether every step of a path is a fact, and the path leads from the subject to the resource.
fn is_true(facts: &[Fact], path: &Path, subject: &Subject, permission: &PermissionName, resource: &Object) -> bool {
    let starts_right = match subject {
        Subject::Object(object) => [subject.to_string(), format!("{}:*", object.object_type)],
        Subject::Userset { .. } | Subject::Wildcard(_) => [subject.to_string(), subject.to_string()],
    };
    let is_stored = |text: String| relationships(facts).any(|one| one.to_string() == text);
    let role = |id: &RoleId| roles(facts).find(|role| role.id == *id);
    let Some(grant) = grants(facts).find(|grant| grant.id == path.grant) else { return false };
    let (Some(first), Some(last)) = (path.subjects.first(), path.subjects.last()) else { return false };
    let (Some(top), Some(bottom)) = (path.scopes.first(), path.scopes.last()) else { return false };
    starts_right.contains(&first.to_string())
        && path.subjects.windows(2).all(|pair| is_stored(format!("{}@{}", pair[1], pair[0])))
        && **last == *grant.subject.to_string()
        && path.roles.first() == Some(&grant.role)
        && path.roles.windows(2).all(|pair| role(&pair[0]).is_some_and(|role| role.inherits.contains(&pair[1])))
        && path.roles.last().and_then(role).is_some_and(|role| names(role, resource, permission))
        && **top == *grant.scope.to_string()
        && path.scopes.windows(2).all(|pair| is_stored(format!("{}#parent@{}", pair[1], pair[0])))
        && **bottom == *resource.to_string()
}

#[test]
fn agrees_with_the_oracle() {
    let (allows, denies, undecided) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let tested = runner(2_000).run(&world(), |facts| {
        let memory = load(&facts);
        let budget = Budget::new(&in_time);
        for (subject, permission, resource) in &questions() {
            let query = Query { subject, permission, resource };
            let expected = oracle(&facts, subject, permission, resource);
            let checked = check(&memory, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(checked.bounds, expected, "{} {} {}", subject, permission, resource);
            let explained = explain(&memory, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(explained.outcome.bounds, expected);
            prop_assert_eq!(explained.path.is_some(), expected.lower);
            let is_true = explained.path.iter().all(|path| is_true(&facts, path, subject, permission, resource));
            prop_assert!(is_true, "{:?} is not how it is", explained.path);
            let held = permissions(&memory, subject, resource, Some(CLOCK), &budget).unwrap();
            let listed = held.permissions.iter().find(|(listed, _)| listed == permission);
            // A permission that no role names is held where all are.
            let pattern = format!("{}#{permission}", resource.object_type);
            let is_named = roles(&facts).any(|role| role.permissions.iter().any(|known| known.to_string() == pattern));
            let unlisted = if is_named { Bounds::NO } else { held.all };
            prop_assert_eq!(listed.map_or(unlisted, |(_, bounds)| *bounds), expected);
            count(match expected.decided() {
                Some(true) => &allows,
                Some(false) => &denies,
                None => &undecided,
            });
        }
        Ok(())
    });
    tested.unwrap();
    let (allows, denies, undecided) = (allows.get(), denies.get(), undecided.get());
    let all = allows + denies + undecided;
    println!("{allows} allows, {denies} denies, {undecided} undecided of {all}");
    assert!(allows * 100 / all >= 20 && denies * 100 / all >= 20, "the worlds are too thin to mean anything");
    assert!(undecided * 100 / all >= 3, "ends of grants are not tested");
}
