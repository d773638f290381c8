//! What stands between nodes and the machine, so that faults can reach them. Only what some nemesis needs is made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::cgroups::{Cgroups, Controller};
use super::disks::Disks;
use super::facility::Facility;
use super::leftovers::Mark;

/// What stands between nodes and the machine.
#[derive(Debug, Default)]
pub struct Rig {
    cpu: Option<Cgroups>,
    io: Option<Cgroups>,
    disks: Option<Disks>,
}

impl Rig {
    /// Makes what these facilities take, with files in a folder.
    pub fn make(needs: &BTreeSet<Facility>, mark: Mark, folder: &Path) -> anyhow::Result<Self> {
        let mut rig = Self::default();
        for need in needs {
            match need {
                Facility::Namespaces | Facility::Loss | Facility::Power | Facility::HungDisk => {}
                Facility::Cpu => rig.cpu = Some(Cgroups::find(Controller::Cpu, mark)?),
                Facility::Disks => rig.disks = Some(Disks::make(mark, folder)?),
                Facility::SlowDisk => rig.io = Some(Cgroups::find(Controller::Io, mark)?),
            }
        }
        Ok(rig)
    }

    /// Control groups that limit the processor.
    pub fn cpu(&self) -> anyhow::Result<&Cgroups> {
        self.cpu.as_ref().context("no control groups limit the processor")
    }

    /// Control groups that limit writes to disks.
    pub fn io(&self) -> anyhow::Result<&Cgroups> {
        self.io.as_ref().context("no control groups limit disks")
    }

    /// The disks of the nodes.
    pub fn disks(&mut self) -> anyhow::Result<&mut Disks> {
        self.disks.as_mut().context("nodes have no disks of their own")
    }

    /// The same, to look at.
    pub fn disks_now(&self) -> anyhow::Result<&Disks> {
        self.disks.as_ref().context("nodes have no disks of their own")
    }

    /// Makes what a node needs before it starts, and returns the folder for its data.
    pub(super) fn prepare(&mut self, node: u64, folder: &Path) -> anyhow::Result<PathBuf> {
        match &mut self.disks {
            Some(disks) => disks.add(node),
            None => Ok(folder.join(format!("node-{node}"))),
        }
    }

    /// Takes in a node that has just started.
    pub(super) fn adopt(&mut self, node: u64, pid: u32) -> anyhow::Result<()> {
        self.cpu.iter_mut().chain(&mut self.io).try_for_each(|groups| groups.put(node, pid))
    }

    /// Lets a node end: who waits for a disk that hangs cannot even be killed.
    pub(super) fn let_go(&mut self, node: u64) -> anyhow::Result<()> {
        match &mut self.disks {
            Some(disks) if disks.is_hung(node) => disks.go_on(node),
            Some(_) | None => Ok(()),
        }
    }

    /// What is left of the data of nodes, if they do not have it in folders.
    pub(super) fn images(&self) -> Option<Vec<PathBuf>> {
        self.disks.as_ref().map(Disks::images)
    }
}
