//! Who makes faults. A nemesis is a file of this folder, and a line in each of the three lists below.
//!
//! Such a file says four things: its name and what it does, in words; what it takes of the machine ([`Kind::needs`]); which
//! faults the dice give ([`Kind::draw`], and with it the schedule, a function of the seed); and what a fault is among nodes whose
//! roles are known ([`Fault::blow`]), how it strikes and how it is undone ([`Act`]). `cpu.rs` is a short one to begin from.
//!
//! INVARIANT: a nemesis draws from dice of its own, made from the seed and its place in [`Nemesis`]. New ones are added at the
//! end, so that nobody's schedule changes.
//!
//! INVARIANT: a fault that did nothing says so ([`Bite::Nothing`]), and is not counted as one.

mod bandwidth;
mod clock;
mod clock_rate;
mod corrupt;
mod cpu;
mod disk_full;
mod disk_hung;
mod disk_slow;
mod election;
mod fsync;
mod kill;
mod leases;
mod loss;
mod membership;
mod partition;
mod pause;
mod power;
mod restart;
mod slow;
mod snapshot;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde::Serialize;

use crate::cluster::facility::Facility;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// Who makes faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nemesis {
    /// Cuts nodes off from each other.
    Partition,
    /// Kills nodes as a crash would, and starts them again.
    Kill,
    /// Freezes nodes.
    Pause,
    /// Stops nodes in order, and starts them again.
    Restart,
    /// Loses packets between nodes.
    Loss,
    /// Keeps nodes from the processor.
    Cpu,
    /// Takes the power from nodes.
    Power,
    /// Makes disks slow.
    DiskSlow,
    /// Makes disks hang.
    DiskHung,
    /// Fills disks.
    DiskFull,
    /// Moves wall clocks within their error.
    Clock,
    /// Moves wall clocks beyond it.
    ClockFar,
    /// Lets clocks drift apart.
    ClockRate,
    /// Lets `fsync` fail, lie and be slow.
    Fsync,
    /// Hands leadership over, and lets nodes in and out.
    Membership,
    /// Changes how leases are granted.
    Leases,
    /// Has snapshots sent.
    Snapshot,
    /// Damages files.
    Corrupt,
    /// Meets leaders when they were only just elected.
    Election,
    /// Makes ways between nodes narrow.
    Bandwidth,
    /// Makes packets late.
    Slow,
    /// Freezes nodes, for moments or for long.
    Stall,
}

impl Nemesis {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Partition,
        Self::Kill,
        Self::Pause,
        Self::Restart,
        Self::Loss,
        Self::Cpu,
        Self::Power,
        Self::DiskSlow,
        Self::DiskHung,
        Self::DiskFull,
        Self::Clock,
        Self::ClockFar,
        Self::ClockRate,
        Self::Fsync,
        Self::Membership,
        Self::Leases,
        Self::Snapshot,
        Self::Corrupt,
        Self::Election,
        Self::Bandwidth,
        Self::Slow,
        Self::Stall,
    ];

    /// What it is.
    pub fn kind(self) -> &'static dyn Kind {
        match self {
            Self::Partition => &partition::Partition,
            Self::Kill => &kill::Killer,
            Self::Pause => &pause::Pause,
            Self::Restart => &restart::Restarter,
            Self::Loss => &loss::Loss,
            Self::Cpu => &cpu::Cpu,
            Self::Power => &power::Power,
            Self::DiskSlow => &disk_slow::DiskSlow,
            Self::DiskHung => &disk_hung::DiskHung,
            Self::DiskFull => &disk_full::DiskFull,
            Self::Clock => &clock::Near,
            Self::ClockFar => &clock::Far,
            Self::ClockRate => &clock_rate::ClockRate,
            Self::Fsync => &fsync::Fsync,
            Self::Membership => &membership::Membership,
            Self::Leases => &leases::Leases,
            Self::Snapshot => &snapshot::Snapshot,
            Self::Corrupt => &corrupt::Corrupt,
            Self::Election => &election::Election,
            Self::Bandwidth => &bandwidth::Bandwidth,
            Self::Slow => &slow::Slow,
            Self::Stall => &pause::Stall,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }

    /// What it does, in words.
    pub fn describe(self) -> &'static str {
        self.kind().describe()
    }

    /// What it takes of the machine.
    pub fn needs(self) -> &'static [Facility] {
        self.kind().needs()
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|nemesis| nemesis.name() == name)
    }
}

