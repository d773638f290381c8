//! `portcullis bench`: how fast a running cluster is, beside a reference that is measured in the same run.
//!
//! Absolute figures drift on shared machines, so each one is reported with its ratio: checks beside the same client and
//! the same messages against a service that does nothing, writes beside a bare loop of `fdatasync`.

mod drive;
mod processor;
mod reference;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use portcullis_client::{Client, v1};
use serde::Serialize;

use crate::args::{Global, Output, duration};
use crate::{command, output};
use drive::{Load, Measured};
use world::World;

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
    /// How many documents the world has.
    #[arg(long, value_name = "N", default_value_t = 6_000)]
    size: u32,
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
    /// Grants that are made, one a call.
    Write,
    /// Nineteen checks and one grant in turn.
    Mixed,
    /// Relationships, a thousand a call.
    Load,
}

/// What was measured, beside its reference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(flatten)]
    measured: Measured,
    reference: Measured,
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
    let clients = clients(&global.endpoint, global)?;
    let world = World::new(flags.world, flags.size);
    let tenant = world.load(&clients[0]).await.context("the world cannot be loaded")?;
    let clients: Vec<Client> = clients.iter().map(|client| client.for_tenant(&tenant)).collect();
    let load = Load { concurrency: flags.concurrency, rate: flags.rate, warm_up: WARM_UP, period: flags.period };
    let measured = match flags.what {
        What::Check => load.drive(&clients, &global.endpoint, checks(world)).await,
        What::Write => load.drive(&clients, &global.endpoint, Arc::new(writes)).await,
        What::Mixed => load.drive(&clients, &global.endpoint, mixed(world)).await,
        What::Load => load.drive(&clients, &global.endpoint, Arc::new(loads)).await,
    };
    let reference = match flags.what {
        What::Check | What::Mixed => {
            let service = reference::Service::start().await?;
            let clients = self::clients(std::slice::from_ref(&service.address), global)?;
            load.drive(&clients, std::slice::from_ref(&service.address), checks(world)).await
        }
        What::Write | What::Load => reference::sync_loop(flags.period)?,
    };
    let ratio_to_reference = measured.rate / reference.rate;
    let report = Report { measured, reference, ratio_to_reference };
    print(global.output, &report)?;
    Ok(ExitCode::SUCCESS)
}

fn clients(endpoints: &[String], global: &Global) -> anyhow::Result<Vec<Client>> {
    (0..CONNECTIONS).map(|_| command::client(endpoints, global)).collect()
}

fn checks(world: World) -> drive::Call {
    let questions = Arc::new(world.questions());
    Arc::new(move |client: Client, nth: u64| {
        let questions = Arc::clone(&questions);
        Box::pin(async move { check(&client, &questions, nth).await })
    })
}

async fn check(client: &Client, questions: &[v1::CheckItem], nth: u64) -> bool {
    let at = usize::try_from(nth).unwrap_or_default() % questions.len();
    let request = v1::CheckRequest { item: Some(questions[at].clone()), ..v1::CheckRequest::default() };
    client.check(request).await.is_ok()
}

fn writes(client: Client, nth: u64) -> futures::future::BoxFuture<'static, bool> {
    Box::pin(async move {
        let request = v1::CreateGrantRequest {
            subject: format!("user:w{}", nth % 1_000),
            role: "viewer".to_owned(),
            scope: format!("document:w{nth}"),
            ..v1::CreateGrantRequest::default()
        };
        client.create_grant(request).await.is_ok()
    })
}

fn mixed(world: World) -> drive::Call {
    let check = checks(world);
    Arc::new(move |client, nth| if nth % 20 == 19 { writes(client, nth) } else { check(client, nth) })
}

fn loads(client: Client, nth: u64) -> futures::future::BoxFuture<'static, bool> {
    Box::pin(async move {
        let relationship = |at: u64| format!("document:l{nth}-{at}#parent@folder:l{}", at % 10);
        let update = |at| world::touch(relationship(at));
        let updates = (0..1_000).map(update).collect();
        let request = v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() };
        client.write_relationships(request).await.is_ok()
    })
}

fn print(output: Output, report: &Report) -> anyhow::Result<()> {
    match output {
        Output::Json => output::line(serde_json::to_string(report)?),
        Output::Table => {
            let mut table = comfy_table::Table::new();
            table.load_preset(comfy_table::presets::NOTHING);
            table.set_header(["", "PER SECOND", "P50 µs", "P99 µs", "P99.9 µs", "SERVER CPU µs", "ERRORS"]);
            for (name, measured) in [("measured", &report.measured), ("reference", &report.reference)] {
                let cpu = measured.server_cpu_us.map_or("-".to_owned(), |cpu| format!("{cpu:.0}"));
                table.add_row([
                    name.to_owned(),
                    format!("{:.0}", measured.rate),
                    measured.p50_us.to_string(),
                    measured.p99_us.to_string(),
                    measured.p999_us.to_string(),
                    cpu,
                    measured.errors.to_string(),
                ]);
            }
            output::line(table.trim_fmt());
            output::line(format_args!("ratio to the reference: {:.3}", report.ratio_to_reference));
        }
    }
    Ok(())
}
