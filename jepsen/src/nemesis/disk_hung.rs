//! `disk-hung`: a disk takes no writes, and fails none.

use std::sync::Arc;

use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct DiskHung;

#[derive(Clone, Copy, Debug)]
struct Hang(Whom);

impl Kind for DiskHung {
    fn name(&self) -> &'static str {
        "disk-hung"
    }

    fn describe(&self) -> &'static str {
        "whoever writes to the disk of the leader, a lease holder or anybody waits until the disk goes on"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Disks, Facility::HungDisk]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (1_000, 8_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, _dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Hang(whom))
    }
}

impl Fault for Hang {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let victims = chooser.choose(self.0);
        Blow { what: format!("hang the disk of {}", nodes(&victims)), victims, act: Box::new(Hanging) }
    }
}

struct Hanging;

impl Act for Hanging {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        victims.iter().try_for_each(|node| field.cluster.rig.disks()?.hang(*node))
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        // A disk goes on before its time when its node is killed, which could not end otherwise.
        victims.iter().try_for_each(|node| field.cluster.rig.disks()?.go_on(*node))?;
        Ok(if victims.is_empty() { Bite::Nothing("nobody used a disk".to_owned()) } else { Bite::Bit })
    }
}
