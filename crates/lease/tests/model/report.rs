//! Runs everything and prints what was found.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portcullis_lease::Fault;
use stateright::{Checker, HasDiscoveries, Model};

use crate::looks;
use crate::slice::Slice;
use crate::slices;
use crate::system::System;

const THREADS: usize = 2;
/// Steps tried at which a slice is given up as too large: what a run of a few minutes allows, and what memory does.
const STEPS_MAX: usize = 12_000_000;
const STEPS_MAX_DEEP: usize = 60_000_000;

pub(crate) fn run(deep: bool, only: Option<&str>, rule: Option<&str>) -> ExitCode {
    let steps_max = if deep { STEPS_MAX_DEEP } else { STEPS_MAX };
    let chosen = |slice: &Slice| only.is_none_or(|only| slice.name.contains(only));
    let slices: Vec<Slice> = slices::all(deep).into_iter().filter(chosen).collect();
    let broken = |fault: &Fault| rule.is_none_or(|rule| format!("{fault:?}").contains(rule));
    let is_of_leases = |fault: &Fault| noticed_in(*fault).is_some();
    let rules = Fault::ALL.iter().map(|(fault, _)| *fault);
    let rules: Vec<Fault> = rules.filter(is_of_leases).filter(broken).collect();
    if slices.is_empty() || rules.is_empty() {
        eprintln!("no slice or no broken rule is called so; without names all are taken");
        return ExitCode::FAILURE;
    }
    // The orders of looks are few; names choose among slices and rules.
    let ordered = only.is_some() || looks::hold();
    println!(
        "{:<26} {:>9} {:>5} {:>8} {:>7} {:>9} {:>7} {:>7} {:>6}",
        "slice", "states", "depth", "declares", "direct", "answers", "waited", "settled", "time"
    );
    let sound = slices.iter().filter(|slice| !holds(slice, steps_max)).count() == 0;
    println!("\n{:<24} {:<26} {:>6} {:>9} {:>6}", "broken rule", "noticed in", "steps", "states", "time");
    let noticed = rules.iter().filter(|fault| !is_noticed(**fault, &slices, steps_max)).count() == 0;
    if ordered && sound && noticed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Checks one slice with every rule in place.
fn holds(slice: &Slice, steps_max: usize) -> bool {
    let started = Instant::now();
    let checker = System::new(slice.clone(), None).checker().threads(THREADS);
    let checker = checker.target_state_count(steps_max).spawn_bfs().join();
    let reached = &checker.model().reached;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{:<26} {:>9} {:>5} {:>8} {:>7} {:>9} {:>7} {:>7} {:>6}",
        slice.name,
        checker.unique_state_count(),
        checker.max_depth(),
        count(&reached.declares),
        count(&reached.direct),
        count(&reached.answers),
        count(&reached.waits),
        count(&reached.settled),
        seconds(started.elapsed()),
    );
    let exhausted = checker.is_done() && checker.state_count() < steps_max;
    if !exhausted {
        println!("  FAILED: more than {steps_max} steps were tried");
    }
    let vacuous = count(&reached.declares) == 0
        || (slice.direct && count(&reached.direct) == 0)
        || (slice.hears && count(&reached.ahead) == 0)
        || (slice.reads > 0 && count(&reached.answers) == 0)
        || count(&reached.settled) == 0;
    if vacuous {
        println!("  FAILED: nothing was declared, answered or settled, so nothing was checked");
    }
    for (property, path) in checker.discoveries() {
        println!("  FAILED: {property}, by");
        println!("    ends with {:?}", path.last_state().violation);
        path.into_actions().iter().for_each(|step| println!("    {step:?}"));
    }
    checker.discoveries().is_empty() && !vacuous && exhausted
}

