//! `power`: nodes lose their power, and with it whatever they had not synced.

use std::sync::Arc;

use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, kill, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct Power;

#[derive(Clone, Copy, Debug)]
struct CutPower(Whom);

impl Kind for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn describe(&self) -> &'static str {
        "power loss of the leader, a lease holder, anybody, a minority or all: what was not synced is gone at the next start"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Disks, Facility::Power]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (100, 5_000)
    }

    fn draw_whom(&self, dice: &mut StdRng) -> Whom {
        kill::draw_whom(dice)
    }

    fn draw(&self, whom: Whom, _simple: bool, _dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(CutPower(whom))
    }
}

impl Fault for CutPower {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let victims = chooser.choose(self.0);
        Blow { what: format!("cut the power of {}", nodes(&victims)), victims, act: Box::new(PowerLoss) }
    }
}

struct PowerLoss;

impl Act for PowerLoss {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        // Who is lied to about what is synced keeps its power: see `fsync`.
        victims.retain(|node| field.cluster.runs(*node) && !field.cluster.rig.lies(*node));
        for node in &*victims {
            // Process and disk are to end at the same moment. A process that is stopped first says nothing more to anybody; one
            // that was about to write may see that it cannot.
            field.excuse(*node)?;
            field.cluster.freeze(*node)?;
            field.cluster.rig.disks()?.power_off(*node)?;
            field.kill(*node)?;
            field.cluster.rig.disks()?.unmount(*node)?;
            field.excuse_no_more(*node)?;
        }
        Ok(())
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        for node in victims {
            field.cluster.rig.disks()?.power_on(*node)?;
            field.revive(*node)?;
        }
        // That power loss loses what was not synced was seen before the nodes started.
        Ok(if victims.is_empty() { Bite::Nothing("nobody had power".to_owned()) } else { Bite::Bit })
    }
}
