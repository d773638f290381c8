//! Revocations, one by one; after each, every node is asked at once. Half-way the leader is killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use portcullis_client::{Client, Error, Kind, v1};
use portcullis_tests::{Cluster, requests};
use tokio::time::{MissedTickBehavior, interval};

use crate::summary::{LONGEST_US, micros};
use crate::world::{Standing, World};

/// The pace, so that checkers see the time between two revocations too.
const EVERY: Duration = Duration::from_millis(30);
/// How long one node is tried before the next.
const ONE_NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// What came of the revocations.
pub(crate) struct Revoked {
    /// How many were acknowledged.
    pub acknowledged: u64,
    /// Answers of nodes that were asked right after an acknowledgement.
    pub answers: u64,
    /// ALLOW among them.
    pub stale: u64,
    /// Nodes that gave no answer when they were asked then.
    pub unanswered: u64,
    /// How long a revocation took from the first attempt to its acknowledgement, in microseconds.
    pub latency_us: Histogram<u64>,
    /// The leader that was killed.
    pub killed: u64,
    /// From the kill to the next acknowledged revocation.
    pub writes_resumed_after: Duration,
}

/// Revokes the first grants of the world.
pub(crate) async fn run(world: &World, cluster: &mut Cluster, count: u32) -> anyhow::Result<Revoked> {
    let latency_us = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
    let mut seen = Revoked {
        acknowledged: 0,
        answers: 0,
        stale: 0,
        unanswered: 0,
        latency_us,
        killed: 0,
        writes_resumed_after: Duration::ZERO,
    };
    let bar = ProgressBar::new(count.into())
        .with_style(ProgressStyle::with_template("  {bar:40} {pos} of {len} revoked  {msg}")?);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let clients = clients(cluster)?;
    let (kill_at, restart_at) = (count / 2, count * 3 / 4);
    let mut killed_at = None;
    for nth in 0..count {
        pace.tick().await;
        if nth == kill_at {
            seen.killed = cluster.leader().await?;
            bar.suspend(|| println!("Killing the leader, node {}, with SIGKILL.", seen.killed));
            killed_at = Some(Instant::now());
            cluster.kill(seen.killed)?;
        }
        if nth == restart_at {
            cluster.restart(seen.killed).await?;
            bar.suspend(|| println!("Node {} is back.", seen.killed));
        }
        revoke(world, (cluster, &clients), nth, &mut seen).await?;
        if let Some(killed_at) = killed_at.take() {
            seen.writes_resumed_after = killed_at.elapsed();
        }
        ask_everybody(world, cluster, nth, &mut seen).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(seen)
}

/// A client for each node, which gives up soon enough for the next to be tried.
fn clients(cluster: &Cluster) -> anyhow::Result<BTreeMap<u64, Client>> {
    let up = cluster.up().into_iter();
    up.map(|node| Ok((node, cluster.node(node).client_within(ONE_NODE_TIMEOUT)?))).collect()
}

/// Revokes a grant at whichever node acknowledges it, beginning with another one each time.
async fn revoke(
    world: &World,
    (cluster, clients): (&Cluster, &BTreeMap<u64, Client>),
    nth: u32,
    seen: &mut Revoked,
) -> anyhow::Result<()> {
    let options = requests::under_key(&format!("revoke-{nth}"));
    let request = v1::RevokeGrantsRequest { options, ..requests::revoke(&world.grant_id(nth)) };
    world.set(nth, Standing::Ending);
    let started = Instant::now();
    for node in cluster.up().iter().cycle().skip(nth as usize) {
        match clients[node].revoke_grants(request.clone()).await {
            Ok(_) => break,
            Err(error) if error.kind() == Kind::Unavailable => {}
            Err(error) => return Err(error.into()),
        }
    }
    seen.latency_us.saturating_record(micros(started.elapsed()));
    world.set(nth, Standing::Ended);
    seen.acknowledged += 1;
    Ok(())
}

async fn ask_everybody(world: &World, cluster: &Cluster, nth: u32, seen: &mut Revoked) {
    for (node, answer) in cluster.ask(&world.request(nth)).await {
        count(node, nth, &answer, seen);
    }
}

fn count(node: u64, nth: u32, answer: &Result<v1::Decision, Error>, seen: &mut Revoked) {
    match answer {
        Ok(decision) => {
            seen.answers += 1;
            if *decision == v1::Decision::Allow {
                seen.stale += 1;
                eprintln!("STALE: node {node} answers ALLOW for grant {nth}, whose revocation was acknowledged before");
            }
        }
        Err(_) => seen.unanswered += 1,
    }
}
