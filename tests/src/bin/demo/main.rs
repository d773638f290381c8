//! The demo: does any node still say yes after a revocation was acknowledged, also while nodes are killed?
//!
//! Three real nodes on loopback hold a world of grants. Checkers ask all of them without pause. Grants are revoked one
//! by one through different nodes, and after each acknowledgement all nodes are asked at once. Meanwhile a node that
//! holds a read lease is killed, and then the leader. An ALLOW whose question was sent after the revocation of its grant was acknowledged is stale; one is enough
//! to fail the demo. Errors and timeouts are no answers, and are counted apart.

mod checkers;
mod revocations;
mod served;
mod summary;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use portcullis_tests::{Cluster, binary};

use crate::checkers::Checkers;
use crate::world::{Size, World};

/// Nodes of the cluster.
const NODES: u64 = 3;

/// Shows a cluster of three nodes at work, and looks for stale answers.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Flags {
    /// How many grants the world holds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    grants: u32,
    /// How many of them are revoked.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    revocations: u32,
    /// Leave the cluster running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    // Whichever way it ends, the cluster is dropped and with it its processes.
    tokio::select! {
        ended = run(&flags) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    println!("Starting {NODES} nodes on this machine.");
    let mut cluster = Cluster::start(NODES).await?;
    let world = Arc::new(World::new(Size { grants: flags.grants }));
    let loaded = world::load(&world, &cluster).await?;
    println!("{loaded}");
    println!("Checkers ask every node; {} grants are revoked, one by one, through all nodes.", flags.revocations);
    let checkers = Checkers::start(&world, &cluster);
    let revoked = revocations::run(&world, &mut cluster, flags.revocations).await?;
    let checked = checkers.stop().await;
    let passed = summary::print(&revoked, &checked, &served::by_all(&cluster).await?);
    if flags.keep {
        keep(&cluster, &world).await?;
    }
    if passed {
        cluster.dismiss();
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn keep(cluster: &Cluster, world: &World) -> anyhow::Result<()> {
    let portcullis = binary::portcullis()?;
    let portcullis = portcullis.display();
    println!("\nThe cluster stays until Ctrl-C. Try:");
    println!("  export PORTCULLIS_ENDPOINT={}", cluster.node(1).client_address);
    println!("  {portcullis} cluster status");
    println!("  {portcullis} check {} --explain", world.question(world.last()));
    println!("  {portcullis} revoke {}", world.grant_id(world.last()));
    println!("  {portcullis} check {}", world.question(world.last()));
    tokio::signal::ctrl_c().await?;
    Ok(())
}
