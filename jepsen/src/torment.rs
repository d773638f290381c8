//! Carries out a schedule of faults on a cluster.

mod field;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use crate::cluster::{Cluster, wait};
use crate::history::{Idle, Record, Relief, Retired, Strike};
use crate::nemesis::{Bite, Blow, Progress};
use crate::observer::Observer;
use crate::recorder::Recorder;
use crate::schedule::{Chooser, Situation, Step};

pub use field::Field;
use field::{Holds, Later};
pub use turns::{Then, Turn, Turns};

/// How long an aimed fault waits for a revocation in flight.
const AIM_PATIENCE: Duration = Duration::from_millis(500);
/// How long an aimed fault waits until somebody is known to lead.
const LEADER_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked how far faults are that end by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long all of them may take to end, once faults are over.
const FINISH_PATIENCE: Duration = Duration::from_mins(2);

/// Makes faults happen.
pub struct Torment<'a> {
    cluster: &'a mut Cluster,
    recorder: &'a Arc<Recorder>,
    observer: &'a Arc<Observer>,
    holds: Holds,
    lasting: Vec<Lasting>,
    /// What faults have left to be done in its own time.
    later: Later,
}

/// A fault that lasts.
struct Lasting {
    /// Until when, counted from when it struck, which may be later than the schedule says.
    until: Instant,
    step: Step,
    blow: Blow,
    /// How far it was at the last look.
    progress: Progress,
}

impl Lasting {
    fn ends_by_itself(&self) -> bool {
        match self.progress {
            Progress::ForItsTime => false,
            Progress::UnderWay | Progress::Struck { .. } | Progress::Over => true,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.progress {
            Progress::ForItsTime => self.until <= now,
            Progress::UnderWay | Progress::Struck { .. } => false,
            Progress::Over => true,
        }
    }
}

impl<'a> Torment<'a> {
    /// Nothing has been done yet.
    pub fn new(cluster: &'a mut Cluster, recorder: &'a Arc<Recorder>, observer: &'a Arc<Observer>) -> Self {
        Self { cluster, recorder, observer, holds: Holds::default(), lasting: Vec::new(), later: Later::new() }
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
                self.end(place)?;
            } else if then <= now {
                return Ok(());
            } else {
                let untils =
                    self.lasting.iter().filter(|lasting| !lasting.ends_by_itself()).map(|lasting| lasting.until);
                let due = untils.chain([then]).min().unwrap_or(then);
                let due = if self.lasting.is_empty() { due } else { due.min(now + LOOK_EVERY) };
                self.rest(due).await?;
            }
        }
    }

    /// Goes on with what was left to be done in its own time.
    async fn rest(&mut self, until: Instant) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                Some((node, ended)) = self.later.next() => self.note(node, ended),
            }
        }
    }

    fn note(&mut self, node: u64, ended: anyhow::Result<()>) {
        if let Err(error) = ended {
            self.cluster.alarm(node, format!("however often it was asked for: {error:#}"));
        }
    }

    /// Undoes whatever lasts. What is frozen has to go on before it can stop, so what ends by itself is last.
    async fn end_all(&mut self) -> anyhow::Result<()> {
        self.go_on()?;
        while let Some(place) = self.lasting.iter().rposition(|lasting| !lasting.ends_by_itself()) {
            self.end(place)?;
        }
        self.lasting.iter_mut().for_each(|lasting| lasting.blow.act.finish());
        let began = Instant::now();
        while !self.lasting.is_empty() {
            self.end_until(Instant::now() + LOOK_EVERY).await?;
            let what = self.lasting.first().map(|lasting| lasting.blow.what.clone()).unwrap_or_default();
            anyhow::ensure!(began.elapsed() < FINISH_PATIENCE, "a fault did not end after {FINISH_PATIENCE:?}: {what}");
        }
        while let Some((node, ended)) = self.later.next().await {
            self.note(node, ended);
        }
        for (node, why) in self.cluster.retired() {
            self.recorder.record(&Record::Retired(Retired { node, at_us: self.recorder.now_us(), why }));
        }
        Ok(())
    }

    async fn begin(&mut self, step: Step) -> anyhow::Result<()> {
        // One that struck late may last beyond its time. A nemesis does one thing at a time.
        let earlier = |lasting: &Lasting| lasting.step.nemesis == step.nemesis && !lasting.ends_by_itself();
        while let Some(place) = self.lasting.iter().position(earlier) {
            self.end(place)?;
        }
        let alone = |lasting: &Lasting| lasting.step.nemesis == step.nemesis && !lasting.blow.act.bears_another();
        if self.lasting.iter().any(alone) {
            eprintln!("left out: {:?}, since the one before has not ended", step.fault);
            return Ok(());
        }
        if step.aimed {
            let leads = async || Ok(self.observer.situation().leader.is_some());
            // Without a leader it strikes all the same, and does not count as having met one.
            let _ = wait::until_true("a leader", LEADER_PATIENCE, leads).await;
            self.recorder.until_revoking(AIM_PATIENCE).await;
        }
        self.cluster.notice_ended()?;
        let situation = self.observer.situation();
        let mut blow = step.fault.blow(&mut Chooser::new(&situation, step.dice));
        let mut victims = blow.victims.clone();
        blow.act.strike(&mut victims, &mut self.field(step.number))?;
        blow.victims.clone_from(&victims);
        let until = Instant::now() + Duration::from_millis(step.lasts_ms);
        if blow.act.strikes_at_once() {
            self.strike(&step, blow.what.clone(), victims, situation);
        }
        self.lasting.push(Lasting { until, step, blow, progress: Progress::ForItsTime });
        self.go_on()
    }

    /// Looks how far everything is that lasts.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if self.lasting.is_empty() {
            return Ok(());
        }
        self.cluster.notice_ended()?;
        let mut all = std::mem::take(&mut self.lasting);
        for lasting in &mut all {
            let situation = self.observer.situation();
            lasting.progress = lasting.blow.act.go_on(&mut self.field(lasting.step.number))?;
            if let Progress::Struck { node, what } = &lasting.progress {
                self.strike(&lasting.step, what.clone(), vec![*node], situation);
            }
        }
        self.lasting = all;
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
    fn end(&mut self, place: usize) -> anyhow::Result<()> {
        let Lasting { step, mut blow, .. } = self.lasting.remove(place);
        self.cluster.notice_ended()?;
        let bite = blow.act.end(&blow.victims, &mut self.field(step.number))?;
        let (at_us, step) = (self.recorder.now_us(), step.number);
        eprintln!("{:>8.3} s  end of: {}", seconds(at_us), blow.what);
        self.recorder.record(&Record::Relief(Relief { step, at_us }));
        match bite {
            Bite::Bit => {}
            Bite::Nothing(why) => {
                eprintln!("{:>8.3} s  IT DID NOTHING: {why}", seconds(at_us));
                self.recorder.record(&Record::Idle(Idle { step, at_us, why }));
            }
        }
        Ok(())
    }

    fn field(&mut self, step: u32) -> Field<'_> {
        Field {
            cluster: &mut *self.cluster,
            observer: self.observer,
            holds: &mut self.holds,
            later: &mut self.later,
            step,
        }
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
