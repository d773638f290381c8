//! Writes that are answered by the node that took them (R5b).
//!
//! Acknowledgements and commits reach it at once, which is the worst case: the earlier it answers, the more every read
//! must show.

use portcullis_lease::{Fault, Gateway, Position, Reading, Registered, Wait};

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
    /// The leader lists its sessions for its last entry or, which it must not, for the next one.
    pub(crate) fn list(&self, world: &mut World, leader: usize, ahead: bool) {
        let node = &world.nodes[leader];
        let Some(leads) = &node.leads else { return };
        let last = node.last();
        let entry = if ahead { Position::new(leads.epoch, last.index + 1) } else { last };
        let Some(listed) = leads.rules.listed(&NOW, entry) else { return };
        let mut expires = Vec::new();
        if self.fault == Some(Fault::AnswerByExpiry) {
            for (node, left) in leads.rules.sessions(&NOW) {
                let incarnation = world.nodes[node as usize].incarnation;
                expires.push((Registered { node, incarnation, entry }, Wait::new(&NOW, left)));
            }
        }
        world.took = Some(Took { gateway: Gateway::new(listed), expires });
        world.has_listed = true;
    }
}

/// The node that took the write hears of everything that happens, and answers as soon as it may.
pub(crate) fn answer(world: &mut World) {
    let Some(mut took) = world.took.take() else { return };
    for node in &world.nodes {
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
    world.answered = took.gateway.entry().index;
    if world.answered > world.committed.len() as u64 {
        world.found(Violation::AnsweredUncommitted);
    }
}
