//! `disk-slow`: a disk takes few writes a second.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How many writes a second are left, at the least and at the most.
const LEFT_WRITES: (u32, u32) = (10, 60);

pub(super) struct DiskSlow;

/// Let a disk take so many writes a second.
#[derive(Clone, Copy, Debug)]
struct Slow(Whom, u32);

impl Kind for DiskSlow {
    fn name(&self) -> &'static str {
        "disk-slow"
    }

    fn describe(&self) -> &'static str {
        "the disk of the leader, a lease holder or anybody takes 10 to 60 writes a second"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Disks, Facility::SlowDisk]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (2_000, 10_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Slow(whom, dice.random_range(LEFT_WRITES.0..=LEFT_WRITES.1)))
    }
}

impl Fault for Slow {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, writes) = *self;
        let victims = chooser.choose(whom);
        let what = format!("let the disk of {} take {writes} writes a second", nodes(&victims));
        Blow { victims, what, act: Box::new(Slowing { writes, devices: Vec::new() }) }
    }
}

struct Slowing {
    writes: u32,
    /// The devices that are slow. After a power loss a disk may be another one, which is not.
    devices: Vec<(u64, String)>,
}

impl Act for Slowing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        for node in &*victims {
            let device = field.cluster.rig.disks()?.device(*node)?;
            field.cluster.rig.io()?.limit_writes(*node, &device, Some(self.writes))?;
            self.devices.push((*node, device));
        }
        Ok(())
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        for (node, device) in &self.devices {
            field.cluster.rig.io()?.limit_writes(*node, device, None)?;
        }
        // That the limit holds was seen before the nodes started.
        Ok(if self.devices.is_empty() { Bite::Nothing("nobody used a disk".to_owned()) } else { Bite::Bit })
    }
}
