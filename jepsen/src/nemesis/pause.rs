//! `pause` and `stall`: processes stand still, and go on as if no time had passed. A stall may be much shorter, and much longer.

use std::sync::Arc;

use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, kill, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct Pause;

/// From less than anybody notices to beyond every lease and timeout.
pub(super) struct Stall;

#[derive(Clone, Copy, Debug)]
struct Freeze(Whom);

impl Kind for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn describe(&self) -> &'static str {
        "SIGSTOP of the leader, a lease holder, anybody, a minority or all at once, and SIGCONT"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (500, 10_000)
    }

    fn draw_whom(&self, dice: &mut StdRng) -> Whom {
        kill::draw_whom(dice)
    }

    fn draw(&self, whom: Whom, _simple: bool, _dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Freeze(whom))
    }
}

impl Kind for Stall {
    fn name(&self) -> &'static str {
        "stall"
    }

    fn describe(&self) -> &'static str {
        "the same as `pause`, for 0.1 to 20 seconds"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (100, 20_000)
    }

    fn draw_whom(&self, dice: &mut StdRng) -> Whom {
        kill::draw_whom(dice)
    }

    fn draw(&self, whom: Whom, _simple: bool, _dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Freeze(whom))
    }
}

impl Fault for Freeze {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let victims = chooser.choose(self.0);
        Blow { what: format!("freeze {}", nodes(&victims)), victims, act: Box::new(Freezing) }
    }
}

struct Freezing;

impl Act for Freezing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        victims.iter().try_for_each(|node| field.freeze(*node))
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        victims.iter().try_for_each(|node| field.thaw(*node))?;
        Ok(Bite::Bit)
    }
}