/// What a nemesis is.
pub trait Kind: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it does, in words.
    fn describe(&self) -> &'static str;

    /// What it takes of the machine. Where any of it is missing, it is skipped, with the reason.
    fn needs(&self) -> &'static [Facility];

    /// How long its faults last, in milliseconds, at the least and at the most.
    fn lasts_ms(&self) -> (u64, u64);

    /// Draws whom a fault is for. The first two of a schedule are for the leader and for a holder, and not drawn.
    fn draw_whom(&self, dice: &mut StdRng) -> Whom {
        alone(dice)
    }

    /// Draws a fault. One of the first two of a schedule is simple: it is for one node, and all that it meets.
    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault>;
}

/// A fault as the schedule has it: for roles, and not for nodes.
pub trait Fault: fmt::Debug + Send + Sync {
    /// What it comes to now: the same for the same situation and dice, always.
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow;
}

/// What is to be done to which nodes.
pub struct Blow {
    /// Whom it is done to.
    pub victims: Vec<u64>,
    /// The same in words.
    pub what: String,
    /// How.
    pub act: Box<dyn Act>,
}

/// Does something to nodes, and undoes it.
pub trait Act: Send {
    /// Makes it happen, and takes those off the victims that it cannot be done to now, such as who does not run.
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()>;

    /// Undoes it, and tells whether it had done anything.
    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite>;

    /// How far it is. Asked again and again while it lasts.
    fn go_on(&mut self, _field: &mut Field<'_>) -> anyhow::Result<Progress> {
        Ok(Progress::ForItsTime)
    }

    /// Whether another of the same nemesis may begin while this one has not ended by itself. Else that is left out.
    fn bears_another(&self) -> bool {
        false
    }

    /// Does nothing further, since faults are over.
    fn finish(&mut self) {}

    /// Whether to begin it is to strike. Where it is not, what counts is each [`Progress::Struck`].
    fn strikes_at_once(&self) -> bool {
        true
    }
}

/// Whether a fault did anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bite {
    /// It did, as far as can be known.
    Bit,
    /// It did not, and why that is known.
    Nothing(String),
}

/// How far a fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It lasts as long as the schedule says.
    ForItsTime,
    /// It ends by itself, whatever the schedule says, and has not yet.
    UnderWay,
    /// It has ended by itself.
    Over,
    /// It has just struck somebody; it ends by itself.
    Struck {
        /// Whom.
        node: u64,
        /// In words.
        what: String,
    },
}

/// One node, the leader more often than others.
fn alone(dice: &mut StdRng) -> Whom {
    let alone = [Whom::Leader, Whom::Leader, Whom::Holder, Whom::Anybody];
    *alone.choose(dice).expect("INVARIANT: there is a choice")
}

/// Ways between nodes, as (speaker, listener). Nobody is cut off from itself.
type Ways = BTreeSet<(u64, u64)>;

fn ways(ways: impl IntoIterator<Item = (u64, u64)>) -> Ways {
    ways.into_iter().filter(|(from, to)| from != to).collect()
}

fn to_each(from: u64, all: &[u64]) -> Vec<(u64, u64)> {
    all.iter().map(|to| (from, *to)).collect()
}

fn from_each(all: &[u64], to: u64) -> Vec<(u64, u64)> {
    all.iter().map(|from| (*from, to)).collect()
}

fn between(ones: &[u64], others: &[u64]) -> Vec<(u64, u64)> {
    ones.iter().flat_map(|one| others.iter().flat_map(move |other| [(*one, *other), (*other, *one)])).collect()
}

fn nodes(nodes: &[u64]) -> String {
    let told: Vec<String> = nodes.iter().map(u64::to_string).collect();
    match nodes.len() {
        1 => format!("node {}", told[0]),
        _ => format!("nodes {}", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_nemesis_and_says_what_it_does() {
        let names: BTreeSet<&str> = Nemesis::ALL.iter().map(|nemesis| nemesis.name()).collect();
        assert_eq!(names.len(), Nemesis::ALL.len());
        for nemesis in Nemesis::ALL {
            assert_eq!(Nemesis::named(nemesis.name()), Some(nemesis));
            assert!(nemesis.describe().len() > 20 && nemesis.kind().lasts_ms().0 <= nemesis.kind().lasts_ms().1);
        }
        assert_eq!(Nemesis::named("weather"), None);
    }

    #[test]
    fn the_place_of_each_is_that_of_its_dice() {
        for (place, nemesis) in Nemesis::ALL.into_iter().enumerate() {
            assert_eq!(nemesis as usize, place, "{nemesis:?}");
        }
    }
}
