//! What is in doubt: whichever of the commands behind a version are shown, the answers lie between the bounds.

use portcullis_machine::Footprint;

use super::commands::*;
use super::*;
use crate::dice;
use crate::resident::Doubts;
use crate::state::Due;

/// Sequences of commands, each from a seed of its own.
const SEEDS: u64 = 6;
const ROUNDS: usize = 120;
/// Commands that are pending at a time, at most.
const PENDING_MAX: usize = 8;
/// Commands that are certain before each round, at most.
const CERTAIN_MAX: usize = 3;

/// What the bounds were, and what became of the answers.
#[derive(Debug, Default)]
struct Counts {
    /// Final although something was pending in the tenant.
    decided: u32,
    /// Undecided, and the answer did change.
    changed: u32,
    /// Undecided, and the answer never differed from the lower bound.
    stayed_low: u32,
    /// Undecided, and the answer never differed from the upper bound.
    stayed_high: u32,
}

fn query_bounds(
    stored: Stored<'_>,
    doubts: Option<&TenantDoubts>,
    (subject, permission, resource): Asked<'_>,
) -> Bounds {
    let query = Query { subject, permission, resource };
    let clock = Some(Clock { reading: NOW, error_ms: ERROR_MS });
    judge(stored, doubts, query, clock).unwrap().bounds
}

type Asked<'a> = (&'a Subject, &'a PermissionName, &'a Object);

fn due(bench: &Bench, now: Timestamp) -> Due {
    bench.store.reader().due(now, now.plus_ms(1_000), 5).unwrap()
}

#[test]
fn every_version_that_may_be_shown_lies_between_the_bounds() {
    let mut counts = Counts::default();
    for seed in dice::seeds("PORTCULLIS_DOUBTS_SEED", SEEDS) {
        println!("seed {seed}");
        // Every other one without memory for relationships.
        let budget = if seed.is_multiple_of(2) { u64::MAX } else { 0 };
        let (mut bench, mut commands) = (Bench::within(budget), Commands::new(seed));
        bench.done(initialise());
        for _ in 0..ROUNDS {
            for _ in 0..commands.dice.below(CERTAIN_MAX + 1) {
                let envelope = commands.next(&due(&bench, commands.now));
                bench.apply(envelope);
            }
            let base = bench.store.reader().view().clone();
            let (mut footprints, mut shown): (Vec<Footprint>, Vec<_>) = (Vec::new(), vec![base.clone()]);
            for _ in 0..=commands.dice.below(PENDING_MAX) {
                let envelope = commands.next(&due(&bench, commands.now));
                footprints.push(envelope.command.footprint(&envelope.tenant));
                bench.apply(envelope);
                shown.push(bench.store.reader().view().clone());
            }
            compare(&footprints, &base, &shown, &mut counts);
        }
    }
    println!("{counts:?}");
    let undecided = counts.changed + counts.stayed_low + counts.stayed_high;
    assert!(
        counts.decided > undecided && undecided > 1_000,
        "the bounds say too little, or are never needed: {counts:?}"
    );
    for hit in [counts.changed, counts.stayed_low, counts.stayed_high] {
        assert!(hit * 20 > undecided, "the bounds are wider than they need be, or changes hardly matter: {counts:?}");
    }
}

/// Compares all answers of a version with those of the versions after it.
fn compare(footprints: &[Footprint], base: &View, shown: &[std::sync::Arc<View>], counts: &mut Counts) {
    for name in TENANTS {
        let tenant = tenant(name);
        let doubts = Doubts::new(&base.resident, &tenant, footprints.iter().map(Some));
        let (Some(index), Some(stored)) = (base.resident.tenant(&tenant), base.tenant(&tenant)) else {
            let appears = shown.iter().any(|view| view.resident.tenant(&tenant).is_some());
            assert!(!appears || doubts.in_tenant().is_some(), "{name} appears out of nothing");
            continue;
        };
        let Some(in_doubt) = doubts.in_tenant() else {
            let stays = |view: &std::sync::Arc<View>| {
                view.resident.tenant(&tenant).is_some_and(|later| std::sync::Arc::ptr_eq(later, index))
            };
            assert!(shown.iter().all(stays), "{name} changes, and nothing in it is in doubt");
            continue;
        };
        for subject in SUBJECTS.iter().chain(&["user:other"]) {
            for resource in SCOPES {
                for permission in ["view", "edit", "burn"] {
                    let asked = (subject.parse().unwrap(), permission.parse().unwrap(), resource.parse().unwrap());
                    let asked = (&asked.0, &asked.1, &asked.2);
                    let bounds = query_bounds(stored, Some(in_doubt), asked);
                    // A tenant that is gone allows nothing.
                    let answer = |view: &std::sync::Arc<View>| match view.tenant(&tenant) {
                        Some(stored) => query_bounds(stored, None, asked),
                        None => Bounds::NO,
                    };
                    let answers: Vec<Bounds> = shown.iter().map(answer).collect();
                    for answer in &answers {
                        let within = bounds.lower <= answer.lower && answer.upper <= bounds.upper;
                        assert!(within, "{name}: {subject} {permission} {resource}: {bounds:?}, and {answers:?}");
                    }
                    count(bounds, &answers, counts);
                }
            }
        }
    }
}

fn count(bounds: Bounds, answers: &[Bounds], counts: &mut Counts) {
    if bounds.decided().is_some() {
        counts.decided += 1;
        return;
    }
    let (low, high) = (answers.iter().all(|answer| !answer.lower), answers.iter().all(|answer| answer.upper));
    counts.changed += u32::from(!low && !high);
    counts.stayed_low += u32::from(low);
    counts.stayed_high += u32::from(high);
}
