//! Traces over worlds made at random. That the answer of each step follows from what is below it is asserted where it is made.

use std::cell::Cell;
use std::collections::BTreeSet;

use portcullis_model::Tuple;
use portcullis_schema::compile;
use proptest::prelude::*;
use proptest::sample::Index;

use super::schemas::{questions, schema, tuple};
use super::worlds::{CLOCK, in_time, load, runner};
use crate::memory::Fact;
use crate::{Budget, Error, Query, Step, StepAnswer, check, trace};

fn count(step: &Step) -> usize {
    1 + step.steps.iter().map(count).sum::<usize>()
}

#[test]
fn traces_say_what_checks_say() {
    let (steps, repeated, undecided) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let worlds = (schema(), prop::collection::btree_set(tuple(), 30..60), prop::collection::vec(any::<Index>(), 0..4));
    let tested = runner(500).run(&worlds, |(schema, tuples, pending)| {
        let pending: BTreeSet<usize> = pending.iter().map(|index| index.index(tuples.len())).collect();
        let facts = |tuples: &mut dyn Iterator<Item = (usize, &Tuple)>| {
            let mut memory = load(&[Fact::Schema(compile(&schema).unwrap())]);
            for (nth, tuple) in tuples {
                let fact = Fact::Tuple(tuple.clone());
                if pending.contains(&nth) { memory.doubt(&fact) } else { memory.put(&fact) }
            }
            memory
        };
        let memory = facts(&mut tuples.iter().enumerate());
        let turned = facts(&mut tuples.iter().enumerate().rev());
        for (subject, permission, resource) in &questions() {
            let (query, budget) = (Query { subject, permission, resource }, Budget::new(&in_time));
            let checked = check(&memory, query, Some(CLOCK), &budget).unwrap();
            let traced = trace(&memory, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(traced.outcome.bounds, checked.bounds, "{:?}", query);
            prop_assert_eq!(&traced.outcome.missing, &checked.missing);
            prop_assert!(!traced.truncated);
            // Numbers that names have depend on the order of the facts; what people read must not.
            let again = trace(&turned, query, Some(CLOCK), &budget).unwrap();
            prop_assert_eq!(&again.step, &traced.step);
            steps.set(steps.get() + count(&traced.step));
            repeated.set(repeated.get() + usize::from(traced.step.steps.iter().any(|step| step.repeated)));
            undecided.set(undecided.get() + usize::from(traced.step.answer == StepAnswer::Undecided));
        }
        Ok(())
    });
    tested.unwrap();
    println!("{steps:?} steps, {repeated:?} repeated, {undecided:?} undecided");
    assert!(steps.get() > 50_000 && repeated.get() > 1_000 && undecided.get() > 100, "the worlds are too thin");
}

/// Asks for `pN` on an object whose permissions follow each other, on a stack such as threads have that checks run on.
fn deep(permission: &'static str) -> Result<(usize, bool), Error> {
    let mut schema =
        "definition user {} definition document { relation viewer: user permission p0 = viewer ".to_owned();
    schema.extend((1..600).map(|n| format!("permission p{n} = p{} ", n - 1)));
    schema.push('}');
    let asked = std::thread::Builder::new().stack_size(2 * 1_024 * 1_024).spawn(move || {
        let memory =
            load(&[Fact::Schema(compile(&schema).unwrap()), Fact::Tuple("document:d#viewer@user:u".parse().unwrap())]);
        let (subject, resource) = ("user:u".parse().unwrap(), "document:d".parse().unwrap());
        let permission = permission.parse().unwrap();
        let query = Query { subject: &subject, permission: &permission, resource: &resource };
        trace(&memory, query, Some(CLOCK), &Budget::new(&in_time)).map(|traced| (count(&traced.step), traced.truncated))
    });
    asked.unwrap().join().unwrap()
}

#[test]
fn traces_are_bounded_and_say_so() {
    assert_eq!(deep("p40"), Ok((42, false)));
    assert_eq!(deep("p490").map(|(_, truncated)| truncated), Ok(true));
    assert!(matches!(deep("p599"), Err(Error::NestingExceeded { .. })));
    let schema = "definition user {} definition team { relation lead: user permission all = lead }
        definition document { relation viewer: team#all }";
    let mut facts = vec![Fact::Schema(compile(schema).unwrap())];
    facts.extend((0..1_200).map(|n| Fact::Tuple(format!("document:d#viewer@team:t{n}#all").parse().unwrap())));
    let (subject, permission) = ("user:u".parse().unwrap(), "viewer".parse().unwrap());
    let resource = "document:d".parse().unwrap();
    let query = Query { subject: &subject, permission: &permission, resource: &resource };
    let traced = trace(&load(&facts), query, Some(CLOCK), &Budget::new(&in_time)).unwrap();
    assert!(traced.truncated);
}
