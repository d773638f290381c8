//! What a node's leases look like from outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use portcullis_lease::{Epoch, Refusal};

use super::{Core, Leases};

/// A node's lease, and what this node does as leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The epoch of the lease, if there is one that may be used now.
    pub epoch: Option<u64>,
    /// What is left of it.
    pub left: Duration,
    /// Why the last request was refused, if no lease was granted since.
    pub refusal: Option<String>,
    /// The highest index known to be visible.
    pub visible: u64,
    /// The last entry in the log, which answers take into account.
    pub registered: u64,
    /// Where this node leads: for how much longer it declares nothing, because leases of older epochs may be left.
    pub fenced_for: Duration,
    /// Where this node leads: who may hold a lease, and for how much longer at most.
    pub sessions: Vec<(u64, Duration)>,
    /// What has happened since the start of the process.
    pub counts: LeaseCounts,
}

/// What a leader waits for before it may say that no lease is left of what was configured before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The epoch that it leads in. Another leader waits anew.
    pub epoch: Epoch,
    /// The entry that brought the configuration.
    pub changed_at: u64,
    /// For how long, from when it leads and grants by that configuration.
    pub after: Duration,
}

/// What has happened since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Leases that this node granted.
    pub granted: u64,
    /// Requests that it refused because it could not prove that it led.
    pub refused_unconfirmed: u64,
    /// Because the node was not on the roster.
    pub refused_roster: u64,
    /// Because the node was too far behind, or did not acknowledge entries.
    pub refused_lag: u64,
    /// Because the node had held up writes a short time before.
    pub refused_quarantine: u64,
    /// Because the request had been answered before.
    pub refused_stale: u64,
    /// For each holder, how often it was said to hold up writes.
    pub stalls: BTreeMap<u64, u64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    granted: AtomicU64,
    unconfirmed: AtomicU64,
    roster: AtomicU64,
    lag: AtomicU64,
    quarantine: AtomicU64,
    stale: AtomicU64,
    stalls: Mutex<BTreeMap<u64, u64>>,
}

impl Counters {
    pub(super) fn granted(&self) {
        self.granted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stalled_by(&self, node: u64) {
        *self.stalls().entry(node).or_default() += 1;
    }

    fn stalls(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.stalls.lock().expect("INVARIANT: nothing panics while holding the counts")
    }

    pub(super) fn refused(&self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::Unconfirmed => &self.unconfirmed,
            Refusal::NotRostered { .. } => &self.roster,
            Refusal::BaseBehind { .. } | Refusal::NoProgress { .. } => &self.lag,
            Refusal::Quarantined { .. } => &self.quarantine,
            Refusal::Stale { .. } => &self.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> LeaseCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LeaseCounts {
            granted: read(&self.granted),
            refused_unconfirmed: read(&self.unconfirmed),
            refused_roster: read(&self.roster),
            refused_lag: read(&self.lag),
            refused_quarantine: read(&self.quarantine),
            refused_stale: read(&self.stale),
            stalls: self.stalls().clone(),
        }
    }
}

/// Why this node has no lease, if that is known.
fn refusal(core: &Core) -> Option<String> {
    let disagreement = core.disagreement.map(|disagreement| disagreement.to_string());
    disagreement.or_else(|| core.refusal.map(|refusal| refusal.to_string()))
}

impl Leases {
    /// What the leases look like now.
    pub(crate) fn status(&self) -> LeaseStatus {
        let core = self.core();
        let now = self.clock.read();
        let left = core.holder.expiry().map_or(Duration::ZERO, |expiry| expiry.left(&now));
        let leader = core.leader.as_ref();
        LeaseStatus {
            epoch: core.holder.epoch().filter(|_| !left.is_zero()).map(|epoch| epoch.0),
            left,
            refusal: refusal(&core),
            visible: core.holder.visible(),
            registered: core.holder.registration().entry.index,
            fenced_for: leader.map_or(Duration::ZERO, |leader| leader.fence_left(&now)),
            sessions: leader.map_or_else(Vec::new, |leader| leader.sessions(&now).collect()),
            counts: self.counts.read(),
        }
    }

    /// Where this node leads: what is to be waited for until nothing is left of leases that were configured before (R8).
    pub(crate) fn unsettled(&self) -> Option<Unsettled> {
        let core = self.core();
        let (epoch, configuration) = (core.leader.as_ref()?.epoch(), &core.configuration);
        Some(Unsettled { epoch, changed_at: configuration.changed_at(), after: configuration.settles_after()? })
    }

    /// Whether a node may still hold a lease of this leader, or of one before it. True where this node does not lead.
    pub(crate) fn may_hold(&self, node: u64) -> bool {
        let core = self.core();
        let now = self.clock.read();
        core.leader.as_ref().is_none_or(|leader| {
            leader.is_fenced(&now) || leader.sessions(&now).any(|(holder, left)| holder == node && !left.is_zero())
        })
    }
}
