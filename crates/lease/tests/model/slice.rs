//! The slices: which cluster, and how much of everything may happen in it.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_lease::{Configuration, Drift, Parameters, Reading, Roster};

use crate::node::What;

/// A cluster with bounds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing may happen")]
pub(crate) struct Slice {
    pub(crate) name: &'static str,
    /// Voters have the first ids.
    pub(crate) voters: usize,
    pub(crate) learners: usize,
    /// Nodes that ask for leases and are read from.
    pub(crate) holders: &'static [usize],
    pub(crate) readers: &'static [usize],
    pub(crate) epochs: u64,
    /// Who may be elected after node 0.
    pub(crate) candidates: &'static [usize],
    pub(crate) writes: usize,
    /// The keys that writes and reads are of.
    pub(crate) keys: u8,
    /// Rounds that one leader begins.
    pub(crate) rounds: u64,
    /// Requests that one start of a process sends.
    pub(crate) requests: u64,
    pub(crate) restarts: u8,
    pub(crate) restarting: &'static [usize],
    pub(crate) releases: u8,
    pub(crate) reads: u8,
    pub(crate) promises: bool,
    pub(crate) drops: bool,
    pub(crate) snapshots: bool,
    pub(crate) purges: bool,
    /// An answer is looked at again before it leaves.
    pub(crate) emission: bool,
    /// What one step of time is by each node's clocks, in hundredths of it. The last value goes on for ever.
    pub(crate) rates: &'static [u32],
    /// What else a step of time may be.
    pub(crate) paces: &'static [Pace],
    /// How long a lease lasts at first.
    pub(crate) lease: Duration,
    /// How long leases were before, of which some may be left.
    pub(crate) former: Option<Duration>,
    /// What a leader may propose, one after the other.
    pub(crate) changes: &'static [What],
    /// A leader goes by what is committed only in a step of its own.
    pub(crate) late: bool,
    /// A voter goes by nothing that is committed before it leads.
    pub(crate) behind: bool,
    /// What is applied may be gone when a process starts again.
    pub(crate) forgets: bool,
    /// A writer may be answered by the node that took its write.
    pub(crate) direct: bool,
    /// That node counts what voters have on disk, of which the leader hears later.
    pub(crate) hears: bool,
    /// What is appended is on disk only after a step of its own, and lost if the process ends before.
    pub(crate) syncs: bool,
}

/// How the clocks of one node see a step of time; those of the others see it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pace {
    Even,
    /// The machine is suspended, which only the boot clock sees.
    Suspended(usize),
    /// A daemon steers the monotonic clock, so that it runs ahead.
    Steered(usize),
}

/// One step of time by an exact clock.
pub(crate) const STEP: Duration = Duration::from_secs(1);
impl Slice {
    /// What every slice is a change of: three voters and two leaders, one reader.
    pub(crate) const fn base(name: &'static str) -> Self {
        Self {
            name,
            voters: 3,
            learners: 0,
            holders: &[1],
            readers: &[1],
            epochs: 2,
            candidates: &[2],
            writes: 1,
            keys: 1,
            rounds: 1,
            requests: 1,
            restarts: 0,
            restarting: &[1],
            releases: 0,
            reads: 1,
            promises: false,
            drops: false,
            snapshots: false,
            purges: false,
            emission: false,
            rates: &[100],
            paces: &[],
            lease: STEP,
            former: None,
            changes: &[],
            late: false,
            behind: false,
            forgets: false,
            direct: false,
            hears: false,
            syncs: false,
        }
    }

    /// One voter, which is elected again when it has started again, and one learner, which holds the leases.
    pub(crate) const fn pair(name: &'static str) -> Self {
        Self { voters: 1, learners: 1, candidates: &[0], ..Self::base(name) }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.voters + self.learners
    }

    pub(crate) fn voter_ids(&self) -> BTreeSet<u64> {
        (0..self.voters as u64).collect()
    }

    pub(crate) fn node_ids(&self) -> BTreeSet<u64> {
        (0..self.nodes() as u64).collect()
    }

    /// The configuration that the cluster begins with.
    pub(crate) fn configuration(&self) -> Configuration {
        let roster = Roster::Only(self.holders.iter().map(|node| *node as u64).collect());
        let begun = |length| Configuration::default().changed(parameters(length), roster.clone(), 0).settled();
        let before = begun(self.former.unwrap_or(self.lease));
        before.changed(parameters(self.lease), roster.clone(), 0)
    }

    /// The longest that any lease lasts.
    pub(crate) fn length_max(&self) -> Duration {
        let changed =
            self.changes.iter().filter_map(|what| if let What::Length(length) = what { Some(*length) } else { None });
        changed.fold(self.lease, Duration::max)
    }

    /// By how much the clocks of `node` move in one step of time.
    pub(crate) fn step_of(&self, node: usize, pace: Pace) -> Reading {
        let percent = self.rates.get(node).or(self.rates.last()).expect("not empty");
        let step = STEP * *percent / 100;
        let even = Reading { boot: step, raw: step, monotonic: step };
        match pace {
            Pace::Suspended(id) if id == node => Reading { raw: Duration::ZERO, monotonic: Duration::ZERO, ..even },
            Pace::Steered(id) if id == node => Reading { monotonic: step * 3, ..even },
            Pace::Even | Pace::Suspended(_) | Pace::Steered(_) => even,
        }
    }
}

/// What a lease of this length goes by.
pub(crate) fn parameters(length: Duration) -> Parameters {
    Parameters::new(length, STEP / 4, Parameters::LENGTH_MAX, Drift::MAX).expect("in range")
}
