//! A state of the whole cluster, and what only an observer of all of it knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_lease::Reading;

use crate::direct::Took;
use crate::message::Message;
use crate::node::{Entry, Node, What};
use crate::slice::Slice;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// Shared with other states until something happens to them.
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) wire: BTreeSet<Message>,
    /// The longest log that was ever committed.
    pub(crate) committed: Vec<Entry>,
    /// The highest index that any leader ever declared.
    pub(crate) declared: u64,
    /// The index of an entry whose writer was answered, declared or not.
    pub(crate) answered: u64,
    /// The write that is to be answered by the node that took it, and whether there was one.
    pub(crate) took: Option<Took>,
    pub(crate) has_listed: bool,
    pub(crate) writes: usize,
    /// How many changes of the configuration were proposed.
    pub(crate) changes: usize,
    pub(crate) restarts: u8,
    pub(crate) releases: u8,
    pub(crate) reads: u8,
    pub(crate) violation: Option<Violation>,
}

/// How a rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// An answer lacks a write that was declared before it was asked for.
    Stale,
    /// An answer shows what is not declared.
    NotVisible,
    /// An answer shows what is not committed.
    NotCommitted,
    /// A node could answer, and lacks what is declared.
    LeasedWithout,
    /// A token promises less than the answer shows or could have seen.
    Token,
    /// A writer was answered, and its entry is not committed.
    AnsweredUncommitted,
    /// A leader proved an entry to be fresh, and somebody had been told of a later one.
    ShortOfTold,
    /// A leader declared what is not committed.
    DeclaredUncommitted,
    /// A node that is not on the roster was granted a lease.
    Unrostered,
    /// A committed entry was replaced: the model of the log is wrong.
    LogBroken,
}

/// The present, by the clocks of every node: time passes by moving the past away. What is older than this is as good
/// as for ever, so it is longer than anything that is waited for.
pub(crate) const NOW: Reading =
    Reading { boot: Duration::from_secs(4), raw: Duration::from_secs(4), monotonic: Duration::from_secs(4) };

impl World {
    pub(crate) fn new(slice: &Slice) -> Self {
        Self {
            nodes: (0..slice.nodes()).map(|id| Arc::new(Node::new(id))).collect(),
            wire: BTreeSet::new(),
            committed: Vec::new(),
            declared: 0,
            answered: 0,
            took: None,
            has_listed: false,
            writes: 0,
            changes: 0,
            restarts: 0,
            releases: 0,
            reads: 0,
            violation: None,
        }
    }

    pub(crate) fn node(&mut self, id: usize) -> &mut Node {
        Arc::make_mut(&mut self.nodes[id])
    }

    /// The highest index that somebody was told of: every answer from now on must show it.
    pub(crate) fn told(&self) -> u64 {
        self.declared.max(self.answered)
    }

    /// The last entry of `key` that somebody was told of; zero for none.
    pub(crate) fn told_of(&self, key: u8) -> u64 {
        let of_key =
            |index: &u64| self.committed.get(*index as usize - 1).is_some_and(|entry| entry.what == What::Key(key));
        (1..=self.told()).rev().find(of_key).unwrap_or(0)
    }

    /// Whether the log of a node holds every entry up to `index`, of which somebody was told.
    pub(crate) fn has_told(&self, id: usize, index: u64) -> bool {
        let up_to = index as usize;
        self.nodes[id].log.get(..up_to).is_some_and(|log| self.committed.get(..up_to) == Some(log))
    }

    pub(crate) fn reading(&self) -> bool {
        self.nodes.iter().any(|node| node.read.is_some())
    }

    /// Drops messages that nobody will ever take, which is the same as that they are lost.
    pub(crate) fn forget_lost_messages(&mut self) {
        let nodes = &self.nodes;
        let leads = |id: usize, epoch: u64| nodes[id].leads.as_ref().is_some_and(|leads| leads.epoch == epoch);
        let open = |id: usize, epoch: u64, round: u64| {
            leads(id, epoch) && nodes[id].leads.as_ref().is_some_and(|leads| leads.rules.awaits(round))
        };
        let awaits = |node: u64, incarnation: u64, number: u64| {
            let node = &nodes[node as usize];
            // A grant for an earlier start of the process must be refused, so it goes on.
            node.incarnation != incarnation || node.holder.awaits(number)
        };
        self.wire.retain(|message| match message {
            Message::Confirmed { leader, epoch, round, .. } => open(*leader, *epoch, *round),
            Message::Request { request, .. } => awaits(request.node, request.incarnation, request.number),
            Message::Grant { to, grant } => awaits(*to as u64, grant.incarnation, grant.number),
            Message::Release { .. } => true,
        });
    }

    /// Notes that a log up to some entry is committed.
    pub(crate) fn commits(&mut self, log: &[Entry]) {
        let both = log.len().min(self.committed.len());
        if log[..both] != self.committed[..both] {
            self.found(Violation::LogBroken);
        }
        if log.len() > self.committed.len() {
            self.committed = log.to_vec();
        }
    }

    pub(crate) fn found(&mut self, violation: Violation) {
        self.violation = self.violation.or(Some(violation));
    }
}
