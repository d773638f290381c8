//! `election`: the leader fails, and whoever is elected in its place fails as soon as it is known to lead.
//!
//! A new leader waits for the leases of the one before; that is when it is met here.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Progress, between, ways};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How long an election is waited for.
const ELECTION_PATIENCE: Duration = Duration::from_secs(12);
/// How long the new leader fails.
const FAILS: Duration = Duration::from_secs(3);

pub(super) struct Election;

/// How leaders fail.
#[derive(Clone, Copy, Debug)]
enum How {
    Killed,
    Frozen,
    CutOff,
}

/// The leader fails so, and the next one so.
#[derive(Clone, Copy, Debug)]
struct Again(How, How);

impl Kind for Election {
    fn name(&self) -> &'static str {
        "election"
    }

    fn describe(&self) -> &'static str {
        "the leader is killed, frozen or cut off, and comes back; the next one is as soon as it leads"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        // It ends when the second leader is back, and this is about what that takes.
        (5_000, 8_000)
    }

    fn draw(&self, _whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let mut how = || match dice.random_range(0..3) {
            0 => How::Killed,
            1 => How::Frozen,
            _ => How::CutOff,
        };
        Arc::new(Again(how(), how()))
    }
}

impl Fault for Again {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(first, next) = *self;
        let node = chooser.one(Whom::Leader);
        let what = format!("{} node {node}, and who leads next", first.verb());
        let act = Failing { node, all: chooser.all(), first, next, stage: Stage::Over(None) };
        Blow { victims: vec![node], what, act: Box::new(act) }
    }
}

struct Failing {
    node: u64,
    all: Vec<u64>,
    first: How,
    next: How,
    stage: Stage,
}

enum Stage {
    /// The first leader has failed.
    Electing { term: u64, since: Instant },
    /// The next one has.
    Again { node: u64, since: Instant },
    /// It is over, or why there was no second.
    Over(Option<String>),
}

impl Act for Failing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        if !field.cluster.runs(self.node) {
            victims.clear();
            self.stage = Stage::Over(Some("it did not run".to_owned()));
            return Ok(());
        }
        self.stage = Stage::Electing { term: field.observer.term(), since: Instant::now() };
        self.first.fail(self.node, &self.all, field)
    }

    fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Progress> {
        match self.stage {
            Stage::Electing { term, since } => {
                let leader = field.observer.situation().leader.filter(|leader| *leader != self.node);
                if let Some(node) = leader.filter(|node| field.observer.term() > term && field.cluster.runs(*node)) {
                    // One at a time, or there would be no majority.
                    self.first.recover(self.node, field)?;
                    self.next.fail(node, &self.all, field)?;
                    self.stage = Stage::Again { node, since: Instant::now() };
                    return Ok(Progress::Struck {
                        node,
                        what: format!("{} node {node}, which was elected", self.next.verb()),
                    });
                }
                if since.elapsed() >= ELECTION_PATIENCE {
                    self.first.recover(self.node, field)?;
                    self.stage = Stage::Over(Some(format!("nobody else was seen to lead for {ELECTION_PATIENCE:?}")));
                }
            }
            Stage::Again { node, since } => {
                if since.elapsed() >= FAILS {
                    self.next.recover(node, field)?;
                    self.stage = Stage::Over(None);
                }
            }
            Stage::Over(_) => return Ok(Progress::Over),
        }
        Ok(Progress::UnderWay)
    }

    fn end(&mut self, _victims: &[u64], _field: &mut Field<'_>) -> anyhow::Result<Bite> {
        match &self.stage {
            Stage::Over(Some(why)) => Ok(Bite::Nothing(why.clone())),
            Stage::Over(None) | Stage::Electing { .. } | Stage::Again { .. } => Ok(Bite::Bit),
        }
    }
}

impl How {
    fn verb(self) -> &'static str {
        match self {
            Self::Killed => "kill",
            Self::Frozen => "freeze",
            Self::CutOff => "isolate",
        }
    }

    fn fail(self, node: u64, all: &[u64], field: &mut Field<'_>) -> anyhow::Result<()> {
        match self {
            Self::Killed => field.kill(node),
            Self::Frozen => field.freeze(node),
            Self::CutOff => field.cut(&ways(between(&[node], all))),
        }
    }

    fn recover(self, node: u64, field: &mut Field<'_>) -> anyhow::Result<()> {
        match self {
            Self::Killed => field.revive(node),
            Self::Frozen => field.thaw(node),
            Self::CutOff => field.join_again(),
        }
    }
}
