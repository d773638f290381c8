//! Runs of the simulation with faults that are chosen and not drawn, and that a seed replays a run.

mod clocks;
mod messages;
mod power;
mod regions;
mod replay;

use anyhow::Result;
use portcullis_sim::history::{Asked, Key, Outcome};
use portcullis_sim::nemesis::leader;
use portcullis_sim::run::Run;
use portcullis_sim::world::Shape;

/// The grant that is asked about.
const KEY: Key = Key(1);

/// Three voters that hold leases, and a grant that each of them allows by its own.
fn granted(seed: u64) -> Result<Run> {
    let mut run = Run::new(seed, Shape::plain())?;
    run.form()?;
    assert_eq!(run.ask(1, KEY, Asked::Grant)?.outcome, Outcome::Done);
    for node in 1..=3 {
        let answer = run.ask(node, KEY, Asked::Check)?;
        assert!(matches!(answer.outcome, Outcome::Allow(_)), "{answer}");
    }
    Ok(run)
}

/// A node that does not lead.
fn follower(run: &Run) -> u64 {
    let leader = leader(&run.world);
    run.world.shape.nodes().find(|node| Some(*node) != leader).expect("INVARIANT: only one of three leads")
}

/// Asks `node` again and again for some simulated seconds; it must not allow, and the history must be possible.
fn never_allows(run: &mut Run, node: u64, seconds: u64) -> Result<()> {
    let end = run.sim.elapsed() + std::time::Duration::from_secs(seconds);
    while run.sim.elapsed() < end {
        let answer = run.ask(node, KEY, Asked::Check)?;
        assert!(!matches!(answer.outcome, Outcome::Allow(_)), "{answer}");
    }
    assert_eq!(portcullis_sim::check::check(&run.world.history()).0, []);
    Ok(())
}
