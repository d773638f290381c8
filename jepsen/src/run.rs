//! One run: start clean, traffic, faults, heal, wait until ready, final reads on every node, compare, judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

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
use crate::traffic::{CHECK_TIMEOUT, Connections, FINAL_TIMEOUT, HASTY_TIMEOUT, Traffic, WRITE_TIMEOUT};
use crate::verdict::{Judgement, Verdict, judge};
use crate::workload::revocation;

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
    /// How long faults happen.
    pub time: Duration,
    /// How many acknowledged revocations it takes to prove anything.
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
    revocation::set_up(&cluster.client(1, FINAL_TIMEOUT)?).await?;
    let recorder = Recorder::create(&plan.folder.join(HISTORY), described(plan, &cluster).await?)?;
    torment(plan, schedule, &mut cluster, &recorder).await?;
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
    recorder: &Arc<Recorder>,
) -> anyhow::Result<()> {
    let mut looks = BTreeMap::new();
    let mut connections = Vec::new();
    for node in cluster.ids() {
        looks.insert(node, cluster.client(node, observer::TIMEOUT)?);
        let client = |timeout| cluster.client(node, timeout);
        let (check, last) = (client(CHECK_TIMEOUT)?, client(FINAL_TIMEOUT)?);
        let (write, hasty) = (client(WRITE_TIMEOUT)?, client(HASTY_TIMEOUT)?);
        connections.push(Connections { node, check, write, hasty, last });
    }
    let observer = Observer::start(recorder, looks);
    recorder.phase(Phase::Traffic);
    let traffic = Traffic::start(recorder, connections, plan.clients, plan.seed);
    Torment::new(cluster, recorder, &observer).run(schedule, plan.time).await?;
    recorder.phase(Phase::Healed);
    tokio::time::sleep(AFTERMATH).await;
    let finished = traffic.stop().await?;
    eprintln!("everything is healed; waiting until all nodes answer");
    cluster.until_all_ready().await?;
    recorder.phase(Phase::FinalReads);
    let running: Vec<u64> = cluster.ids().filter(|node| cluster.runs(*node)).collect();
    finished.read_all(&running).await;
    for hash in cluster.state_hashes().await? {
        recorder.record(&Record::StateHash(hash));
    }
    Ok(())
}

async fn described(plan: &Plan, cluster: &Cluster) -> anyhow::Result<Run> {
    Ok(Run {
        format: FORMAT,
        seed: plan.seed,
        workload: revocation::NAME.to_owned(),
        nemeses: plan.nemeses.iter().map(|nemesis| nemesis.name().to_owned()).collect(),
        skipped: plan.skipped.clone(),
        nodes: plan.nodes,
        clients: plan.clients,
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
    history::write_edn(&mut edn, &history)?;
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
