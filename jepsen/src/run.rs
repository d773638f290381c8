//! One run: start clean, traffic, faults, heal, wait until ready, final reads on every node, compare, judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;

use crate::cluster::Cluster;
use crate::cluster::facility::Facility;
use crate::cluster::leftovers::Mark;
use crate::cluster::network::Network;
use crate::cluster::rig::Rig;
use crate::history::{self, FORMAT, History, Phase, Record, Run};
use crate::mutants;
use crate::observer::{self, Observer};
use crate::recorder::Recorder;
use crate::report;
use crate::schedule::{self, Nemesis, Step};
use crate::torment::Torment;
use crate::traffic::{CHECK_TIMEOUT, Connections, Desk, FINAL_TIMEOUT, HASTY_TIMEOUT, Traffic, WRITE_TIMEOUT};
use crate::verdict::{Judgement, Verdict, judge};
use crate::workload::{Kind, Workload};
use crate::{hashes, workload};

/// The name of the history in the folder of a run.
pub const HISTORY: &str = "history.jsonl";
/// The same in Jepsen's notation.
pub const HISTORY_EDN: &str = "history.edn";
/// The schedule of faults.
pub const SCHEDULE: &str = "schedule.json";
/// The verdict and what it rests on.
pub const VERDICT: &str = "verdict.json";
/// The page for people.
pub const REPORT: &str = "report.html";
/// For how long clients go on after everything was healed.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What clients do.
    pub workload: Kind,
    /// The seed of the faults.
    pub seed: u64,
    /// The nemeses that act.
    pub nemeses: Vec<Nemesis>,
    /// What these need of the machine.
    pub needs: BTreeSet<Facility>,
    /// Those that were asked for and cannot act, with the reason.
    pub skipped: Vec<String>,
    /// How many nodes.
    pub nodes: u64,
    /// How many clients.
    pub clients: u32,
    /// How many calls of a hundred are to write, if that was asked for.
    pub writes: Option<u8>,
    /// How long faults happen.
    pub time: Duration,
    /// How many acknowledged revocations, or other writes, it takes to prove anything.
    pub revokes_min: u64,
    /// The binary of the nodes.
    pub binary: PathBuf,
    /// The folder of the run, which is empty.
    pub folder: PathBuf,
}

/// Runs, and returns the verdict. Everything that was found out lies in the folder then.
pub async fn run(plan: &Plan, network: Network) -> anyhow::Result<Judgement> {
    let schedule = schedule::plan(plan.seed, plan.time, &plan.nemeses);
    write_json(&plan.folder.join(SCHEDULE), &schedule)?;
    eprintln!("starting {} nodes, joined by {}", plan.nodes, network.name());
    let rig = Rig::make(&plan.needs, Mark::own()?, &plan.folder)?;
    let mut cluster = Cluster::start(network, rig, plan.nodes, &plan.binary, &plan.folder).await?;
    let recorder = Recorder::create(&plan.folder.join(HISTORY), described(plan, &cluster).await?)?;
    let desk = Desk::new(Arc::clone(&recorder), connections(&cluster)?, plan.writes);
    let workload = (plan.workload.make)(Arc::clone(&desk));
    workload.set_up().await?;
    torment(plan, schedule, &mut cluster, (&workload, &desk)).await?;
    for alarm in cluster.alarms()? {
        recorder.record(&Record::Alarm(alarm));
    }
    recorder.phase(Phase::End);
    recorder.flush()?;
    let data = cluster.stop()?;
    let judgement = conclude(&plan.folder)?;
    if judgement.verdict == Verdict::Pass {
        // What passed can be told from its history alone.
        data.iter().try_for_each(remove)?;
    }
    Ok(judgement)
}

/// Everything between a cluster that works and one that was asked about everything.
async fn torment(
    plan: &Plan,
    schedule: Vec<Step>,
    cluster: &mut Cluster,
    (workload, desk): (&Arc<dyn Workload>, &Arc<Desk>),
) -> anyhow::Result<()> {
    let recorder = &desk.recorder;
    let mut looks = BTreeMap::new();
    for node in cluster.ids() {
        looks.insert(node, cluster.client(node, observer::TIMEOUT)?);
    }
    let comparison = hashes::Comparison::start(recorder, looks.clone());
    let observer = Observer::start(recorder, looks);
    recorder.phase(Phase::Traffic);
    let traffic = Traffic::start(workload, desk, plan.clients, plan.seed);
    Torment::new(cluster, recorder, &observer).run(schedule, plan.time).await?;
    recorder.phase(Phase::Healed);
    tokio::time::sleep(AFTERMATH).await;
    traffic.stop().await?;
    drop(comparison);
    eprintln!("everything is healed; waiting until all nodes answer");
    cluster.until_all_ready().await?;
    recorder.phase(Phase::FinalReads);
    let running = desk.nodes.iter().filter(|at| cluster.runs(at.node));
    join_all(running.map(|at| workload.last_reads(at))).await;
    for hash in cluster.state_hashes().await? {
        recorder.record(&Record::StateHash(hash));
    }
    Ok(())
}

/// Connections to every node.
fn connections(cluster: &Cluster) -> anyhow::Result<Vec<Connections>> {
    let of = |node| {
        let client = |timeout| cluster.client(node, timeout);
        let (check, last) = (client(CHECK_TIMEOUT)?, client(FINAL_TIMEOUT)?);
        let (write, hasty) = (client(WRITE_TIMEOUT)?, client(HASTY_TIMEOUT)?);
        Ok(Connections { node, check, write, hasty, last })
    };
    cluster.ids().map(of).collect()
}

async fn described(plan: &Plan, cluster: &Cluster) -> anyhow::Result<Run> {
    Ok(Run {
        format: FORMAT,
        seed: plan.seed,
        workload: plan.workload.name.to_owned(),
        system: None,
        nemeses: plan.nemeses.iter().map(|nemesis| nemesis.name().to_owned()).collect(),
        skipped: plan.skipped.clone(),
        nodes: plan.nodes,
        clients: plan.clients,
        writes: plan.writes,
        time_s: plan.time.as_secs(),
        network: cluster.network().name().to_owned(),
        version: cluster.version().await?,
        revokes_min: plan.revokes_min,
        planted: std::env::var(mutants::VARIABLE).ok(),
    })
}

/// Judges the history that lies in a folder, and writes the verdict, the page and Jepsen's notation beside it.
pub fn conclude(folder: &Path) -> anyhow::Result<Judgement> {
    let history = read(&folder.join(HISTORY))?;
    let judgement = judge(&history);
    write_json(&folder.join(VERDICT), &judgement)?;
    let mut edn = BufWriter::new(File::create(folder.join(HISTORY_EDN))?);
    let events = workload::find(&history.run.workload).map(|kind| (kind.for_elle)(&history)).unwrap_or_default();
    history::write_edn(&mut edn, &History { events, ..history.clone() })?;
    edn.flush()?;
    std::fs::write(folder.join(REPORT), report::page(&history, &judgement))?;
    Ok(judgement)
}

/// Reads a history.
pub fn read(path: &Path) -> anyhow::Result<History> {
    let file = File::open(path).with_context(|| format!("there is no history at `{}`", path.display()))?;
    history::read(BufReader::new(file)).with_context(|| format!("`{}`", path.display()))
}

fn remove(data: &PathBuf) -> std::io::Result<()> {
    if data.is_dir() { std::fs::remove_dir_all(data) } else { std::fs::remove_file(data) }
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(std::fs::write(path, serde_json::to_string_pretty(value)? + "\n")?)
}
