//! Runs seeds of the simulation, each in a process of its own: what a process did before must not reach into a run.

mod mutants;
mod sweep;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use portcullis_sim::run::{Report, run};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// A node makes and drops many small values, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the real node in a simulated world, and looks for answers that must not be given.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Flags {
    /// Run this seed, and tell what happened.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Measure how long revocations take between regions, and print tables.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from"])]
    regions: bool,
    /// Break rules of leases, one after another, and look whether it is noticed.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from", "regions"])]
    mutants: bool,
    /// Break this rule of leases, by its name.
    #[arg(long, requires = "seed")]
    fault: Option<String>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 60)]
    seeds: u64,
    /// Run more of them until so many seconds have passed.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    budget: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// For how many simulated seconds faults happen.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Log what matches this filter, such as `info`, to standard error.
    #[arg(long)]
    log: Option<String>,
}

fn main() -> Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(filter) = &flags.log {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
        log.with_timer(Simulated).init();
    }
    if flags.regions {
        table::print()?;
        return Ok(ExitCode::SUCCESS);
    }
    if flags.mutants {
        return mutants::run(flags.seconds);
    }
    let Some(seed) = flags.seed else {
        let seeds = sweep::Seeds { from: flags.from, least: flags.seeds, budget: Duration::from_secs(flags.budget) };
        return sweep::run(&seeds, flags.seconds);
    };
    let report = run(seed, Duration::from_secs(flags.seconds), mutants::named(flags.fault.as_deref())?)?;
    tell(&report);
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has log lines begin with simulated time.
struct Simulated;

impl FormatTime for Simulated {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        write!(line, "{:>9.3}", turmoil::sim_elapsed().unwrap_or_default().as_secs_f64())
    }
}

/// Tells what happened in a run. The last lines are the same for every replay.
fn tell(report: &Report) {
    let Report { seed, shape, history, violations, margin, coverage, passed, agreed, lasted } = report;
    for (at, event) in &history.events {
        println!("{:>9.3}  {event}", at.as_secs_f64());
    }
    for violation in violations {
        println!("WRONG: {}", violation.what);
        for call in &violation.calls {
            println!("    {call}");
        }
    }
    let (voters, learners, way_ms_max) = (shape.voters, shape.learners, shape.way_ms_max);
    println!("seed {seed}: {voters} voters and {learners} learners, up to {way_ms_max} ms apart, {lasted:?} simulated");
    println!("{coverage}");
    if let Some(margin) = margin.smallest {
        println!("closest allow: asked {margin:?} before its revocation returned");
    }
    println!("revision {} is {} on every node; history {:016x}", agreed.0, agreed.1, history.digest());
    println!("{}{}", sweep::COUNTS, coverage.numbers());
    println!("{}{}", sweep::POINTS, passed.line());
}
