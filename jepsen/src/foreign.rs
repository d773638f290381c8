//! A run against a system that is there already: the workload `revocation`, without faults, judged by the same judges.
//!
//! Its processes are none of ours, so nothing is started, tormented or compared there; what it answered when is all there is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use crate::history::{FORMAT, Phase, Run};
use crate::recorder::Recorder;
use crate::run::{HISTORY, conclude};
use crate::system::System;
use crate::traffic::{Desk, Traffic};
use crate::verdict::Judgement;
use crate::workload::Workload;
use crate::workload::revocation::{NAME, Revocation};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the system, and how it is asked.
    pub system: String,
    /// The seed of what clients do.
    pub seed: u64,
    /// How many clients.
    pub clients: u32,
    /// How many calls of a hundred are to write, if that was asked for.
    pub writes: Option<u8>,
    /// For how long.
    pub time: Duration,
    /// How many acknowledged revocations it takes to prove anything.
    pub revokes_min: u64,
    /// The folder of the run, which is empty.
    pub folder: PathBuf,
}

/// Runs, and returns the verdict.
pub async fn run(plan: &Plan, system: &dyn System) -> anyhow::Result<Judgement> {
    let nodes = system.nodes();
    let recorder = Recorder::create(&plan.folder.join(HISTORY), described(plan, nodes.len() as u64))?;
    let desk = Desk::new(Arc::clone(&recorder), Vec::new(), plan.writes);
    let revocation = Arc::new(Revocation::on(system, Arc::clone(&desk))?);
    revocation.set_up().await?;
    recorder.phase(Phase::Traffic);
    let workload: Arc<dyn Workload> = Arc::<Revocation>::clone(&revocation);
    let traffic = Traffic::start(&workload, &desk, plan.clients, plan.seed);
    tokio::time::sleep(plan.time).await;
    recorder.phase(Phase::Healed);
    traffic.stop().await?;
    recorder.phase(Phase::FinalReads);
    join_all(nodes.into_iter().map(|node| revocation.read_all(node))).await;
    recorder.phase(Phase::End);
    recorder.flush()?;
    conclude(&plan.folder)
}

fn described(plan: &Plan, nodes: u64) -> Run {
    Run {
        format: FORMAT,
        seed: plan.seed,
        workload: NAME.to_owned(),
        system: Some(plan.system.clone()),
        nemeses: Vec::new(),
        skipped: Vec::new(),
        nodes,
        clients: plan.clients,
        writes: plan.writes,
        time_s: plan.time.as_secs(),
        network: "as it is".to_owned(),
        version: plan.system.clone(),
        revokes_min: plan.revokes_min,
        planted: None,
    }
}
