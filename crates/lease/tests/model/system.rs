//! A slice as the checker sees it: which steps are open in a state, and what must hold in it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_lease::round::is_majority;
use portcullis_lease::{Fault, Reading};
use stateright::{Model, Property};

use crate::answer::{Look, Stage, order};
use crate::message::Message;
use crate::node::{Node, What};
use crate::slice::{Pace, Slice};
use crate::step::{Rules, Step, faults};
use crate::world::{NOW, World};

pub(crate) struct System {
    pub(crate) slice: Slice,
    pub(crate) fault: Option<Fault>,
    order: Vec<Look>,
    pub(crate) reached: Reached,
}

/// How often something worth checking came about, so that nothing holds because nothing happens.
#[derive(Default)]
pub(crate) struct Reached {
    pub(crate) answers: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) declares: AtomicU64,
    /// Writers that were answered before their entry was declared.
    pub(crate) direct: AtomicU64,
    /// Those of them of whose entry no node knew that it was committed.
    pub(crate) ahead: AtomicU64,
    pub(crate) settled: AtomicU64,
}

/// One state in this many is played on without faults, to see that every write becomes visible.
const SETTLE_EVERY: u64 = 512;
/// Steps of time within which it must.
const SETTLE_STEPS: usize = 12;

impl System {
    pub(crate) fn new(slice: Slice, fault: Option<Fault>) -> Self {
        let order = order(faults(fault));
        Self { slice, fault, order, reached: Reached::default() }
    }

    fn rules(&self) -> Rules<'_> {
        Rules { slice: &self.slice, fault: self.fault, order: &self.order }
    }

    fn elections(&self, world: &World, steps: &mut Vec<Step>) {
        let highest = world.nodes.iter().map(|node| node.vote).max().unwrap_or(0);
        if highest >= self.slice.epochs {
            return;
        }
        for id in self.slice.candidates.iter().copied() {
            if world.nodes[id].leads.is_none() {
                steps.extend(self.majorities(world, id).into_iter().map(|by| Step::Elect { node: id, by }));
            }
        }
    }

    fn leading(&self, world: &World, id: usize, steps: &mut Vec<Step>) {
        let node = &world.nodes[id];
        let Some(leads) = &node.leads else { return };
        if world.writes < self.slice.writes {
            steps.extend((0..self.slice.keys).map(|key| Step::Write { leader: id, key }));
        }
        self.configuring(world, id, steps);
        if self.slice.direct && !world.has_listed {
            let last = node.log.len() as u64;
            let first = if self.slice.changes.is_empty() { last } else { 1 };
            let own = (first..=last).filter(|index| node.position(*index).epoch.0 == leads.epoch);
            steps.extend(own.chain([last + 1]).map(|index| Step::List { leader: id, index }));
        }
        if leads.rounds < self.slice.rounds {
            let voters = (0..self.slice.voters).filter(|voter| world.nodes[*voter].vote == leads.epoch);
            steps.extend(voters.map(|voter| Step::BeginRound { leader: id, voter }));
        }
        for (to, other) in world.nodes.iter().enumerate().filter(|(to, _)| *to != id) {
            let lags = self.rules().applies(to) && other.applied < node.applied;
            let behind = leads.matched[to] < node.log.len() as u64 || lags;
            if other.vote <= leads.epoch && behind {
                steps.push(Step::Replicate { leader: id, to });
                if self.slice.snapshots && other.applied < node.holder.mark().base {
                    steps.push(Step::Snapshot { leader: id, to });
                }
            }
            if self.slice.readers.contains(&to) && other.holder.visible() < leads.rules.visible() {
                steps.push(Step::Visible { leader: id, to });
            }
        }
        if self.slice.drops && leads.rules.is_fenced(&NOW) {
            steps.extend(self.slice.holders.iter().map(|from| Step::DroppedOlder { from: *from, leader: id }));
        }
        for holder in self.slice.holders {
            if world.nodes[*holder].holder.requests() < self.slice.requests {
                steps.push(Step::Request { from: *holder, leader: id });
            }
            if world.releases < self.slice.releases {
                steps.push(Step::Release { from: *holder, leader: id });
            }
        }
    }

    fn configuring(&self, world: &World, id: usize, steps: &mut Vec<Step>) {
        let node = &world.nodes[id];
        if world.changes < self.slice.changes.len() && self.may_change_voters(world, node) {
            steps.push(Step::Change { leader: id });
        }
        if node.configured < node.applied && !self.slice.changes.is_empty() {
            steps.push(Step::Configure { leader: id });
        }
        if self.rules().may_settle(node) {
            steps.push(Step::Settle { leader: id });
        }
    }

    /// Whether a change of the voters, if it is one that comes next, may come: the one before is committed.
    fn may_change_voters(&self, world: &World, node: &Node) -> bool {
        let is_of_voters = |what: &What| matches!(what, What::Voters(_));
        if !is_of_voters(&self.slice.changes[world.changes]) {
            return true;
        }
        let entry = (1..).zip(&node.log).filter(|(_, entry)| is_of_voters(&entry.what)).last();
        let before = world.changes.checked_sub(1).map(|before| self.slice.changes[before]);
        entry.map(|(_, entry)| entry.what) == before && entry.is_none_or(|(index, _)| index <= node.applied)
    }

    /// Majorities by which a node may be elected, none of them with more members than it needs.
    fn majorities(&self, world: &World, id: usize) -> Vec<BTreeSet<usize>> {
        let node = &world.nodes[id];
        let voters = self.rules().voters(node);
        let is_majority = |by: &BTreeSet<usize>| is_majority(&voters, &by.iter().map(|id| *id as u64).collect());
        let may_follow = |other: &usize| world.nodes[*other].last() <= node.last() && *other != id;
        let sets = (0..1_usize << world.nodes.len()).map(|bits| {
            let others = (0..world.nodes.len()).filter(may_follow).filter(|other| bits >> other & 1 == 1);
            others.chain([id]).collect::<BTreeSet<usize>>()
        });
        let all: BTreeSet<_> = sets.filter(is_majority).collect();
        let is_least = |by: &BTreeSet<usize>| !all.iter().any(|other| other != by && other.is_subset(by));
        all.iter().filter(|by| is_least(by)).cloned().collect()
    }

    fn reads(&self, world: &World, steps: &mut Vec<Step>) {
        for id in self.slice.readers {
            let node = &world.nodes[*id];
            match node.read.as_ref().map(|read| &read.stage) {
                // Without a lease it would be refused.
                None if world.reads < self.slice.reads && node.holder.expiry().is_some() => {
                    steps.extend((0..self.slice.keys).map(|key| Step::Read { node: *id, key }));
                }
                Some(Stage::Looking(_)) => steps.push(Step::Look { node: *id }),
                Some(Stage::Waiting(began)) if began.may_ignore_pending_of(&node.holder.mark()) => {
                    steps.push(Step::Resolve { node: *id });
                }
                Some(Stage::Waiting(_)) | None => {}
            }
        }
    }

    /// Plays on with nothing failing: time passes, everything arrives, the newest leader goes on or is elected.
    fn settles(&self, world: &World) -> bool {
        let rules = self.rules();
        let mut world = world.clone();
        world.wire.clear();
        for _ in 0..SETTLE_STEPS {
            rules.take(&mut world, Step::Tick(Pace::Even));
            let newest = |world: &World| {
                let leading =
                    world.nodes.iter().enumerate().filter_map(|(id, node)| Some((node.leads.as_ref()?.epoch, id)));
                leading.max()
            };
            let highest = world.nodes.iter().map(|node| node.vote).max();
            if newest(&world).is_none_or(|(epoch, _)| Some(epoch) < highest) {
                let may_lead =
                    |id: &usize| rules.voters(&world.nodes[*id]).iter().any(|set| set.contains(&(*id as u64)));
                let voters: BTreeSet<usize> = (0..self.slice.nodes()).filter(may_lead).collect();
                let longest = voters.iter().max_by_key(|id| world.nodes[**id].last()).expect("has voters");
                rules.take(&mut world, Step::Elect { node: *longest, by: voters });
            }
            let (_, leader) = newest(&world).expect("elected");
            if self.slice.syncs {
                (0..self.slice.nodes()).for_each(|node| rules.take(&mut world, Step::Sync { node }));
            }
            for to in (0..self.slice.nodes()).filter(|to| *to != leader) {
                rules.take(&mut world, Step::Replicate { leader, to });
            }
        }
        world.violation.is_none() && world.declared == world.committed.len() as u64
    }
}