/// Looks for a slice in which breaking a rule is noticed.
fn is_noticed(fault: Fault, slices: &[Slice], steps_max: usize) -> bool {
    let started = Instant::now();
    let expected = noticed_in(fault);
    let (first, others): (Vec<&Slice>, Vec<&Slice>) = slices.iter().partition(|slice| Some(slice.name) == expected);
    for slice in first.into_iter().chain(others) {
        let system = System::new(slice.clone(), Some(fault)).checker().threads(THREADS);
        let checker = system
            .finish_when(HasDiscoveries::AllOf(BTreeSet::from(["holds"])))
            .target_state_count(steps_max)
            .spawn_bfs()
            .join();
        if let Some(path) = checker.discovery("holds") {
            let steps = path.into_actions().len();
            let (fault, states) = (format!("{fault:?}"), checker.unique_state_count());
            println!("{fault:<24} {:<26} {steps:>6} {states:>9} {:>6}", slice.name, seconds(started.elapsed()));
            return true;
        }
    }
    println!("{:<24} NOT NOTICED {:>45}", format!("{fault:?}"), seconds(started.elapsed()));
    false
}

/// The slice that is small and notices it, so that it is looked at first. `None` for rules of what is around leases: how entries
/// and snapshots are stored, how writes are tried again, what watchers are told.
fn noticed_in(fault: Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::NoFence
        | Fault::NoBarrier
        | Fault::BarrierAtVisible
        | Fault::PublishAtApplied
        | Fault::TokenAtBase
        | Fault::PendingAboveApplied
        | Fault::NoWait
        | Fault::WaitForVisible
        | Fault::NoExpiry
        | Fault::NoSessions => "failover",
        Fault::GrantWithoutProof | Fault::BarrierByIndex | Fault::RoundFromReceipt => "a deposed leader reads",
        Fault::LapsedKeepsBarrier | Fault::ViewBeforeExpiry => "renewal",
        Fault::SessionNotProlonged => "long leases",
        Fault::PurgeAboveVisible => "purge",
        Fault::ServeAboveVisible | Fault::AnyIncarnation => "restart of a holder",
        Fault::LeaseFromReceipt | Fault::NoDrift => "clocks that drift",
        Fault::SessionByEitherClock => "steered clocks",
        Fault::LazyProof => "suspended machines",
        Fault::ClockBeforeExpiry | Fault::EmitTouched => "emission",
        Fault::AnswerForNewest => "two rounds",
        Fault::RegisteredByIndex => "a log that is cut",
        Fault::GrantSurvivesRelease | Fault::LateRelease => "release",
        Fault::SilentLeader => "promises",
        Fault::SilentRestart => "promises and restarts",
        Fault::GrantBelowVote | Fault::DroppedWithoutVote | Fault::DroppedInWords | Fault::FenceForgetsHolders => {
            "older leases dropped"
        }
        Fault::FenceForgetsRemoved | Fault::RemovedSessionEnds | Fault::GrantToRemoved => "removal",
        Fault::ListedBeforeAppend | Fault::ListedWhileFenced => "direct, leader restarts",
        Fault::AnswerByExpiry => "direct, renewals",
        Fault::StoredOfAnyEpoch => "direct, by voters' word",
        Fault::LearnersCount | Fault::FreshAsCommitted => "direct, learners",
        Fault::StoredFromAnybody | Fault::StoredBeforeSync => "direct, power loss",
        Fault::VotersBefore => "direct, voters change",
        Fault::FenceIgnoresLog => "a longer lease",
        Fault::LoweredAtOnce | Fault::SettledEarly => "a shorter lease",
        Fault::SettledForLater => "shorter and shorter",
        Fault::GrantByApplied => "shorter, and forgotten",
        Fault::LeadsAgain => "restart of the leader",
        Fault::AckBeforeRegister
        | Fault::AckBeforeSync
        | Fault::RecoveryDropsRecords
        | Fault::SnapshotForgetsOutcomes
        | Fault::SnapshotAboveVisible
        | Fault::RetryWithoutKey
        | Fault::OutcomeBeforeVisible
        | Fault::FilterByTaker
        | Fault::WatchSkipsFailover
        | Fault::ReadIndexOfRaft
        | Fault::LeaseReadOfRaft
        | Fault::LeaseByWallClock
        | Fault::HashByBatch
        | Fault::GrantEndsByLocalClock => return None,
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
