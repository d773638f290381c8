//! Revocations, one by one; after each, every node is asked at once. Meanwhile a follower is killed, which holds a read
//! lease, and then the leader.

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
const ONE_NODE_TIMEOUT: Duration = Duration::from_secs(4);

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
    /// Who was killed, in this order.
    pub kills: Vec<Kill>,
}

/// A node that was killed.
pub(crate) struct Kill {
    /// What it was.
    pub what: &'static str,
    /// Which it was.
    pub node: u64,
    /// From the kill to the next acknowledged revocation.
    pub writes_resumed_after: Duration,
}

/// When nodes are killed and started again, in eighths of all revocations.
const KILL_HOLDER_AT: u32 = 1;
const RESTART_HOLDER_AT: u32 = 3;
const KILL_LEADER_AT: u32 = 4;
const RESTART_LEADER_AT: u32 = 6;

/// Revokes the first grants of the world.
pub(crate) async fn run(world: &World, cluster: &mut Cluster, count: u32) -> anyhow::Result<Revoked> {
    let latency_us = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
    let mut seen = Revoked { acknowledged: 0, answers: 0, stale: 0, unanswered: 0, latency_us, kills: Vec::new() };
    let bar = ProgressBar::new(count.into())
        .with_style(ProgressStyle::with_template("  {bar:40} {pos} of {len} revoked  {msg}")?);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let clients = clients(cluster)?;
    let at = |eighths: u32| count * eighths / 8;
    let mut killed_at = None;
    for nth in 0..count {
        pace.tick().await;
        let victim = match nth {
            _ if nth == at(KILL_HOLDER_AT) => Some(("a lease holder", cluster.followers().await?[0])),
            _ if nth == at(KILL_LEADER_AT) => Some(("the leader", cluster.leader().await?)),
            _ => None,
        };
        if let Some((what, node)) = victim {
            bar.suspend(|| println!("Killing {what}, node {node}, with SIGKILL."));
            seen.kills.push(Kill { what, node, writes_resumed_after: Duration::ZERO });
            killed_at = Some(Instant::now());
            cluster.kill(node)?;
        }
        if nth == at(RESTART_HOLDER_AT) || nth == at(RESTART_LEADER_AT) {
            let node = seen.kills.last().map_or(0, |kill| kill.node);
            cluster.restart(node).await?;
            bar.suspend(|| println!("Node {node} is back."));
        }
        revoke(world, (cluster, &clients), nth, &mut seen).await?;
        if let (Some(killed_at), Some(kill)) = (killed_at.take(), seen.kills.last_mut()) {
            kill.writes_resumed_after = killed_at.elapsed();
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
