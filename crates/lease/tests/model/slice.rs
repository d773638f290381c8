//! The slices: which cluster, and how much of everything may happen in it.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_lease::{Drift, Fault, Parameters, Reading};

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
    /// An answer is looked at again before it leaves.
    pub(crate) emission: bool,
    /// What one step of time is by each node's clocks, in hundredths of it. The last value goes on for ever.
    pub(crate) rates: &'static [u32],
    /// What else a step of time may be.
    pub(crate) paces: &'static [Pace],
    /// Steps of time that a lease lasts.
    pub(crate) lease: u32,
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
const STEP: Duration = Duration::from_secs(1);

impl Slice {
    /// What every slice is a change of: three voters and two leaders, one reader.
    const fn base(name: &'static str) -> Self {
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
            emission: false,
            rates: &[100],
            paces: &[],
            lease: 1,
        }
    }

    /// All of them. `deep` has larger bounds.
    pub(crate) fn all(deep: bool) -> Vec<Self> {
        let more = u64::from(deep);
        vec![
            Self { writes: 1 + usize::from(deep), ..Self::base("failover") },
            Self { candidates: &[1], ..Self::base("the holder is elected") },
            Self { holders: &[0], readers: &[0], ..Self::base("a deposed leader reads") },
            Self { epochs: 1, writes: 2, keys: 2, requests: 1 + more, ..Self::base("two keys") },
            Self { epochs: 1 + more, requests: 2, rounds: 2, ..Self::base("renewal") },
            Self { epochs: 1 + more, restarts: 1, ..Self::base("restart of a holder") },
            Self {
                voters: 1,
                learners: 1,
                restarts: 1,
                restarting: &[0],
                candidates: &[0],
                ..Self::base("restart of the leader")
            },
            Self { promises: true, ..Self::base("promises") },
            Self {
                promises: true,
                restarts: 1,
                restarting: &[2],
                writes: 0,
                reads: 0,
                ..Self::base("promises and restarts")
            },
            Self {
                drops: true,
                learners: 1,
                holders: &[3],
                readers: &[3],
                writes: 0,
                reads: 0,
                ..Self::base("older leases dropped")
            },
            Self { epochs: 1, releases: 1, requests: 2, ..Self::base("release") },
            Self { epochs: 1 + more, snapshots: true, ..Self::base("snapshots") },
            Self { epochs: 1, emission: true, ..Self::base("emission") },
            Self { epochs: 3, candidates: &[0, 2], writes: 0, reads: 0, ..Self::base("three epochs") },
            Self { epochs: 1, requests: 2, rounds: 2, lease: 2, reads: 0, ..Self::base("long leases") },
            Self { rates: &[104, 95, 104], lease: 2, epochs: 1 + more, ..Self::base("clocks that drift") },
            Self { epochs: 1, lease: 2, paces: &[Pace::Steered(0)], ..Self::base("steered clocks") },
            Self { holders: &[0], readers: &[0], rounds: 2, writes: 0, reads: 0, ..Self::base("two rounds") },
            Self { holders: &[0], readers: &[0], writes: 3, reads: 0, ..Self::base("a log that is cut") },
            Self {
                holders: &[0],
                readers: &[0],
                paces: &[Pace::Suspended(0)],
                reads: 0,
                ..Self::base("suspended machines")
            },
        ]
    }

    pub(crate) fn nodes(&self) -> usize {
        self.voters + self.learners
    }

    pub(crate) fn voter_ids(&self) -> BTreeSet<u64> {
        (0..self.voters as u64).collect()
    }

    pub(crate) fn roster(&self) -> BTreeSet<u64> {
        self.holders.iter().map(|node| *node as u64).collect()
    }

    /// Who may have leases of an older epoch, for the fence.
    pub(crate) fn holding(&self, fault: Option<Fault>) -> BTreeSet<u64> {
        let mut holding = self.voter_ids();
        if fault != Some(Fault::FenceForgetsHolders) {
            holding.extend(self.roster());
        }
        holding
    }

    pub(crate) fn parameters(&self) -> Parameters {
        let drift = Drift::from_ppm(100_000).expect("in range");
        Parameters::new(STEP * self.lease, STEP / 4, Parameters::LENGTH_MAX, drift).expect("in range")
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
