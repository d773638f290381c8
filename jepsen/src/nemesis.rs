//! Carries out a schedule of faults on a cluster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Cluster, wait};
use crate::history::{Record, Relief, Strike};
use crate::observer::Observer;
use crate::recorder::Recorder;
use crate::schedule::{Blow, Fault, Step};

/// How long an aimed fault waits for a revocation in flight.
const AIM_PATIENCE: Duration = Duration::from_millis(500);
/// How long an aimed fault waits until somebody is known to lead.
const LEADER_PATIENCE: Duration = Duration::from_secs(2);

/// Makes faults happen.
pub struct Nemesis<'a> {
    cluster: &'a mut Cluster,
    recorder: &'a Arc<Recorder>,
    observer: &'a Arc<Observer>,
    lasting: Vec<Lasting>,
}

/// A fault that lasts.
struct Lasting {
    /// Until when, counted from when it struck, which may be later than the schedule says.
    until: Instant,
    step: Step,
    blow: Blow,
}

impl<'a> Nemesis<'a> {
    /// A nemesis that has done nothing yet.
    pub fn new(cluster: &'a mut Cluster, recorder: &'a Arc<Recorder>, observer: &'a Arc<Observer>) -> Self {
        Self { cluster, recorder, observer, lasting: Vec::new() }
    }

    /// Carries out the schedule, waits until the time is over, and undoes whatever lasts.
    pub async fn run(mut self, schedule: Vec<Step>, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        for step in schedule {
            self.end_until(began + Duration::from_millis(step.at_ms)).await?;
            self.begin(step).await?;
        }
        self.end_until(began + time).await?;
        while let Some(lasting) = self.lasting.pop() {
            self.end(lasting)?;
        }
        Ok(())
    }

    /// Waits until then, and ends faults whose time comes before.
    async fn end_until(&mut self, then: Instant) -> anyhow::Result<()> {
        loop {
            let next = self.lasting.iter().enumerate().min_by_key(|(_, lasting)| lasting.until);
            let Some((place, until)) =
                next.map(|(place, lasting)| (place, lasting.until)).filter(|(_, until)| *until < then)
            else {
                tokio::time::sleep_until(then).await;
                return Ok(());
            };
            tokio::time::sleep_until(until).await;
            let lasting = self.lasting.remove(place);
            self.end(lasting)?;
        }
    }

    async fn begin(&mut self, step: Step) -> anyhow::Result<()> {
        if step.aimed {
            let leads = async || Ok(self.observer.situation().leader.is_some());
            // Without a leader it strikes all the same, and does not count as having met one.
            let _ = wait::until_true("a leader", LEADER_PATIENCE, leads).await;
            self.recorder.until_revoking(AIM_PATIENCE).await;
        }
        self.cluster.notice_ended()?;
        let situation = self.observer.situation();
        let mut blow = step.blow(&situation);
        let is_process_fault = matches!(step.fault, Fault::Kill(_) | Fault::Freeze(_));
        if is_process_fault {
            // Who is dead already can neither be killed nor frozen.
            blow.victims.retain(|node| self.cluster.runs(*node));
        }
        for node in &blow.victims {
            match step.fault {
                Fault::Kill(_) => {
                    self.cluster.kill(*node)?;
                    self.observer.forget(*node);
                }
                Fault::Freeze(_) => self.cluster.freeze(*node)?,
                Fault::Cut(_) => {}
            }
        }
        let victims = blow.victims.clone();
        let (number, nemesis, what) = (step.number, step.nemesis.name().to_owned(), blow.what.clone());
        let until = Instant::now() + Duration::from_millis(step.lasts_ms);
        self.lasting.push(Lasting { until, step, blow });
        self.cut()?;
        let holders = situation.holders.into_iter().collect();
        let at_us = self.recorder.now_us();
        let strike = Strike { step: number, at_us, nemesis, what, victims, leader: situation.leader, holders };
        eprintln!("{:>8.3} s  {}", seconds(at_us), told(&strike));
        self.recorder.record(&Record::Strike(strike));
        Ok(())
    }

    /// Undoes a fault, which lasts no longer.
    fn end(&mut self, Lasting { step, blow, .. }: Lasting) -> anyhow::Result<()> {
        self.cluster.notice_ended()?;
        for node in &blow.victims {
            match step.fault {
                Fault::Kill(_) if !self.cluster.runs(*node) => self.cluster.restart(*node)?,
                // Somebody else may have killed it, or may have it frozen still.
                Fault::Freeze(_) if self.cluster.runs(*node) && !self.is_frozen(*node) => self.cluster.thaw(*node)?,
                Fault::Kill(_) | Fault::Freeze(_) | Fault::Cut(_) => {}
            }
        }
        self.cut()?;
        let at_us = self.recorder.now_us();
        eprintln!("{:>8.3} s  end of: {}", seconds(at_us), blow.what);
        self.recorder.record(&Record::Relief(Relief { step: step.number, at_us }));
        Ok(())
    }

    /// Cuts what lasting faults have to cut.
    fn cut(&mut self) -> anyhow::Result<()> {
        let cuts: BTreeSet<(u64, u64)> =
            self.lasting.iter().flat_map(|lasting| lasting.blow.cuts.iter().copied()).collect();
        self.cluster.cut(&cuts)
    }

    fn is_frozen(&self, node: u64) -> bool {
        let mut freezing = self.lasting.iter().filter(|lasting| matches!(lasting.step.fault, Fault::Freeze(_)));
        freezing.any(|lasting| lasting.blow.victims.contains(&node))
    }
}

fn told(strike: &Strike) -> String {
    let met = |met: bool, word: &'static str| if met { word } else { "" };
    let leads = strike.leader.is_some_and(|leader| strike.victims.contains(&leader));
    let holds = strike.holders.iter().any(|holder| strike.victims.contains(holder));
    format!("{}{}{}", strike.what, met(leads, ", the leader among them"), met(holds, ", a lease holder among them"))
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
