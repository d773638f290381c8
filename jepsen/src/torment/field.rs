//! What faults act on: the cluster, and what other faults have done to it and not undone yet.
//!
//! INVARIANT: a node that several faults keep down starts again when the last of them ends, and so it is with one that is frozen,
//! with errors that are expected, and with ways that are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;

use crate::cluster::Cluster;
use crate::observer::Observer;

/// What faults have left to be done in its own time.
pub(super) type Later = FuturesUnordered<LocalBoxFuture<'static, (u64, anyhow::Result<()>)>>;

/// What faults act on.
pub struct Field<'a> {
    /// The nodes.
    pub cluster: &'a mut Cluster,
    /// Who looks at them.
    pub observer: &'a Arc<Observer>,
    pub(super) holds: &'a mut Holds,
    pub(super) later: &'a mut Later,
    /// The step of the schedule that acts.
    pub(super) step: u32,
}

/// What faults that last have done, by the numbers of their steps.
#[derive(Debug, Default)]
pub(super) struct Holds {
    down: BTreeMap<u32, BTreeSet<u64>>,
    frozen: BTreeMap<u32, BTreeSet<u64>>,
    excused: BTreeMap<u32, BTreeSet<u64>>,
    cuts: BTreeMap<u32, BTreeSet<(u64, u64)>>,
}

impl Field<'_> {
    /// Kills a node, as a crash would, and keeps it down.
    pub fn kill(&mut self, node: u64) -> anyhow::Result<()> {
        self.holds.down.entry(self.step).or_default().insert(node);
        self.observer.forget(node);
        self.cluster.kill(node)
    }

    /// Keeps a node down no longer. It starts, unless another fault keeps it down.
    pub fn revive(&mut self, node: u64) -> anyhow::Result<()> {
        release(&mut self.holds.down, self.step, node);
        if self.is_down(node) || self.cluster.runs(node) || self.cluster.is_retired(node) {
            return Ok(());
        }
        self.cluster.restart(node)
    }

    /// Freezes a node.
    pub fn freeze(&mut self, node: u64) -> anyhow::Result<()> {
        self.holds.frozen.entry(self.step).or_default().insert(node);
        self.cluster.freeze(node)
    }

    /// Lets a node go on, unless another fault has it frozen, or it no longer runs.
    pub fn thaw(&mut self, node: u64) -> anyhow::Result<()> {
        release(&mut self.holds.frozen, self.step, node);
        if self.is_frozen(node) || !self.cluster.runs(node) {
            return Ok(());
        }
        self.cluster.thaw(node)
    }

    /// Expects errors of a node: see [`Cluster::excuse`].
    pub fn excuse(&mut self, node: u64) -> anyhow::Result<()> {
        self.holds.excused.entry(self.step).or_default().insert(node);
        self.cluster.excuse(node)
    }

    /// Expects no more errors of a node, unless another fault does.
    pub fn excuse_no_more(&mut self, node: u64) -> anyhow::Result<()> {
        release(&mut self.holds.excused, self.step, node);
        if self.holds.excused.values().any(|nodes| nodes.contains(&node)) {
            return Ok(());
        }
        self.cluster.excuse_no_more(node)
    }

    /// Cuts these ways, as (speaker, listener), beside those that other faults cut.
    pub fn cut(&mut self, cuts: &BTreeSet<(u64, u64)>) -> anyhow::Result<()> {
        self.holds.cuts.insert(self.step, cuts.clone());
        self.cut_all()
    }

    /// Joins the ways again that this fault has cut and no other one does.
    pub fn join_again(&mut self) -> anyhow::Result<()> {
        self.holds.cuts.remove(&self.step);
        self.cut_all()
    }

    /// Does something of which nobody waits for the end until faults are over; then it has to end well, or what keeps it from that
    /// is put down to a node.
    pub fn later(&mut self, node: u64, task: impl Future<Output = anyhow::Result<()>> + 'static) {
        self.later.push(task.map(move |ended| (node, ended)).boxed_local());
    }

    /// Whether a fault keeps a node down.
    pub fn is_down(&self, node: u64) -> bool {
        self.holds.down.values().any(|nodes| nodes.contains(&node))
    }

    /// Whether a fault has a node frozen.
    pub fn is_frozen(&self, node: u64) -> bool {
        self.holds.frozen.values().any(|nodes| nodes.contains(&node))
    }

    fn cut_all(&mut self) -> anyhow::Result<()> {
        self.cluster.cut(&self.holds.cuts.values().flatten().copied().collect())
    }
}

fn release(held: &mut BTreeMap<u32, BTreeSet<u64>>, step: u32, node: u64) {
    if let Some(nodes) = held.get_mut(&step) {
        nodes.remove(&node);
    }
}
