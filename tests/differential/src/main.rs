//! Random worlds, asked of our evaluator and of a real SpiceDB.
//!
//! What the schema language means is what SpiceDB makes of it, except where we differ on purpose. So a schema and
//! relationships are made at random (`generate`), both sides are asked the same (`questions`), and whatever differs is
//! either one of the differences that are meant to be (`differences`), or a disagreement: then the world is made as small
//! as can be (`shrink`), and printed as a validation file.
//!
//! Our side is the evaluator in this process, over its plain maps; that nodes say what it says is for other tests to
//! show. SpiceDB runs in another process, which `driver.py` describes. The same seed makes the same world.

mod answer;
mod compare;
mod condition;
mod differences;
mod generate;
mod ours;
mod questions;
mod report;
mod shrink;
mod spicedb;
mod validation;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use clap::Parser;
use portcullis_model::Timestamp;

use crate::compare::{Compared, compare};
use crate::differences::explain;
use crate::report::Report;
use crate::spicedb::SpiceDb;

/// How many worlds lie between two lines that tell how far a run is.
const WORLDS_PER_LINE: u64 = 1_000;

/// Compares our evaluator with a real SpiceDB, on worlds made at random.
#[derive(Debug, Parser)]
#[command(name = "differential")]
struct Flags {
    /// How many worlds.
    #[arg(long, default_value_t = 1_000)]
    cases: u64,
    /// The seed of the first; the next has the next seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on after a disagreement.
    #[arg(long)]
    keep_going: bool,
    /// The Python that has the packages of `requirements.txt`.
    #[arg(long)]
    python: String,
}

fn main() -> Result<ExitCode> {
    let flags = Flags::parse();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    let now = Timestamp(i64::try_from(now.as_millis()).context("the clock is far off")?);
    let mut spicedb = SpiceDb::start(&flags.python)?;
    let mut report = Report::default();
    for seed in flags.seed..flags.seed.saturating_add(flags.cases) {
        let agreed = run(&mut spicedb, &mut report, seed, now).with_context(|| format!("seed {seed}"))?;
        if !agreed && !flags.keep_going {
            break;
        }
        let done = seed - flags.seed + 1;
        if done.is_multiple_of(WORLDS_PER_LINE) {
            eprintln!("{done} worlds, {} with a disagreement", report.disagreed);
        }
    }
    print!("{}", report.table());
    let missing = report.missing();
    for missing in &missing {
        eprintln!("too little was covered to prove anything: {missing}");
    }
    Ok(if report.disagreed == 0 && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one world, and tells whether all answers agree or differ on purpose. The first disagreement is printed.
fn run(spicedb: &mut SpiceDb, report: &mut Report, seed: u64, now: Timestamp) -> Result<bool> {
    let (world, questions) = generate::case(seed);
    let comparison = compare(spicedb, &world, &questions, now)?;
    report.count_world(&world);
    let mut differed: BTreeMap<&str, (_, u64)> = BTreeMap::new();
    let mut disagreed: Option<&Compared> = None;
    for compared in &comparison.compared {
        if compared.ours.agrees(&compared.theirs) {
            report.count_agreed(compared);
        } else if let Some(difference) = explain(&world, &comparison, compared) {
            differed.entry(difference.name).or_insert((difference, 0)).1 += 1;
        } else {
            disagreed = disagreed.or(Some(compared));
        }
    }
    for (difference, answers) in differed.into_values() {
        report.count_differed(difference, answers);
    }
    let Some(disagreed) = disagreed else { return Ok(true) };
    report.disagreed += 1;
    let (small, compared) = shrink::shrink(spicedb, &world, disagreed, now)?;
    println!("{}", validation::file(seed, &small, &compared));
    println!("# Replay it with `cargo xtask differential --cases 1 --seed {seed}`.\n");
    Ok(false)
}
