//! Bounds: whichever of the pending changes are shown, the answer lies between them, and they are no wider than that.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::Index;

use super::oracle::oracle;
use super::worlds::{CLOCK, in_time, load, questions, runner, world};
use crate::memory::Fact;
use crate::{Bounds, Budget, Query, check, explain, permissions};

/// Every subset of what is pending, the empty one first and the whole one last, on top of what is certain.
fn prefixes(certain: &[Fact], pending: &[Fact]) -> Vec<Vec<Fact>> {
    let subsets = 0..1_usize << pending.len();
    let shown = |subset: usize| {
        let chosen = pending.iter().enumerate().filter(move |(at, _)| subset >> at & 1 == 1);
        certain.iter().chain(chosen.map(|(_, fact)| fact)).cloned().collect()
    };
    subsets.map(shown).collect()
}

#[test]
fn every_order_of_pending_changes_lies_between_the_bounds() {
    let (decided, by_pending, by_time) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let some = prop::collection::vec(any::<Index>(), 1..6);
    let tested = runner(300).run(&(world(), some), |(facts, indices)| {
        let mut pending_at: Vec<usize> = indices.iter().map(|index| index.index(facts.len())).collect();
        pending_at.sort_unstable();
        pending_at.dedup();
        let (pending, certain): (Vec<_>, Vec<_>) =
            facts.into_iter().enumerate().partition(|(at, _)| pending_at.contains(at));
        let (pending, certain): (Vec<Fact>, Vec<Fact>) =
            (pending.into_iter().map(|(_, fact)| fact).collect(), certain.into_iter().map(|(_, fact)| fact).collect());
        let mut memory = load(&certain);
        for fact in &pending {
            memory.doubt(fact);
        }
        let prefixes = prefixes(&certain, &pending);
        for (subject, permission, resource) in &questions() {
            let query = Query { subject, permission, resource };
            let budget = Budget::new(&in_time);
            let bounds = check(&memory, query, Some(CLOCK), &budget).unwrap().bounds;
            prop_assert_eq!(explain(&memory, query, Some(CLOCK), &budget).unwrap().outcome.bounds, bounds);
            let held = permissions(&memory, subject, resource, Some(CLOCK), &budget).unwrap();
            if let Some((_, listed)) = held.permissions.iter().find(|(listed, _)| listed == permission) {
                prop_assert_eq!(*listed, bounds);
            }
            let answers: Vec<Bounds> =
                prefixes.iter().map(|shown| oracle(shown, subject, permission, resource)).collect();
            for answer in &answers {
                prop_assert!(bounds.lower <= answer.lower && answer.upper <= bounds.upper, "{bounds:?} {answer:?}");
            }
            // Nothing takes away yet, so the extremes are shown by none and by all of the changes.
            prop_assert_eq!(bounds.lower, answers.first().unwrap().lower);
            prop_assert_eq!(bounds.upper, answers.last().unwrap().upper);
            let settled = answers.iter().all(|answer| answer.decided().is_some());
            count(match (bounds.decided(), settled) {
                (Some(_), _) => &decided,
                (None, true) => &by_pending,
                (None, false) => &by_time,
            });
        }
        Ok(())
    });
    tested.unwrap();
    let (decided, by_pending, by_time) = (decided.get(), by_pending.get(), by_time.get());
    println!("{decided} decided, {by_pending} undecided by pending changes, {by_time} by time too");
    assert!(by_pending * 100 / (decided + by_pending + by_time) >= 3, "what is pending hardly matters");
}
