//! Writes that are answered by the node that took them (R5b).
//!
//! Acknowledgements, commits and what voters have on disk reach it at once, which is the worst case: the earlier it answers,
//! the more every read must show. What is committed is decided here once more, by what voters did and not by what anybody
//! knows of it.

use std::collections::BTreeSet;

use portcullis_lease::round::is_majority;
use portcullis_lease::{Epoch, Fault, Gateway, Position, Reading, Registered, Stored, Wait};

use crate::node::{Node, What};
use crate::step::Rules;
use crate::world::{NOW, Violation, World};

/// What that node keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Took {
    gateway: Gateway,
    /// With a rule broken, what it takes for acknowledged, and when.
    expires: Vec<(Registered, Wait)>,
}

impl Took {
    pub(crate) fn age(&mut self, by: &Reading) {
        for (_, wait) in &mut self.expires {
            *wait = wait.aged(by);
        }
    }
}

impl Rules<'_> {
    /// The leader lists its sessions for an entry that it has appended or, which it must not, for the next one.
    pub(crate) fn list(&self, world: &mut World, leader: usize, index: u64) {
        let voters = match self.fault {
            Some(Fault::VotersBefore) => vec![self.slice.voter_ids()],
            _ => self.voters(&world.nodes[leader]),
        };
        let Some(leads) = &mut world.node(leader).leads else { return };
        let entry = Position::new(leads.epoch, index);
        let Some(listed) = leads.rules.listed(&NOW, entry, voters) else { return };
        let leads = world.nodes[leader].leads.as_ref().expect("leads");
        let mut expires = Vec::new();
        if self.fault == Some(Fault::AnswerByExpiry) {
            for (node, left) in leads.rules.sessions(&NOW) {
                let incarnation = world.nodes[node as usize].incarnation;
                expires.push((Registered { node, incarnation, entry }, Wait::new(&NOW, left)));
            }
        }
        world.took = Some(Took { gateway: Gateway::new(listed).broken_by(self.faults()), expires });
        world.has_listed = true;
    }

    /// Notes that the last entry of a node's log was taken from the leader of an epoch.
    pub(crate) fn taken(&self, world: &mut World, id: usize, from: u64) {
        let node = world.node(id);
        node.unsynced.push(from);
        if self.slice.hears && self.fault == Some(Fault::StoredBeforeSync) {
            let stored = Stored::new(id as u64, Some(Epoch(from)), node.last(), self.faults());
            node.said.extend(stored.map(|stored| stored.entry));
        }
        if !self.slice.syncs {
            self.sync(world, id);
        }
    }

    /// All of a node's log is on its disk, and those who count it hear of that.
    pub(crate) fn sync(&self, world: &mut World, id: usize) {
        let node = world.node(id);
        let taken_from = std::mem::take(&mut node.unsynced);
        if !self.slice.hears {
            return;
        }
        let first = node.log.len() - taken_from.len() + 1;
        for (index, from) in (first as u64..).zip(taken_from) {
            let entry = node.position(index);
            let stored = Stored::new(id as u64, Some(Epoch(from)), entry, self.faults());
            node.said.extend(stored.map(|stored| stored.entry));
            node.accepted.extend((from == entry.epoch.0).then_some(entry));
        }
        if let Some(leads) = &mut node.leads {
            leads.matched[id] = node.log.len() as u64;
            self.commit(world, id);
        }
        self.commit_by_deeds(world);
    }

    /// What is committed, whoever knows it: a majority has it on disk from its own leader. It counts by whom the log says to
    /// vote at the entry, or behind it where that leader has changed it.
    fn commit_by_deeds(&self, world: &mut World) {
        let accepted: BTreeSet<Position> = world.nodes.iter().flat_map(|node| node.accepted.clone()).collect();
        for entry in accepted {
            let has =
                |node: &Node| node.accepted.iter().any(|own| own.epoch == entry.epoch && own.index >= entry.index);
            let by: BTreeSet<u64> = (0..).zip(&world.nodes).filter(|(_, node)| has(node)).map(|(id, _)| id).collect();
            let is_committed = |node: &Node| {
                let last = node.log.len() as u64;
                let of_leader = |index: &u64| node.position(*index).epoch == entry.epoch;
                let has = entry.index <= last && node.position(entry.index) == entry;
                let mut indices = (entry.index..=last).filter(of_leader);
                has && indices.any(|index| is_majority(&self.voters_up_to(node, index), &by))
            };
            if let Some(with) = world.nodes.iter().find(|node| is_committed(node)) {
                let log = with.log[..entry.index as usize].to_vec();
                world.commits(&log);
            }
        }
    }

    /// Who votes, as far as a node knows.
    pub(crate) fn voters(&self, node: &Node) -> Vec<BTreeSet<u64>> {
        self.voters_up_to(node, node.log.len() as u64)
    }

    fn voters_up_to(&self, node: &Node, index: u64) -> Vec<BTreeSet<u64>> {
        let known = node.log[..index as usize].iter().rev().find_map(|entry| match entry.what {
            What::Voters(sets) => Some(sets.iter().map(|set| set.iter().copied().collect()).collect()),
            What::Nothing | What::Key(_) | What::Length(_) | What::Remove(_) | What::Settled(_) => None,
        });
        known.unwrap_or_else(|| vec![self.slice.voter_ids()])
    }
}

/// The node that took the write hears of everything that happens, and answers as soon as it may.
pub(crate) fn answer(world: &mut World) {
    let Some(mut took) = world.took.take() else { return };
    for (id, node) in (0..).zip(&world.nodes) {
        node.said.iter().for_each(|entry| took.gateway.stored(Stored { node: id, entry: *entry }));
        took.gateway.registered(node.holder.registration());
        if node.leads.as_ref().is_some_and(|leads| leads.epoch == node.position(node.applied).epoch.0) {
            took.gateway.committed(node.position(node.applied));
        }
    }
    for (registered, wait) in &took.expires {
        if wait.is_over(&NOW) {
            took.gateway.registered(*registered);
        }
    }
    if !took.gateway.may_answer() {
        world.took = Some(took);
        return;
    }
    let entry = took.gateway.entry();
    world.answered = entry.index;
    let committed = world.committed.get(entry.index as usize - 1);
    if committed.is_none_or(|committed| committed.epoch != entry.epoch.0) {
        world.found(Violation::AnsweredUncommitted);
    }
}
