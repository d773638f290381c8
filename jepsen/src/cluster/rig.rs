//! What stands between nodes and the machine, so that faults can reach them. Only what some nemesis needs is made.

use std::collections::BTreeSet;

use anyhow::Context;

use super::cgroups::{Cgroups, Controller};
use super::facility::Facility;
use super::leftovers::Mark;

/// What stands between nodes and the machine.
#[derive(Debug, Default)]
pub struct Rig {
    cpu: Option<Cgroups>,
}

impl Rig {
    /// Makes what these facilities take.
    pub fn make(needs: &BTreeSet<Facility>, mark: Mark) -> anyhow::Result<Self> {
        let mut rig = Self::default();
        if needs.contains(&Facility::Cpu) {
            rig.cpu = Some(Cgroups::find(Controller::Cpu, mark)?);
        }
        Ok(rig)
    }

    /// Control groups that limit the processor.
    pub fn cpu(&self) -> anyhow::Result<&Cgroups> {
        self.cpu.as_ref().context("no control groups limit the processor")
    }

    /// Takes in a node that has just started.
    pub(super) fn adopt(&mut self, node: u64, pid: u32) -> anyhow::Result<()> {
        self.cpu.iter_mut().try_for_each(|groups| groups.put(node, pid))
    }
}
