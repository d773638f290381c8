//! Carries out a schedule of faults on a cluster.

mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Cluster, wait};
use crate::history::{Record, Relief, Strike};
use crate::observer::Observer;
use crate::recorder::Recorder;
use crate::schedule::{Blow, Fault, Situation, Step};

use turns::{Taken, Turns};

/// How long an aimed fault waits for a revocation in flight.
const AIM_PATIENCE: Duration = Duration::from_millis(500);
/// How long an aimed fault waits until somebody is known to lead.
const LEADER_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked how far orderly restarts are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    /// The restarts that it is made of. It ends with them, whatever the time.
    turns: Option<Turns>,
}

impl Lasting {
    fn is_over(&self, now: Instant) -> bool {
        self.turns.as_ref().map_or(self.until <= now, Turns::are_over)
    }

    /// When there is something to do about it.
    fn due(&self, now: Instant) -> Instant {
        self.turns.as_ref().map_or(self.until, |_| now + LOOK_EVERY)
    }
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
        self.end_all().await
    }

    /// Waits until then, and ends faults that are over before.
    async fn end_until(&mut self, then: Instant) -> anyhow::Result<()> {
        loop {
            self.go_on()?;
            let now = Instant::now();
            let over = self.lasting.iter().enumerate().filter(|(_, lasting)| lasting.is_over(now));
            if let Some((place, _)) = over.min_by_key(|(_, lasting)| lasting.until) {
                let lasting = self.lasting.remove(place);
                self.end(lasting)?;
            } else if then <= now {
                return Ok(());
            } else {
                let due = self.lasting.iter().map(|lasting| lasting.due(now)).chain([then]).min();
                tokio::time::sleep_until(due.unwrap_or(then)).await;
            }
        }
    }

    /// Undoes whatever lasts. What is frozen has to go on before it can stop, so restarts are last.
    async fn end_all(&mut self) -> anyhow::Result<()> {
        while let Some(place) = self.lasting.iter().rposition(|lasting| lasting.turns.is_none()) {
            let lasting = self.lasting.remove(place);
            self.end(lasting)?;
        }
        self.lasting.iter_mut().filter_map(|lasting| lasting.turns.as_mut()).for_each(Turns::finish);
        while !self.lasting.is_empty() {
            self.end_until(Instant::now() + LOOK_EVERY).await?;
        }
        Ok(())
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
        let is_process_fault = matches!(step.fault, Fault::Kill(_) | Fault::Freeze(_) | Fault::Restart(_));
        if is_process_fault {
            // Who is dead already can neither be killed nor frozen nor stopped.
            blow.victims.retain(|node| self.cluster.runs(*node));
        }
        for node in &blow.victims {
            match step.fault {
                Fault::Kill(_) => {
                    self.cluster.kill(*node)?;
                    self.observer.forget(*node);
                }
                Fault::Freeze(_) => self.cluster.freeze(*node)?,
                Fault::Cut(_) | Fault::Restart(_) | Fault::Lose(..) => {}
            }
        }
        let (what, victims) = (blow.what.clone(), blow.victims.clone());
        let until = Instant::now() + Duration::from_millis(step.lasts_ms);
        let turns = matches!(step.fault, Fault::Restart(_)).then(|| Turns::new(&blow.turns));
        self.lasting.push(Lasting { until, step: step.clone(), blow, turns });
        if matches!(step.fault, Fault::Restart(_)) {
            // Each stop is a strike of its own, since roles change between them.
            return self.go_on();
        }
        self.impair()?;
        self.strike(&step, what, victims, situation);
        Ok(())
    }

    /// Goes on with orderly restarts.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if self.lasting.iter().all(|lasting| lasting.turns.is_none()) {
            return Ok(());
        }
        self.cluster.notice_ended()?;
        let taken = Taken {
            dead: self.victims(|fault| matches!(fault, Fault::Kill(_))),
            frozen: self.victims(|fault| matches!(fault, Fault::Freeze(_))),
        };
        let mut stopped = Vec::new();
        for lasting in &mut self.lasting {
            let Some(turns) = &mut lasting.turns else { continue };
            let situation = self.observer.situation();
            if let Some(node) = turns.go_on(self.cluster, &taken)? {
                self.observer.forget(node);
                stopped.push((lasting.step.clone(), node, lasting.blow.what.clone(), situation));
            }
        }
        for (step, node, whole, situation) in stopped {
            self.strike(&step, format!("stop node {node}: {whole}"), vec![node], situation);
        }
        Ok(())
    }

    fn strike(&self, step: &Step, what: String, victims: Vec<u64>, situation: Situation) {
        let Situation { leader, holders, .. } = situation;
        let (at_us, nemesis) = (self.recorder.now_us(), step.nemesis.name().to_owned());
        let holders = holders.into_iter().collect();
        let strike = Strike { step: step.number, at_us, nemesis, what, victims, leader, holders };
        eprintln!("{:>8.3} s  {}", seconds(at_us), told(&strike));
        self.recorder.record(&Record::Strike(strike));
    }

    /// Undoes a fault, which lasts no longer.
    fn end(&mut self, Lasting { step, blow, .. }: Lasting) -> anyhow::Result<()> {
        self.cluster.notice_ended()?;
        let frozen = self.victims(|fault| matches!(fault, Fault::Freeze(_)));
        for node in &blow.victims {
            match step.fault {
                Fault::Kill(_) if !self.cluster.runs(*node) => self.cluster.restart(*node)?,
                // Somebody else may have killed it, or may have it frozen still.
                Fault::Freeze(_) if self.cluster.runs(*node) && !frozen.contains(node) => self.cluster.thaw(*node)?,
                Fault::Kill(_) | Fault::Freeze(_) | Fault::Cut(_) | Fault::Restart(_) | Fault::Lose(..) => {}
            }
        }
        self.impair()?;
        let at_us = self.recorder.now_us();
        eprintln!("{:>8.3} s  end of: {}", seconds(at_us), blow.what);
        self.recorder.record(&Record::Relief(Relief { step: step.number, at_us }));
        Ok(())
    }

    /// Cuts what lasting faults have to cut, and loses what they have to lose.
    fn impair(&mut self) -> anyhow::Result<()> {
        let blows = || self.lasting.iter().map(|lasting| &lasting.blow);
        let cuts: BTreeSet<(u64, u64)> = blows().flat_map(|blow| blow.cuts.iter().copied()).collect();
        let losses: BTreeMap<(u64, u64), u8> = blows().flat_map(|blow| blow.losses.clone()).collect();
        self.cluster.cut(&cuts)?;
        self.cluster.lose(&losses)
    }

    /// Whom lasting faults of a kind have met.
    fn victims(&self, of: impl Fn(Fault) -> bool) -> BTreeSet<u64> {
        let faults = self.lasting.iter().filter(|lasting| of(lasting.step.fault));
        faults.flat_map(|lasting| lasting.blow.victims.iter().copied()).collect()
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
