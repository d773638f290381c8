//! What checks send to other nodes: nothing.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use portcullis_sim::client::check_at_once;

use crate::{KEY, granted};

/// Checks at each node.
const CHECKS: usize = 5_000;

#[test]
fn a_check_sends_nothing_and_waits_for_nothing() -> Result<()> {
    let run = granted(11)?;
    for host in run.world.hosts.values() {
        let node = host.node().context("it runs")?;
        // Nothing else happens between two steps of the simulation.
        let sent = host.sent.load(Ordering::Relaxed);
        assert!(sent > 0, "messages are counted");
        assert!((0..CHECKS).all(|_| check_at_once(&node, KEY) == Some(true)), "node {}", host.id);
        assert_eq!(host.sent.load(Ordering::Relaxed), sent, "node {}", host.id);
    }
    Ok(())
}
