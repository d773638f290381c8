//! `jepsen matrix`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use portcullis_jepsen::cluster::{binary, make_folder};
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::verdict::{Judgement, Verdict};
use portcullis_jepsen::workload;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::child::{Child, names};
use super::exit_status;
use super::output::line;

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
/// Of how many nodes clusters are, one run after the other.
const NODES: [u64; 2] = [3, 5];
/// What a run takes beside the time of its faults: to start, to heal, to ask everything, to judge.
const OVERHEAD: Duration = Duration::from_secs(15);
/// How long faults happen in a run, at the least: enough for two of each nemesis.
const LEAST: Duration = Duration::from_secs(20);
/// The table, in the folder of the runs.
const TABLE: &str = "matrix.md";

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How long all runs may take together, such as `20m` or `2h`
    #[arg(long, default_value = "20m", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Only runs of these workloads, or in which these nemeses act: see `jepsen list`
    #[arg(long, value_delimiter = ',', value_parser = named)]
    only: Vec<String>,
    /// The seed of the first run; each further one has the next. It decides which runs are made if there is no time for all
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for the runs; it has to be empty
    #[arg(long)]
    dir: PathBuf,
    /// The binary `portcullis`; else that of `PORTCULLIS_BIN`, else the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
}

fn named(text: &str) -> Result<String, String> {
    let known = workload::find(text).is_some() || Nemesis::named(text).is_some();
    if known { Ok(text.to_owned()) } else { Err("no such workload or nemesis: see `jepsen list`".to_owned()) }
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let binary = binary::find(flags.binary.as_deref())?;
    make_folder(&flags.dir)?;
    let mut pairs = pairs(&flags.only);
    let all = pairs.len();
    pairs.shuffle(&mut StdRng::seed_from_u64(flags.seed));
    let fitting = flags.budget.as_secs() / (LEAST + OVERHEAD).as_secs();
    pairs.truncate(usize::try_from(fitting)?.max(1));
    line(format_args!(
        "{} of {all} pairs of a workload and nemeses, within {}",
        pairs.len(),
        humantime::format_duration(flags.budget)
    ));
    let share = flags.budget / u32::try_from(pairs.len())?;
    let time = share.saturating_sub(OVERHEAD).max(LEAST);
    let mut worst = Verdict::Pass;
    let mut spent = Duration::ZERO;
    let mut table = format!(
        "| workload | nodes | nemeses | seed | seconds of faults | verdict | revocations, or writes | faults | met the leader | margin, µs |\n\
         |{}\n",
        "---|".repeat(10)
    );
    line(table.trim_end());
    for (place, (workload, nemeses)) in pairs.iter().enumerate() {
        let (nodes, seed) = (NODES[place % NODES.len()], flags.seed + place as u64);
        let folder =
            flags.dir.join(format!("{workload}-{nodes}-nodes-{}-seed-{seed}", names(nemeses).replace(',', "-")));
        let (binary, folder): (&Path, &Path) = (&binary, &folder);
        let child = Child { workload, nodes, nemeses, seed, time, binary, folder, broken: None };
        let began = Instant::now();
        let judgement = child.run()?;
        spent += began.elapsed() * u32::try_from(nodes)?;
        let row = row(&child, &judgement);
        line(&row);
        writeln!(table, "{row}")?;
        worst = worse(worst, judgement.verdict);
        std::fs::write(flags.dir.join(TABLE), &table)?;
    }
    line(format_args!("{} runs, {:.2} hours of nodes", pairs.len(), spent.as_secs_f64() / 3_600.0));
    Ok(exit_status(worst))
}

/// Every workload with every nemesis alone, and with those that act together.
fn pairs(only: &[String]) -> Vec<(&'static str, Vec<Nemesis>)> {
    let alone = Nemesis::ALL.into_iter().map(|nemesis| vec![nemesis]);
    let all: Vec<Vec<Nemesis>> = alone.chain(TOGETHER.iter().map(|nemeses| nemeses.to_vec())).collect();
    let mut pairs: Vec<(&str, Vec<Nemesis>)> =
        workload::ALL.iter().flat_map(|kind| all.iter().map(|nemeses| (kind.name, nemeses.clone()))).collect();
    let (workloads, nemeses): (Vec<&str>, Vec<&str>) =
        only.iter().map(String::as_str).partition(|name| workload::find(name).is_some());
    let is_possible = |workload: &str, acting: &[Nemesis]| {
        workload::find(workload).is_some_and(|kind| acting.iter().all(|nemesis| kind.obstacle(*nemesis).is_none()))
    };
    pairs.retain(|(workload, acting)| {
        is_possible(workload, acting)
            && (workloads.is_empty() || workloads.contains(workload))
            && (nemeses.is_empty() || acting.iter().any(|nemesis| nemeses.contains(&nemesis.name())))
    });
    pairs
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
    fn every_workload_meets_every_nemesis_alone_and_some_together() {
        let only = |names: &[&str]| pairs(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let impossible = ("expiry", vec![Nemesis::ClockRate]);
        assert_eq!(only(&[]).len() + 1, workload::ALL.len() * (Nemesis::ALL.len() + TOGETHER.len()));
        for kind in workload::ALL {
            for nemesis in Nemesis::ALL {
                let pair = (kind.name, vec![nemesis]);
                assert_eq!(only(&[kind.name, nemesis.name()]).contains(&pair), pair != impossible);
            }
        }
        assert!(only(&["pause"]).len() > workload::ALL.len() && only(&["watch", "clock"]).len() == 1);
    }

    #[test]
    fn the_worst_run_counts() {
        assert_eq!(worse(Verdict::Pass, Verdict::Rejected), Verdict::Rejected);
        assert_eq!(worse(Verdict::Fail, Verdict::Unknown), Verdict::Fail);
        assert_eq!(worse(Verdict::Pass, Verdict::Pass), Verdict::Pass);
    }
}
