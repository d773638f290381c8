//! What a machine may allow to be done to nodes. Each is tried before it is relied on: a fault that does nothing would make
//! every run pass.

use std::path::Path;

use super::cgroups::Cgroups;
use super::clocks::{self, Which};
use super::disks;
use super::leftovers::Mark;
use super::network::Network;
use super::shim;

/// Something that faults are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facility {
    /// Each node has a network of its own, and ways between them can be cut.
    Namespaces,
    /// Packets between nodes can be lost.
    Loss,
    /// A node can be kept from the processor.
    Cpu,
    /// A node can have its data on a disk of its own.
    Disks,
    /// Power can be cut from such a disk.
    Power,
    /// Such a disk can be slow.
    SlowDisk,
    /// Such a disk can hang.
    HungDisk,
    /// The wall clock of a node can be moved.
    WallClocks,
    /// All clocks of a node can be moved.
    Clocks,
    /// What `fsync` does at a node can be changed.
    Fsync,
    /// The log of a node can be short.
    ShortLogs,
    /// The ways to and from a node can be made to hold less.
    Bandwidth,
    /// What nodes send each other can be late, overtaken, or come twice.
    Switch,
}

/// Where facilities are tried.
pub struct Lab<'a> {
    network: &'a Network,
    lesser: Option<&'a str>,
    mark: Mark,
    folder: &'a Path,
}

impl Facility {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Namespaces,
        Self::Loss,
        Self::Cpu,
        Self::Disks,
        Self::Power,
        Self::SlowDisk,
        Self::HungDisk,
        Self::WallClocks,
        Self::Clocks,
        Self::Fsync,
        Self::ShortLogs,
        Self::Bandwidth,
        Self::Switch,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Loss => "packet loss",
            Self::Cpu => "processor",
            Self::Disks => "disks",
            Self::Power => "power loss",
            Self::SlowDisk => "slow disk",
            Self::HungDisk => "hung disk",
            Self::WallClocks => "wall clocks",
            Self::Clocks => "clocks",
            Self::Fsync => "fsync",
            Self::ShortLogs => "short logs",
            Self::Bandwidth => "bandwidth",
            Self::Switch => "switch",
        }
    }

    /// How it was seen to work.
    pub fn proof(self) -> &'static str {
        match self {
            Self::Namespaces => "two were joined, cut apart and healed",
            Self::Loss => "of packets between the two, some were lost as they should be",
            Self::Cpu => "a busy process in a control group was kept waiting",
            Self::Disks => "one was mounted and filled",
            Self::Power => "what was synced was there afterwards, and what was not was gone",
            Self::SlowDisk => "synced writes took the longer",
            Self::HungDisk => "a write did not end until it went on",
            Self::WallClocks | Self::Clocks => {
                "that of a process was moved; those of nodes are before they have a part in anything"
            }
            Self::Fsync => "that of a process failed, and lied",
            Self::ShortLogs => "nodes take it as a setting",
            Self::Bandwidth => "what was sent from one to the other took the longer",
            Self::Switch => "what was sent one way was late, or came twice, and the other way it did not",
        }
    }
}

impl<'a> Lab<'a> {
    /// Facilities are tried with this network, which is not the better one for this reason, and with files in this folder.
    pub fn new(network: &'a Network, lesser: Option<&'a str>, mark: Mark, folder: &'a Path) -> Self {
        Self { network, lesser, mark, folder }
    }

    /// Tries whether a facility works here, and says why it does not.
    pub fn try_out(&self, facility: Facility) -> Result<(), String> {
        match facility {
            Facility::Namespaces if self.network.can_cut() => Ok(()),
            Facility::Namespaces => Err(self.lesser.unwrap_or("the network cannot be cut").to_owned()),
            Facility::Loss => self.network.can_lose(),
            Facility::Cpu => told(Cgroups::try_cpu(self.mark)),
            Facility::Disks => told(disks::try_disks(self.mark, self.folder)),
            Facility::Power => told(disks::try_power(self.mark, self.folder)),
            Facility::SlowDisk => told(disks::try_slow(self.mark, self.folder)),
            Facility::WallClocks => told(clocks::try_clocks(Which::Wall, self.mark, self.folder)),
            Facility::Clocks => told(clocks::try_clocks(Which::All, self.mark, self.folder)),
            Facility::Fsync => told(shim::try_shim(self.mark, &self.folder.join("trial-shim"))),
            Facility::ShortLogs => Ok(()),
            Facility::Switch => told(self.network.try_slow()),
            Facility::Bandwidth => told(self.network.try_limit()),
            Facility::HungDisk => told(disks::try_hangs(self.mark, self.folder)),
        }
    }

    /// What keeps somebody from acting who needs these, if anything does.
    pub fn obstacle(&self, needs: &[Facility]) -> Option<String> {
        needs.iter().find_map(|facility| self.try_out(*facility).err())
    }
}

fn told(tried: anyhow::Result<()>) -> Result<(), String> {
    tried.map_err(|error| format!("{error:#}"))
}
