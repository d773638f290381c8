//! `jepsen mutants`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use portcullis_jepsen::cluster::{binary, make_folder};
use portcullis_jepsen::mutants::{ALL, Mutant, noticed};
use portcullis_jepsen::workload::{Kind, revocation};

use super::child::Child;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The rules to break; all if none is named
    #[arg(long, value_delimiter = ',', value_parser = known)]
    only: Vec<Mutant>,
    /// How many runs it may take until a broken rule is noticed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// What clients do: see `jepsen list`
    #[arg(long, default_value = revocation::NAME, value_parser = super::run::known)]
    workload: Kind,
    /// The seed of the first run; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults happen in a run, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    time: u64,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=9))]
    nodes: u64,
    /// The folder for the runs; it has to be empty
    #[arg(long)]
    dir: PathBuf,
    /// The binary `portcullis`, built with the feature `planted-faults`; else that of `PORTCULLIS_BIN`
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// How a rule was noticed.
struct Noticed {
    runs: u64,
    took: Duration,
    rule: String,
}

fn known(text: &str) -> Result<Mutant, String> {
    let found = ALL.iter().find(|mutant| mutant.name == text).copied();
    found.ok_or_else(|| "no such rule: see `jepsen list`".to_owned())
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let binary = binary::find(flags.binary.as_deref())?;
    make_folder(&flags.dir)?;
    let chosen = if flags.only.is_empty() { ALL.to_vec() } else { flags.only.clone() };
    let mut missed = 0_usize;
    println!("{:<10} {:>4} {:>7}  noticed by", "rule", "runs", "seconds");
    for mutant in &chosen {
        if let Some(Noticed { runs, took, rule }) = hunt(flags, &binary, mutant)? {
            println!("{:<10} {runs:>4} {:>7.1}  {rule}", mutant.name, took.as_secs_f64());
        } else {
            missed += 1;
            println!("{:<10} {:>4} {:>7}  NOT NOTICED: {}", mutant.name, flags.runs, "", mutant.what);
        }
    }
    println!("{} of {} were noticed", chosen.len() - missed, chosen.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs until the rule that is broken is noticed.
fn hunt(flags: &Flags, binary: &Path, mutant: &Mutant) -> anyhow::Result<Option<Noticed>> {
    let began = Instant::now();
    for (run, seed) in (1..=flags.runs).zip(flags.seed..) {
        let folder = flags.dir.join(format!("{}-seed-{seed}", mutant.name));
        let child = Child {
            workload: flags.workload.name,
            nodes: flags.nodes,
            nemeses: mutant.nemeses,
            seed,
            time: Duration::from_secs(flags.time),
            binary,
            folder: &folder,
            broken: Some(mutant),
        };
        let judgement = child.run()?;
        if let Some(violation) = noticed(&judgement.violations) {
            return Ok(Some(Noticed { runs: run, took: began.elapsed(), rule: violation.rule.to_string() }));
        }
    }
    Ok(None)
}
