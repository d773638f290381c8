//! Cases that scripts and worlds made at random do not reach.

mod interval;
mod lookups;
mod oracle;
mod schemas;
mod scripts;
mod traces;
mod worlds;

use portcullis_model::GrantState;

use crate::memory::{Fact, Memory};
use crate::script::{grant, role};
use crate::{Bounds, Budget, Error, Query, Scratch, check, check_with, explain};
use worlds::{CLOCK, in_time, load};

fn is_in(group: &str, subject: &str) -> Fact {
    Fact::Tuple(format!("{group}#member@{subject}").parse().unwrap())
}

fn viewer() -> Fact {
    Fact::Role(role("viewer", &["document#view"]).unwrap())
}

fn views_plan(id: &str, subject: &str) -> Fact {
    let words = [id, subject, "viewer", "document:plan"];
    Fact::Grant(Box::new(grant(words, None, GrantState::Active).unwrap()))
}

/// Asks whether `user:u` may view `document:plan`.
fn ask<T>(ask: impl FnOnce(Query<'_>) -> T) -> T {
    let (subject, permission) = ("user:u".parse().unwrap(), "view".parse().unwrap());
    let resource = "document:plan".parse().unwrap();
    ask(Query { subject: &subject, permission: &permission, resource: &resource })
}

fn bounds(memory: &Memory) -> Bounds {
    ask(|query| check(memory, query, Some(CLOCK), &Budget::new(&in_time))).unwrap().bounds
}

#[test]
fn the_default_depth_is_the_limit_of_the_interface() {
    let chain = |n: usize| is_in(&format!("group:g{}", n + 1), &format!("group:g{n}#member"));
    let groups = |count: usize| {
        let mut facts = vec![viewer(), is_in("group:g0", "user:u"), views_plan("g", "group:g0#member")];
        facts.extend((0..count - 1).map(chain));
        load(&facts)
    };
    assert_eq!(bounds(&groups(50)), Bounds::YES);
    let deep = ask(|query| check(&groups(51), query, Some(CLOCK), &Budget::new(&in_time)));
    assert_eq!(deep, Err(Error::DepthExceeded { most: 50 }));
}

#[test]
fn a_late_evaluation_ends() {
    let memory = load(&(0..1_000).map(|n| is_in(&format!("group:g{n}"), "user:u")).collect::<Vec<_>>());
    let late = ask(|query| check(&memory, query, Some(CLOCK), &Budget::new(&|| true)));
    assert_eq!(late, Err(Error::DeadlineExceeded));
}

/// A subject in so many groups that they are no longer scanned, with the grant on the last.
#[test]
fn many_groups_are_all_reached() {
    let mut facts: Vec<Fact> = (0..100).map(|n| is_in(&format!("group:g{n}"), "user:u")).collect();
    facts.extend((0..100).map(|n| is_in(&format!("group:g{}", (n + 1) % 100), &format!("group:g{n}#member"))));
    facts.extend([viewer(), views_plan("g", "group:g99#member")]);
    assert_eq!(bounds(&load(&facts)), Bounds::YES);
}

#[test]
fn the_side_with_fewer_grants_is_looked_at() {
    let mut facts = vec![viewer(), views_plan("mine", "user:u")];
    facts.extend((0..500).map(|n| views_plan(&format!("g{n}"), &format!("user:other{n}"))));
    let outcome = ask(|query| check(&load(&facts), query, Some(CLOCK), &Budget::new(&in_time))).unwrap();
    assert_eq!((outcome.bounds, outcome.visited), (Bounds::YES, 1));
}

#[test]
fn scratch_carries_nothing_over() {
    let (rich, poor) = (load(&[viewer(), views_plan("g", "user:u")]), load(&[viewer()]));
    let mut scratch = Scratch::default();
    for (memory, expected) in [(&rich, Bounds::YES), (&poor, Bounds::NO), (&rich, Bounds::YES)] {
        let budget = Budget::new(&in_time);
        let outcome = ask(|query| check_with(&mut scratch, memory, query, Some(CLOCK), &budget)).unwrap();
        assert_eq!(outcome.bounds, expected);
        // An evaluation that stops half way leaves nothing behind either.
        let narrow = Budget { visited: 0, ..Budget::new(&in_time) };
        let _ = ask(|query| check_with(&mut scratch, memory, query, Some(CLOCK), &narrow));
    }
}

/// Neither do walks that are too long to scan, of which an index is kept.
#[test]
fn scratch_carries_nothing_over_from_long_walks() {
    let groups = |subject: &str, kind: &str| -> Vec<Fact> {
        (0..100).map(|n| is_in(&format!("group:{kind}{n}"), subject)).collect()
    };
    let facts = [groups("user:u", "a"), groups("user:v", "b"), vec![viewer(), views_plan("g", "group:a50#member")]];
    let (memory, mut scratch) = (load(&facts.concat()), Scratch::default());
    let (permission, resource) = ("view".parse().unwrap(), "document:plan".parse().unwrap());
    for (subject, expected) in [("user:u", Bounds::YES), ("user:v", Bounds::NO), ("user:u", Bounds::YES)] {
        let subject = subject.parse().unwrap();
        let query = Query { subject: &subject, permission: &permission, resource: &resource };
        let outcome = check_with(&mut scratch, &memory, query, Some(CLOCK), &Budget::new(&in_time)).unwrap();
        assert_eq!(outcome.bounds, expected, "{subject}");
    }
}

/// A group that is being left is certain no more, unless there is another, certain way into it, also a longer one.
#[test]
fn a_certain_way_beats_a_possible_one() {
    let mut memory = load(&[viewer(), views_plan("g", "group:target#member")]);
    memory.doubt(&is_in("group:target", "user:u"));
    assert_eq!(bounds(&memory), Bounds::MAYBE);
    memory.put(&is_in("group:way", "user:u"));
    assert_eq!(bounds(&memory), Bounds::MAYBE);
    memory.put(&is_in("group:target", "group:way#member"));
    assert_eq!(bounds(&memory), Bounds::YES);
}

#[test]
fn explanations_are_bounded_and_say_so() {
    let mut facts = vec![Fact::Role(role("viewer", &["folder#view"]).unwrap())];
    facts.extend((0..300).map(|n| views_plan(&format!("g{n:03}"), "user:u")));
    let explained = ask(|query| explain(&load(&facts), query, Some(CLOCK), &Budget::new(&in_time))).unwrap();
    assert!(explained.truncated && explained.steps.len() == 200 && explained.path.is_none());
    let few = ask(|query| explain(&load(&facts[..10]), query, Some(CLOCK), &Budget::new(&in_time))).unwrap();
    assert!(!few.truncated);
    // Names within a step are bounded too.
    let groups: Vec<Fact> = (0..60).map(|n| is_in(&format!("group:g{n}"), "user:u")).collect();
    let explained = ask(|query| explain(&load(&groups), query, Some(CLOCK), &Budget::new(&in_time))).unwrap();
    assert!(explained.truncated && explained.steps.len() == 3);
}

/// The numbers that names have depend on the order of the facts; what people read must not.
#[test]
fn explanations_do_not_depend_on_the_order_of_facts() {
    let mut facts = vec![viewer(), views_plan("b", "group:b#member"), views_plan("a", "group:a#member")];
    facts.extend(["group:a", "group:b"].map(|group| is_in(group, "user:u")));
    facts.extend(["group:a", "group:b"].map(|group| is_in(group, "group:c#member")));
    facts.push(is_in("group:c", "user:u"));
    let mut turned = facts.clone();
    turned.reverse();
    let why = |facts: &[Fact]| ask(|query| explain(&load(facts), query, Some(CLOCK), &Budget::new(&in_time))).unwrap();
    assert_eq!(why(&facts), why(&turned));
    assert_eq!(why(&facts).path.unwrap().grant.as_str(), "a");
    let denied: Vec<Fact> = facts.iter().filter(|fact| **fact != viewer()).cloned().collect();
    let turned: Vec<Fact> = denied.iter().rev().cloned().collect();
    assert_eq!(why(&denied), why(&turned));
}
