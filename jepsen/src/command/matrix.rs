//! `jepsen matrix`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use portcullis_jepsen::cluster::{binary, make_folder};
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::verdict::{Judgement, Verdict};
use portcullis_jepsen::workload::{Kind, revocation};

use super::child::{Child, names};
use super::exit_status;

/// Who acts together, beside each of them alone.
const TOGETHER: &[&[Nemesis]] = &[
    &[Nemesis::Partition, Nemesis::Kill],
    &[Nemesis::Partition, Nemesis::Pause],
    &[Nemesis::Kill, Nemesis::Pause],
    &[Nemesis::Partition, Nemesis::Kill, Nemesis::Pause],
    &[Nemesis::Restart, Nemesis::Loss],
    &[Nemesis::Partition, Nemesis::Restart],
    &[Nemesis::Pause, Nemesis::Loss],
    &[Nemesis::Partition, Nemesis::Kill, Nemesis::Pause, Nemesis::Restart, Nemesis::Loss],
];
/// Of how many nodes clusters are.
const NODES: &[u64] = &[3, 5];
/// What a run takes beside the time of its faults: to start, to heal, to ask everything, to judge.
const OVERHEAD: Duration = Duration::from_secs(10);
/// How long faults happen in a run, at the least: enough for two of each nemesis.
const LEAST: Duration = Duration::from_secs(20);
/// The table, in the folder of the runs.
const TABLE: &str = "matrix.md";

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long all runs may take together, in minutes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    budget: u64,
    /// What clients do, one workload after the other: see `jepsen list`
    #[arg(long, default_value = revocation::NAME, value_delimiter = ',', value_parser = super::run::known)]
    workload: Vec<Kind>,
    /// Only runs in which this nemesis acts
    #[arg(long)]
    only: Option<String>,
    /// The seed of the first run; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for the runs; it has to be empty
    #[arg(long)]
    dir: PathBuf,
    /// The binary `portcullis`; else that of `PORTCULLIS_BIN`, else the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let binary = binary::find(flags.binary.as_deref())?;
    make_folder(&flags.dir)?;
    let cells = cells(flags.only.as_deref());
    if cells.is_empty() {
        bail!("no run has this nemesis: see `jepsen list`");
    }
    let budget = Duration::from_secs(60 * flags.budget);
    let cells: Vec<(&str, u64, &[Nemesis])> = (flags.workload.iter())
        .flat_map(|kind| cells.iter().map(|(nodes, nemeses)| (kind.name, *nodes, *nemeses)))
        .collect();
    let share = budget / u32::try_from(cells.len())?;
    let time = share.saturating_sub(OVERHEAD).max(LEAST);
    let began = Instant::now();
    let mut worst = Verdict::Pass;
    let mut table = format!(
        "| workload | nodes | nemeses | seed | seconds of faults | verdict | revocations, or writes | faults | met the leader | margin, µs |\n\
         |{}\n",
        "---|".repeat(10)
    );
    print!("{table}");
    for ((workload, nodes, nemeses), seed) in cells.iter().zip(flags.seed..) {
        if began.elapsed() + time > budget {
            println!("the budget is used up: {} runs are left out", cells.len() as u64 - (seed - flags.seed));
            worst = worse(worst, Verdict::Rejected);
            break;
        }
        let folder =
            flags.dir.join(format!("{workload}-{nodes}-nodes-{}-seed-{seed}", names(nemeses).replace(',', "-")));
        let (binary, folder): (&Path, &Path) = (&binary, &folder);
        let child = Child { workload, nodes: *nodes, nemeses, seed, time, binary, folder, broken: None };
        let judgement = child.run()?;
        let row = row(&child, &judgement);
        println!("{row}");
        writeln!(table, "{row}")?;
        worst = worse(worst, judgement.verdict);
        std::fs::write(flags.dir.join(TABLE), &table)?;
    }
    Ok(exit_status(worst))
}

/// The runs, the small clusters first.
fn cells(only: Option<&str>) -> Vec<(u64, Vec<Nemesis>)> {
    let alone = Nemesis::ALL.into_iter().map(|nemesis| vec![nemesis]);
    let mut all: Vec<Vec<Nemesis>> = alone.chain(TOGETHER.iter().map(|nemeses| nemeses.to_vec())).collect();
    all.retain(|nemeses| only.is_none_or(|only| nemeses.iter().any(|nemesis| nemesis.name() == only)));
    NODES.iter().flat_map(|nodes| all.iter().map(|nemeses| (*nodes, nemeses.clone()))).collect()
}

fn row(child: &Child<'_>, judgement: &Judgement) -> String {
    let Child { workload, nodes, nemeses, seed, time, .. } = child;
    let Judgement { verdict, coverage, margin_us, .. } = judgement;
    let margin = margin_us.map_or_else(|| "none".to_owned(), |margin| margin.to_string());
    let (nemeses, seconds) = (names(nemeses), time.as_secs());
    let counts = format!("{} | {} | {}", coverage.revoked + coverage.written, coverage.faults, coverage.met_leader);
    format!("| {workload} | {nodes} | {nemeses} | {seed} | {seconds} | {verdict} | {counts} | {margin} |")
}

/// The verdict about two runs.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Rejected => 1,
        Verdict::Unknown => 2,
        Verdict::Fail => 3,
    };
    [one, other].into_iter().max_by_key(rank).unwrap_or(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nemesis_acts_alone_and_with_others() {
        assert_eq!(cells(None).len(), NODES.len() * (Nemesis::ALL.len() + TOGETHER.len()));
        for nemesis in Nemesis::ALL {
            let cells = cells(Some(nemesis.name()));
            assert!(cells.iter().any(|(_, nemeses)| *nemeses == [nemesis]) && cells.len() >= NODES.len(), "{cells:?}");
        }
        assert!(cells(Some("nobody")).is_empty());
    }

    #[test]
    fn the_worst_run_counts() {
        assert_eq!(worse(Verdict::Pass, Verdict::Rejected), Verdict::Rejected);
        assert_eq!(worse(Verdict::Fail, Verdict::Unknown), Verdict::Fail);
        assert_eq!(worse(Verdict::Pass, Verdict::Pass), Verdict::Pass);
    }
}
