//! `clock-rate`: all clocks of a node run at another rate, within the drift that leases reckon with.
//!
//! Leases rest on clocks that run alike, and on nothing else about clocks. Any two machines may differ by one hundredth, and a
//! node here is off by less than half of that, so everything that is promised has to hold. Clocks that run further apart are
//! outside of what is promised: an answer that is too old then would be no failure of a node, so there is no nemesis for it.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How much faster or slower clocks run, in millionths. Two of them differ by twice that at the most, which is less than the drift
/// of 10,000 that leases reckon with by default.
const OFF_PPM: (i32, i32) = (1_000, 4_500);

pub(super) struct ClockRate;

/// Let clocks run faster by so many millionths; others as much slower.
#[derive(Clone, Copy, Debug)]
struct Run(Whom, i32);

impl Kind for ClockRate {
    fn name(&self) -> &'static str {
        "clock-rate"
    }

    fn describe(&self) -> &'static str {
        "all clocks of the leader, a lease holder or anybody run faster or slower, and those of another node the other way round, \
         within the drift that leases reckon with"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Clocks]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (3_000, 12_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let sign = if dice.random_bool(0.5) { 1 } else { -1 };
        Arc::new(Run(whom, sign * dice.random_range(OFF_PPM.0..=OFF_PPM.1)))
    }
}

impl Fault for Run {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, ppm) = *self;
        let one = chooser.one(whom);
        let others: Vec<u64> = chooser.all().into_iter().filter(|node| *node != one).collect();
        let victims: Vec<u64> = [Some(one), chooser.any_of(&others)].into_iter().flatten().collect();
        let what = format!("let the clocks of {} run faster by {ppm} and by {} millionths", nodes(&victims), -ppm);
        Blow { victims, what, act: Box::new(Running { ppm }) }
    }
}

struct Running {
    ppm: i32,
}

impl Act for Running {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        for (node, sign) in victims.iter().zip([1.0, -1.0]) {
            field.cluster.rig.clocks()?.run_at(*node, 1.0 + sign * f64::from(self.ppm) / 1e6)?;
        }
        Ok(())
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        // They are not put right, since no clock that measures elapsed time may jump.
        victims.iter().try_for_each(|node| field.cluster.rig.clocks()?.run_at(*node, 1.0))?;
        Ok(Bite::Bit)
    }
}
