//! Machines that lose their power, and nodes that were away for too long.

use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_sim::fault::Fault;
use portcullis_sim::history::{Asked, Outcome};
use portcullis_sim::run::Run;
use portcullis_sim::world::Shape;

use crate::follower;

/// Writes at another node until so many are done.
fn write(run: &mut Run, node: u64, count: usize) -> Result<()> {
    for _ in 0..count {
        let key = run.world.new_grant();
        assert_eq!(run.ask(node, key, Asked::Grant)?.outcome, Outcome::Done);
    }
    Ok(())
}

#[test]
fn a_state_that_lost_its_end_is_made_anew_from_the_log() -> Result<()> {
    let mut lost = 0;
    for seed in 21..25 {
        let mut run = Run::new(seed, Shape::plain())?;
        run.form()?;
        let node = follower(&run);
        let other = run.world.shape.nodes().find(|other| *other != node).context("there are others")?;
        write(&mut run, other, 10)?;
        run.begin(Fault::Crash(node));
        let events = run.world.history().events;
        lost += events.iter().filter(|(_, event)| event.contains(portcullis_sim::fault::LOST)).count();
        run.end(Fault::Crash(node));
        run.until("it to start", Duration::from_secs(20), |world| world.hosts[&node].node().is_some())?;
        run.agree()?;
    }
    assert!(lost > 0, "no state has lost anything");
    Ok(())
}

#[test]
fn a_node_that_was_away_for_too_long_is_sent_a_snapshot_and_answers_by_it() -> Result<()> {
    let mut run = Run::new(31, Shape { snapshot_every: 10, ..Shape::plain() })?;
    run.form()?;
    let node = follower(&run);
    let other = run.world.shape.nodes().find(|other| *other != node).context("there are others")?;
    run.begin(Fault::Isolate(node));
    write(&mut run, other, 60)?;
    let revoked = run.world.new_grant();
    for asked in [Asked::Grant, Asked::Revoke] {
        assert_eq!(run.ask(other, revoked, asked)?.outcome, Outcome::Done);
    }
    assert_eq!(run.world.hosts[&node].snapshots(), 0);
    run.end(Fault::Isolate(node));
    run.until("a snapshot to be installed", Duration::from_secs(20), |world| world.hosts[&node].snapshots() > 0)?;
    run.until("a lease", Duration::from_secs(20), |world| {
        world.hosts[&node].node().is_some_and(|node| node.lease().epoch.is_some())
    })?;
    let answer = run.ask(node, revoked, Asked::Check)?;
    assert!(matches!(answer.outcome, Outcome::Deny(_)), "{answer}");
    run.agree()?;
    Ok(())
}
