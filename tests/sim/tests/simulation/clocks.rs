//! Leases and clocks: jumps, processes that were stopped, and clocks that are worse than is assumed.

use std::time::Duration;

use anyhow::Result;
use portcullis_sim::check::check;
use portcullis_sim::clocks::Stood;
use portcullis_sim::fault::Fault;
use portcullis_sim::history::{Asked, By, Outcome};

use crate::{KEY, follower, granted, never_allows};

/// Cuts a holder off while its lease is fresh, and revokes the grant elsewhere, for which its lease has to run out.
fn revoked_behind(run: &mut portcullis_sim::run::Run, holder: u64) -> Result<()> {
    run.begin(Fault::Isolate(holder));
    let other = run.world.shape.nodes().find(|node| *node != holder).expect("INVARIANT: there are others");
    let revoked = run.ask(other, KEY, Asked::Revoke)?;
    assert_eq!(revoked.outcome, Outcome::Done);
    assert!(revoked.returned > Some(revoked.invoked + Duration::from_millis(1_500)), "{revoked}");
    Ok(())
}

#[test]
fn a_lease_that_ran_out_does_not_come_back_with_the_clocks() -> Result<()> {
    for (seed, back_ms) in [(1, 1_500), (2, 2_500), (3, 9_000)] {
        let mut run = granted(seed)?;
        let holder = follower(&run);
        revoked_behind(&mut run, holder)?;
        run.begin(Fault::JumpBack(holder, back_ms));
        never_allows(&mut run, holder, 14)?;
    }
    Ok(())
}

#[test]
fn a_clock_that_goes_backwards_ends_the_lease_at_once() -> Result<()> {
    let mut run = granted(4)?;
    let holder = follower(&run);
    run.begin(Fault::Isolate(holder));
    run.begin(Fault::JumpBack(holder, 50));
    let answer = run.ask(holder, KEY, Asked::Check)?;
    assert_eq!(answer.outcome, Outcome::Unknown, "its lease would have lasted: {answer}");
    Ok(())
}

#[test]
fn a_process_that_was_stopped_does_not_answer_by_its_old_lease() -> Result<()> {
    for stood in [Stood::Process, Stood::Machine] {
        let mut run = granted(5)?;
        let holder = follower(&run);
        run.begin(Fault::Suspend(holder, stood));
        revoked_behind(&mut run, holder)?;
        // It wakes up alone: it is still cut off, and nobody can tell it anything.
        run.end(Fault::Suspend(holder, stood));
        never_allows(&mut run, holder, 5)?;
    }
    Ok(())
}

/// What the simulation is for: where an assumption is broken, so that a stale allow is given, it is found.
#[test]
fn a_clock_that_is_slower_than_is_assumed_is_noticed() -> Result<()> {
    let mut run = granted(6)?;
    let holder = follower(&run);
    run.begin(Fault::Rate(holder, -500_000));
    revoked_behind(&mut run, holder)?;
    let answer = run.ask(holder, KEY, Asked::Check)?;
    assert_eq!(answer.outcome, Outcome::Allow(By::Lease));
    let (violations, _) = check(&run.world.history());
    assert_eq!(violations[0].what, "an allow after the revocation returned");
    Ok(())
}
