//! `portcullis bench`: how fast a running cluster is, beside a reference that is measured in the same run.
//!
//! Absolute figures drift on shared machines, so each one is reported with its ratio: checks beside the same client and
//! the same messages against a service that does nothing, writes beside a bare loop of `fdatasync`. The evaluation alone is
//! measured in this process, and checked: every question of a world has an answer that the world knows.

mod calls;
mod copy;
mod drive;
mod evaluate;
mod print;
mod processor;
mod reference;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use portcullis_client::Client;
use serde::Serialize;

use crate::args::{Global, duration};
use crate::command;
use drive::{Load, Measured};
use world::{Parts, World};

pub(crate) use reference::serve_nothing;

/// Connections to each node that is measured.
const CONNECTIONS: usize = 4;
/// Callers at the most.
const CONCURRENCY_MAX: usize = 10_000;
/// How long is driven before it counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// `portcullis bench`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Flags {
    /// What to measure.
    what: What,
    /// The data that checks are made on; it is loaded into a tenant of its own unless it is there.
    #[arg(long, default_value = "docs")]
    world: world::Shape,
    /// How many relationships the world has, roughly; grants count as relationships.
    #[arg(long, value_name = "N", default_value_t = 153_000)]
    size: u32,
    /// How many checks are asked in one call.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How many calls are under way at a time.
    #[arg(long, value_name = "C", default_value_t = 32)]
    concurrency: usize,
    /// Start so many calls a second, whether earlier ones have ended or not; without, each caller waits for its answer.
    #[arg(long, value_name = "R")]
    rate: Option<u32>,
    /// How long to measure.
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    period: Duration,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Linearizable checks.
    Check,
    /// Relationships that are made, one a call; grants where the world has no schema.
    Write,
    /// Nineteen checks and one write in turn.
    Mixed,
    /// Relationships, a thousand a call.
    Load,
    /// The evaluation of checks alone, and one node's copy of the world, without a cluster.
    Evaluate,
}

/// What was measured, beside its reference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(flatten)]
    measured: Measured,
    /// What the world is made of.
    world: Parts,
    /// How many checks or relationships a call was about; rates count these, the other figures calls.
    per_call: u32,
    reference: Measured,
    /// Of the rates; where relationships are loaded, of the calls to the turns of the loop.
    ratio_to_reference: f64,
}

/// Measures, and prints what came of it.
pub(crate) async fn run(global: &Global, flags: Flags) -> anyhow::Result<ExitCode> {
    if flags.concurrency == 0 || flags.concurrency > CONCURRENCY_MAX {
        bail!("--concurrency: `{}` is not possible: give 1 to {CONCURRENCY_MAX}", flags.concurrency);
    }
    if flags.size == 0 || flags.size > world::SIZE_MAX {
        bail!("--size: `{}` is not possible: give 1 to {}", flags.size, world::SIZE_MAX);
    }
    let world = World::new(flags.world, flags.size);
    if flags.what == What::Evaluate {
        print::evaluated(global.output, &evaluate::run(&world, flags.period)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let clients = clients(&global.endpoint, global)?;
    let tenant = world.load(&clients[0]).await.context("the world cannot be loaded")?;
    let clients: Vec<Client> = clients.iter().map(|client| client.for_tenant(&tenant)).collect();
    let load = Load { concurrency: flags.concurrency, rate: flags.rate, warm_up: WARM_UP, period: flags.period };
    let (call, per_call) = match flags.what {
        What::Check if flags.batch > 1 => (calls::batches(&world, flags.batch), flags.batch),
        What::Check => (calls::checks(&world), 1),
        What::Write => (calls::writes(&world), 1),
        What::Mixed => (calls::mixed(&world), 1),
        What::Load => (calls::loads(), calls::LOADED),
        What::Evaluate => unreachable!("INVARIANT: it needs no cluster, and was done above"),
    };
    let mut measured = load.drive(&clients, &global.endpoint, call).await;
    let (reference, ratio_to_reference) = match flags.what {
        What::Write | What::Load | What::Evaluate => {
            let reference = reference::sync_loop(flags.period)?;
            let ratio = measured.rate / reference.rate;
            measured.rate *= f64::from(per_call);
            (reference, ratio)
        }
        What::Check | What::Mixed => {
            let service = reference::Service::start().await?;
            let clients = self::clients(std::slice::from_ref(&service.address), global)?;
            let checks = calls::checks(&world);
            let reference = load.drive(&clients, std::slice::from_ref(&service.address), checks).await;
            measured.rate *= f64::from(per_call);
            let ratio = measured.rate / reference.rate;
            (reference, ratio)
        }
    };
    let report = Report { measured, world: world.parts(), per_call, reference, ratio_to_reference };
    print::report(global.output, &report)?;
    Ok(ExitCode::SUCCESS)
}

fn clients(endpoints: &[String], global: &Global) -> anyhow::Result<Vec<Client>> {
    (0..CONNECTIONS).map(|_| command::client(endpoints, global)).collect()
}
