//! Faults: what they do to the simulation, and how it is undone.

use std::sync::Arc;
use std::time::Duration;

use portcullis_lease::Roster;
use portcullis_machine::command::ConfigureLeases;

use portcullis_fault::Point;

use crate::clocks::{Hand, Stood};
use crate::host::{Order, name};
use crate::trap::Deed;
use crate::world::World;

/// What the event says of a machine whose power loss took something.
pub const LOST: &str = "has lost";

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node is cut off, both ways. What is under way is lost.
    Isolate(u64),
    /// A node hears nothing and is heard.
    Deafen(u64),
    /// A node hears and is not heard.
    Mute(u64),
    /// Two nodes are cut off from each other.
    Split(u64, u64),
    /// What is said to and by a node arrives late, all at once.
    Hold(u64),
    /// A node dies, and is started again at the end. What its disk had not synced is lost.
    Crash(u64),
    /// Something happens to a node when it passes a point, if it does before the end: a machine that died is started again then.
    At(u64, Point, Deed, u64),
    /// A node is stopped in order, and started again at the end.
    Stop(u64),
    /// A process is stopped, or its machine suspended: it does nothing, and finds time gone when it goes on.
    Suspend(u64, Stood),
    /// One hand of a node's clocks jumps by so many milliseconds.
    Jump(u64, Hand, i64),
    /// A node's wall clock is set, so that it is off by so many milliseconds.
    SetWall(u64, i64),
    /// All hands that measure elapsed time jump back, by so many milliseconds.
    JumpBack(u64, i64),
    /// A node's clocks run at another rate, in parts per million.
    Rate(u64, i64),
    /// A clock daemon steers a node's `CLOCK_MONOTONIC`, in parts per million.
    Steer(u64, i64),
    /// Syncs take up to so many milliseconds.
    SlowDisk(u64, u64),
    /// A node is asked to hand over leadership.
    Transfer(u64),
    /// A learner is let vote, if it is one.
    Promote(u64),
    /// A node is removed for good.
    Remove(u64),
    /// The length of leases is changed by way of a node, to so many milliseconds.
    Length(u64, u64),
    /// A node may hold no leases, until the end.
    Unroster(u64),
}

/// What a fault does to what nodes say to each other.
enum Way {
    CutOff(u64),
    CutTo(u64),
    CutFrom(u64),
    CutBetween(u64, u64),
    Held(u64),
}

impl Fault {
    /// The node that it is aimed at.
    pub fn node(self) -> u64 {
        match self {
            Self::Isolate(node)
            | Self::Deafen(node)
            | Self::Mute(node)
            | Self::Split(node, _)
            | Self::Hold(node)
            | Self::Crash(node)
            | Self::At(node, ..)
            | Self::Stop(node)
            | Self::Suspend(node, _)
            | Self::Jump(node, ..)
            | Self::SetWall(node, _)
            | Self::JumpBack(node, _)
            | Self::Rate(node, _)
            | Self::Steer(node, _)
            | Self::SlowDisk(node, _)
            | Self::Transfer(node)
            | Self::Promote(node)
            | Self::Remove(node)
            | Self::Length(node, _)
            | Self::Unroster(node) => node,
        }
    }

    /// Whether it loses what one node says to another.
    pub fn cuts(self, from: u64, to: u64) -> bool {
        match self.on_the_way() {
            Some(Way::CutOff(node)) => node == from || node == to,
            Some(Way::CutTo(node)) => node == to,
            Some(Way::CutFrom(node)) => node == from,
            Some(Way::CutBetween(one, other)) => [(one, other), (other, one)].contains(&(from, to)),
            Some(Way::Held(_)) | None => false,
        }
    }

    /// Whether it has what two nodes say to each other wait.
    pub fn holds(self, one: u64, other: u64) -> bool {
        matches!(self.on_the_way(), Some(Way::Held(node)) if node == one || node == other)
    }

