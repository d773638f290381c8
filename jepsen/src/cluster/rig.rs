//! What stands between nodes and the machine, so that faults can reach them. Only what some nemesis needs is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::cgroups::{Cgroups, Controller};
use super::clocks::{Clocks, Which};
use super::disks::Disks;
use super::facility::Facility;
use super::leftovers::Mark;
use super::shim::Shim;

/// What stands between nodes and the machine.
#[derive(Debug, Default)]
pub struct Rig {
    cpu: Option<Cgroups>,
    io: Option<Cgroups>,
    disks: Option<Disks>,
    clocks: Option<Clocks>,
    shim: Option<Shim>,
    /// After how many entries a node makes a snapshot and cuts its log off, if not by default.
    snapshot_every: Option<u32>,
    /// What is to happen at points that a node passes.
    plans: BTreeMap<u64, &'static str>,
}

/// The environment variable that says what is to happen at points. Only nodes built with planted faults heed it.
const FAILPOINTS: &str = "PORTCULLIS_FAILPOINTS";

/// After how many entries a node does so whose log is to be short.
pub const SNAPSHOT_EVERY: u32 = 200;

impl Rig {
    /// Makes what these facilities take, with files in a folder.
    pub fn make(needs: &BTreeSet<Facility>, mark: Mark, folder: &Path) -> anyhow::Result<Self> {
        let mut rig = Self::default();
        for need in needs {
            match need {
                Facility::Namespaces
                | Facility::Loss
                | Facility::Bandwidth
                | Facility::Switch
                | Facility::Power
                | Facility::HungDisk => {}
                Facility::Cpu => rig.cpu = Some(Cgroups::find(Controller::Cpu, mark)?),
                Facility::Disks => rig.disks = Some(Disks::make(mark, folder)?),
                Facility::ShortLogs => rig.snapshot_every = Some(SNAPSHOT_EVERY),
                Facility::WallClocks => rig.clocks = Some(Clocks::make(Which::Wall, folder)?),
                Facility::Clocks => rig.clocks = Some(Clocks::make(Which::All, folder)?),
                Facility::Fsync => rig.shim = Some(Shim::make(folder)?),
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

    /// The clocks of the nodes.
    pub fn clocks(&mut self) -> anyhow::Result<&mut Clocks> {
        self.clocks.as_mut().context("clocks of nodes cannot be moved")
    }

    /// Whether clocks of nodes can be moved.
    pub(super) fn moves_clocks(&self) -> bool {
        self.clocks.is_some()
    }

    /// What stands before `fsync`.
    pub fn shim(&mut self) -> anyhow::Result<&mut Shim> {
        self.shim.as_mut().context("nothing stands before `fsync`")
    }

    /// Whether `fsync` lies at a node now.
    pub fn lies(&self, node: u64) -> bool {
        self.shim.as_ref().is_some_and(|shim| shim.lies(node))
    }

    /// Makes what a node needs before it starts for the first time, and returns the folder for its data.
    pub(super) fn prepare(&mut self, node: u64, folder: &Path) -> anyhow::Result<PathBuf> {
        match &mut self.disks {
            Some(disks) => disks.add(node),
            None => Ok(folder.join(format!("node-{node}"))),
        }
    }

    /// Has things happen at points that a node passes, from its next start on.
    pub fn plan(&mut self, node: u64, plans: &'static str) {
        self.plans.insert(node, plans);
    }

    /// What the environment of a node has to hold that is about to start.
    pub(super) fn dress(&mut self, node: u64) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut variables = Vec::new();
        let mut libraries = Vec::new();
        if let Some(clocks) = &mut self.clocks {
            clocks.begins(node)?;
            libraries.push(clocks.library().display().to_string());
            variables.extend(clocks.variables(node));
        }
        if let Some(shim) = &self.shim {
            libraries.push(shim.library().display().to_string());
            variables.extend(shim.variables(node));
        }
        variables.extend(self.plans.get(&node).map(|plans| (FAILPOINTS, (*plans).to_owned())));
        if !libraries.is_empty() {
            variables.push(("LD_PRELOAD", libraries.join(":")));
        }
        Ok(variables)
    }

    /// What a node has to be told that is about to start.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.snapshot_every.map_or_else(Vec::new, |entries| vec!["--snapshot-every".to_owned(), entries.to_string()])
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
