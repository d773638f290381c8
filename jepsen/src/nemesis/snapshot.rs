//! `snapshot`: a node misses so much that it has to be sent a snapshot, while writes go on.
//!
//! Nodes cut their logs off after few entries in such a run. Who is down, frozen or cut off is left so until more has been written
//! than the others keep, for which the nemesis writes, too: tenants that nobody asks about. A node that has taken a snapshot begins a new generation of its state, and that is waited for.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_client::v1;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Progress, Ways, between, ways};
use crate::cluster::rig::SNAPSHOT_EVERY;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How many entries a node has to miss: as many as others may keep, and some more.
const MISSED: u64 = 3 * SNAPSHOT_EVERY as u64;
/// How long it may take until so many were written.
const MISS_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take until the snapshot is taken.
const TAKE_PATIENCE: Duration = Duration::from_secs(20);
/// How many writers of the nemesis ask each other node.
const WRITERS: u64 = 3;
/// How long one of their writes may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// What the names of generations begin with, in the folder of the state.
const GENERATION: &str = "gen-";

pub(super) struct Snapshot;

/// How a node is kept from hearing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Down,
    Frozen,
    CutOff,
}

#[derive(Clone, Copy, Debug)]
struct Miss(Whom, Kept);

impl Kind for Snapshot {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn describe(&self) -> &'static str {
        "the leader, a lease holder or anybody is down, frozen or cut off until it has to be sent a snapshot; logs are short"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces, Facility::ShortLogs]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        // It ends when the snapshot is taken, and this is about what that takes.
        (8_000, 15_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Miss(
            whom,
            match dice.random_range(0..3) {
                0 => Kept::Down,
                1 => Kept::Frozen,
                _ => Kept::CutOff,
            },
        ))
    }
}

impl Fault for Miss {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, kept) = *self;
        let node = chooser.one(whom);
        let how = match kept {
            Kept::Down => "down",
            Kept::Frozen => "frozen",
            Kept::CutOff => "cut off",
        };
        let what = format!("keep node {node} {how} until it misses {MISSED} entries");
        let cuts = ways(between(&[node], &chooser.all()));
        Blow { victims: vec![node], what, act: Box::new(Missing { node, kept, cuts, stage: Stage::Over(None) }) }
    }
}

struct Missing {
    node: u64,
    kept: Kept,
    cuts: Ways,
    stage: Stage,
}

enum Stage {
    /// It hears nothing.
    Away { generation: u64, visible: u64, since: Instant, enough: Arc<AtomicBool> },
    /// It hears again.
    Back { generation: u64, since: Instant },
    /// It has taken a snapshot, or why not.
    Over(Option<String>),
}

impl Act for Missing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        if !field.cluster.runs(self.node) {
            victims.clear();
            self.stage = Stage::Over(Some("it did not run".to_owned()));
            return Ok(());
        }
        let generation = generation(field.cluster.data_dir(self.node))?;
        let enough = self.write(field)?;
        let (visible, since) = (field.observer.visible(), Instant::now());
        self.stage = Stage::Away { generation, visible, since, enough };
        match self.kept {
            Kept::Down => field.kill(self.node),
            Kept::Frozen => field.freeze(self.node),
            Kept::CutOff => field.cut(&self.cuts),
        }
    }

    fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Progress> {
        match &self.stage {
            Stage::Away { generation, visible, since, enough } => {
                let missed = field.observer.visible().saturating_sub(*visible);
                enough.store(missed >= MISSED || since.elapsed() >= MISS_PATIENCE, Ordering::SeqCst);
                if missed >= MISSED {
                    self.stage = Stage::Back { generation: *generation, since: Instant::now() };
                    self.back(field)?;
                } else if since.elapsed() >= MISS_PATIENCE {
                    self.stage = Stage::Over(Some(format!("only {missed} entries were written meanwhile")));
                    self.back(field)?;
                }
            }
            Stage::Back { generation: old, since } => {
                if generation(field.cluster.data_dir(self.node))? > *old {
                    self.stage = Stage::Over(None);
                } else if since.elapsed() >= TAKE_PATIENCE {
                    self.stage = Stage::Over(Some("it took no snapshot".to_owned()));
                }
            }
            Stage::Over(_) => return Ok(Progress::Over),
        }
        Ok(Progress::UnderWay)
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        match &self.stage {
            Stage::Over(None) => Ok(Bite::Bit),
            Stage::Over(Some(why)) => Ok(Bite::Nothing(why.clone())),
            Stage::Back { .. } => Ok(Bite::Nothing("faults were over before".to_owned())),
            Stage::Away { enough, .. } => {
                enough.store(true, Ordering::SeqCst);
                self.back(field)?;
                Ok(Bite::Nothing("faults were over before".to_owned()))
            }
        }
    }
}

impl Missing {
    /// Writes at the other nodes until the value becomes true.
    fn write(&self, field: &mut Field<'_>) -> anyhow::Result<Arc<AtomicBool>> {
        let enough = Arc::new(AtomicBool::new(false));
        let others: Vec<u64> = field.cluster.ids().filter(|id| *id != self.node && field.cluster.runs(*id)).collect();
        for (id, writer) in others.into_iter().flat_map(|id| (0..WRITERS).map(move |writer| (id, writer))) {
            let (client, enough) = (field.cluster.client(id, WRITE_TIMEOUT)?, Arc::clone(&enough));
            field.later(id, async move {
                let mut written = 0_u64;
                while !enough.load(Ordering::SeqCst) {
                    let tenant = format!("filler-{id}-{writer}-{written}");
                    written += 1;
                    // Whether it is there or not: what counts is that something is written.
                    let _ = client.create_tenant(v1::CreateTenantRequest { id: tenant.clone(), options: None }).await;
                    let _ = client.delete_tenant(v1::DeleteTenantRequest { id: tenant, options: None }).await;
                }
                Ok(())
            });
        }
        Ok(enough)
    }

    fn back(&self, field: &mut Field<'_>) -> anyhow::Result<()> {
        match self.kept {
            Kept::Down => field.revive(self.node),
            Kept::Frozen => field.thaw(self.node),
            Kept::CutOff => field.join_again(),
        }
    }
}

/// The generation of the state in a data folder.
fn generation(data: &Path) -> anyhow::Result<u64> {
    let mut newest = 0;
    for entry in fs::read_dir(data.join("state"))? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(GENERATION)?.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}