    fn on_the_way(self) -> Option<Way> {
        match self {
            Self::Isolate(node) => Some(Way::CutOff(node)),
            Self::Deafen(node) => Some(Way::CutTo(node)),
            Self::Mute(node) => Some(Way::CutFrom(node)),
            Self::Split(one, other) => Some(Way::CutBetween(one, other)),
            Self::Hold(node) | Self::Suspend(node, _) => Some(Way::Held(node)),
            Self::Crash(_)
            | Self::At(..)
            | Self::Stop(_)
            | Self::Jump(..)
            | Self::SetWall(..)
            | Self::JumpBack(..)
            | Self::Rate(..)
            | Self::Steer(..)
            | Self::SlowDisk(..)
            | Self::Transfer(_)
            | Self::Promote(_)
            | Self::Remove(_)
            | Self::Length(..)
            | Self::Unroster(_) => None,
        }
    }

    /// Makes it happen, but for what it does to the network.
    pub fn begin(self, sim: &mut turmoil::Sim<'_>, world: &Arc<World>) {
        let host = &world.hosts[&self.node()];
        match self {
            Self::Isolate(_) | Self::Deafen(_) | Self::Mute(_) | Self::Split(..) | Self::Hold(_) => {}
            Self::Crash(node) => {
                host.trap.die();
                bury(sim, world, node);
            }
            Self::At(_, point, deed, skips) => host.trap.arm(point, deed, skips),
            Self::Stop(_) => host.order(Order::Stop),
            Self::Suspend(..) => {
                host.suspend(true);
                host.clocks.stand_still();
            }
            Self::SetWall(_, off_ms) => host.clocks.set_wall(off_ms),
            Self::Jump(_, hand, by_ms) => host.clocks.jump(hand, by_ms),
            Self::JumpBack(_, by_ms) => host.clocks.jump_all(-by_ms),
            Self::Rate(_, ppm) => host.clocks.run_at(ppm),
            Self::Steer(_, ppm) => host.clocks.steer(ppm),
            Self::SlowDisk(_, ms_max) => host.disk.slow_down(Some(ms_max)),
            Self::Transfer(_) => host.order(Order::Transfer(None)),
            Self::Promote(node) => host.order(Order::Promote(node)),
            Self::Remove(node) => {
                world.remove(node);
                // Whoever goes is in no position to ask for it.
                world.hosts[&world.members()[0]].order(Order::Remove(node));
            }
            Self::Length(_, ms) => {
                let (length, renewal) = (Duration::from_millis(ms), Duration::from_millis(ms / 20));
                let change =
                    ConfigureLeases { length: Some(length), renewal: Some(renewal), ..ConfigureLeases::default() };
                host.order(Order::Configure(change));
            }
            Self::Unroster(node) => {
                let others = world.shape.nodes().filter(|other| *other != node).collect();
                host.order(Order::Configure(roster(Roster::Only(others))));
            }
        }
    }

    /// Undoes it, where it does not pass by itself.
    pub fn end(self, sim: &mut turmoil::Sim<'_>, world: &Arc<World>) {
        let host = &world.hosts[&self.node()];
        match self {
            Self::Crash(node) | Self::Stop(node) => sim.bounce(name(node)),
            Self::At(node, ..) => {
                host.trap.disarm();
                if host.trap.is_dead() {
                    sim.bounce(name(node));
                }
            }
            Self::Suspend(_, stood) => {
                host.clocks.go_on(stood);
                host.suspend(false);
            }
            Self::SlowDisk(..) => host.disk.slow_down(None),
            Self::Steer(..) => host.clocks.steer(0),
            Self::Unroster(_) => host.order(Order::Configure(roster(Roster::Everyone))),
            // The network is not its affair, and a clock that has jumped stays where it is.
            Self::Isolate(_)
            | Self::Deafen(_)
            | Self::Mute(_)
            | Self::Split(..)
            | Self::Hold(_)
            | Self::Jump(..)
            | Self::SetWall(..)
            | Self::JumpBack(..)
            | Self::Rate(..)
            | Self::Transfer(_)
            | Self::Promote(_)
            | Self::Remove(_)
            | Self::Length(..) => {}
        }
    }
}

/// Takes a machine that has died out of the simulation.
pub(crate) fn bury(sim: &mut turmoil::Sim<'_>, world: &Arc<World>, node: u64) {
    sim.crash(name(node));
    if let Some(lost) = world.hosts[&node].lose_power() {
        world.event(format!("node {node} {LOST} {lost} bytes of its state"));
    }
}

fn roster(roster: Roster) -> ConfigureLeases {
    ConfigureLeases { roster: Some(roster), ..ConfigureLeases::default() }
}
