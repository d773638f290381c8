//! How nodes reach each other.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, bail};

use super::leftovers::Mark;
use super::machine::Machine;
use super::namespaces::{self, Namespaces};
use super::switch::Slowness;

/// The port for clients. Every node has an address of its own, so ports are the same for all.
pub const CLIENT_PORT: u16 = 8620;
/// The port for other nodes.
pub const PEER_PORT: u16 = 8621;
/// The port for HTTP.
pub const HTTP_PORT: u16 = 8622;

/// Which network is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Namespaces where they work, else loopback.
    Any,
    /// Namespaces, or nothing.
    Namespaces,
    /// Loopback, whatever works.
    Loopback,
}

/// What joins nodes to the bridge, where they have namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wires {
    /// Pairs of devices of the kernel.
    Kernel,
    /// A switch of ours, which can be slow.
    Switch,
}

/// How nodes are joined.
pub struct Network(Joined);

enum Joined {
    Namespaces(Namespaces),
    /// With the second half of the addresses, so that runs at the same time do not meet.
    Loopback(u8),
}

impl Network {
    /// Makes a network for so many nodes. The second value says why it is not the better one, if it is not.
    pub fn make(wanted: Wanted, wires: Wires, nodes: u64, mark: Mark) -> anyhow::Result<(Self, Option<String>)> {
        let machine = Machine::look();
        let possible = machine.namespaces();
        match (wanted, possible) {
            (Wanted::Any | Wanted::Namespaces, Ok(cutter)) => {
                Ok((Self(Joined::Namespaces(Namespaces::make(mark, nodes, cutter, wires)?)), None))
            }
            (Wanted::Namespaces, Err(reason)) => bail!("there are no namespaces: {reason}"),
            (Wanted::Any, Err(reason)) => Ok((Self::loopback()?, Some(reason))),
            (Wanted::Loopback, _) => Ok((Self::loopback()?, Some("loopback was asked for".to_owned()))),
        }
    }

    fn loopback() -> anyhow::Result<Self> {
        // All of 127.0.0.0/8 is loopback. A part in which nobody listens at the first address is taken.
        let free = (1..=254).find(|part| std::net::TcpListener::bind((loopback_host(*part, 1), CLIENT_PORT)).is_ok());
        Ok(Self(Joined::Loopback(free.context("every loopback address is in use")?)))
    }

    /// Moves this thread, and all that it starts from now on, to where it reaches the nodes.
    pub fn enter(&self) -> anyhow::Result<()> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.enter(),
            Joined::Loopback(_) => Ok(()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Joined::Namespaces(_) => "namespaces",
            Joined::Loopback(_) => "loopback",
        }
    }

    /// Whether ways between nodes can be cut.
    pub fn can_cut(&self) -> bool {
        match &self.0 {
            Joined::Namespaces(_) => true,
            Joined::Loopback(_) => false,
        }
    }

    /// Whether packets between nodes can be lost, or why not.
    pub fn can_lose(&self) -> Result<(), String> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.can_lose(),
            Joined::Loopback(_) => Err("loopback loses nothing".to_owned()),
        }
    }

    /// Lets the ways to a node, and those from it, hold so many kilobits a second each; without a number, what they can.
    pub fn limit(&self, node: u64, kilobits: Option<u32>) -> anyhow::Result<()> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.limit(node, kilobits),
            Joined::Loopback(_) => bail!("loopback holds what it can"),
        }
    }

    /// Does this to what is sent on exactly these ways, as (speaker, listener), by dice of this seed.
    pub fn slow(&self, ways: BTreeMap<(u64, u64), Slowness>, seed: u64) -> anyhow::Result<()> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.slow(ways, seed),
            Joined::Loopback(_) => bail!("loopback is never slow"),
        }
    }

    /// Says why that cannot be done, if so.
    pub(super) fn try_slow(&self) -> anyhow::Result<()> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.try_slow(),
            Joined::Loopback(_) => bail!("loopback is never slow"),
        }
    }

    /// Says why that cannot be limited, if so.
    pub(super) fn try_limit(&self) -> anyhow::Result<()> {
        match &self.0 {
            Joined::Namespaces(namespaces) => namespaces.try_limit(),
            Joined::Loopback(_) => bail!("loopback holds what it can"),
        }
    }

    /// The address of a node, without a port.
    pub(super) fn host(&self, node: u64) -> String {
        match &self.0 {
            Joined::Namespaces(_) => namespaces::host(node),
            Joined::Loopback(part) => loopback_host(*part, node),
        }
    }

    /// Makes room for one more node, after so many.
    pub(super) fn add(&mut self, nodes: u64) -> anyhow::Result<u64> {
        match &mut self.0 {
            Joined::Namespaces(namespaces) => namespaces.add(),
            Joined::Loopback(_) => Ok(nodes + 1),
        }
    }

    /// Begins a command that runs where a node is; nothing if that is here.
    pub(super) fn command(&self, node: u64) -> Option<Command> {
        match &self.0 {
            Joined::Namespaces(namespaces) => Some(namespaces.command(node)),
            Joined::Loopback(_) => None,
        }
    }

    /// Cuts exactly these ways, as (speaker, listener).
    pub(super) fn cut(&mut self, cuts: &BTreeSet<(u64, u64)>) -> anyhow::Result<()> {
        match &mut self.0 {
            Joined::Namespaces(namespaces) => namespaces.cut(cuts),
            Joined::Loopback(_) if cuts.is_empty() => Ok(()),
            Joined::Loopback(_) => bail!("loopback cannot be cut"),
        }
    }

    /// Loses so many packets of a hundred on exactly these ways, as (speaker, listener).
    pub(super) fn lose(&mut self, losses: &BTreeMap<(u64, u64), u8>) -> anyhow::Result<()> {
        match &mut self.0 {
            Joined::Namespaces(namespaces) => namespaces.lose(losses),
            Joined::Loopback(_) if losses.is_empty() => Ok(()),
            Joined::Loopback(_) => bail!("loopback loses nothing"),
        }
    }
}

fn loopback_host(part: u8, node: u64) -> String {
    format!("127.77.{part}.{node}")
}