impl Model for System {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = World::new(&self.slice);
        let faults = faults(self.fault);
        for id in 0..world.nodes.len() {
            let node = world.node(id);
            node.holder = node.holder.clone().broken_by(faults);
            node.voter = node.voter.broken_by(faults);
            // As if it had followed somebody long ago.
            node.voter.answered(Reading::default());
        }
        // Elections of other nodes are this one with other names, as long as nothing else sets nodes apart.
        let by = if self.slice.voters == 1 { BTreeSet::from([0]) } else { BTreeSet::from([0, 1]) };
        self.rules().take(&mut world, Step::Elect { node: 0, by });
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.violation.is_some() {
            return;
        }
        steps.push(Step::Tick(Pace::Even));
        steps.extend(self.slice.paces.iter().map(|pace| Step::Tick(*pace)));
        self.elections(world, steps);
        for id in 0..world.nodes.len() {
            self.leading(world, id, steps);
            if !world.nodes[id].unsynced.is_empty() {
                steps.push(Step::Sync { node: id });
            }
            if world.restarts < self.slice.restarts && self.slice.restarting.contains(&id) {
                steps.push(Step::Restart { node: id, forgets: false });
                if self.slice.forgets && world.nodes[id].configured > 0 {
                    steps.push(Step::Restart { node: id, forgets: true });
                }
                if self.slice.purges {
                    steps.push(Step::Purge { node: id });
                }
            }
        }
        steps.extend(world.wire.iter().map(|message: &Message| Step::Arrive(*message)));
        self.reads(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        let resolves = matches!(step, Step::Resolve { .. });
        self.rules().take(&mut next, step);
        next.forget_lost_messages();
        if next == *world {
            return None;
        }
        if next.declared > world.declared {
            self.reached.declares.fetch_add(1, Ordering::Relaxed);
        }
        if next.answered > world.answered && next.answered > next.declared {
            self.reached.direct.fetch_add(1, Ordering::Relaxed);
            let is_known = next.nodes.iter().any(|node| node.applied >= next.answered);
            self.reached.ahead.fetch_add(u64::from(!is_known), Ordering::Relaxed);
        }
        if world.reading() && !next.reading() {
            self.reached.answers.fetch_add(1, Ordering::Relaxed);
            self.reached.waits.fetch_add(u64::from(resolves), Ordering::Relaxed);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("holds", |_, world: &World| world.violation.is_none()),
            Property::always("settles", |system: &Self, world: &World| {
                let mut hasher = DefaultHasher::new();
                world.hash(&mut hasher);
                if world.violation.is_some() || !hasher.finish().is_multiple_of(SETTLE_EVERY) {
                    return true;
                }
                system.reached.settled.fetch_add(1, Ordering::Relaxed);
                system.settles(world)
            }),
        ]
    }
}
