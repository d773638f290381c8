//! What may happen, and what follows from it.

use std::collections::BTreeSet;

use portcullis_lease::{Epoch, Fault, Faults, Fence, Holder, Leader, Promise, Voter};

use crate::answer::{Look, Looks, Read, Ready, Stage, View};
use crate::message::Message;
use crate::node::{Entry, Leads};
use crate::slice::{Pace, Slice};
use crate::world::{NOW, Violation, World};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Time passes.
    Tick(Pace),
    Elect {
        node: usize,
        by: BTreeSet<usize>,
    },
    Write {
        leader: usize,
        key: u8,
    },
    /// The leader sends the next entry, and what is committed. The follower registers, stores and acknowledges it.
    Replicate {
        leader: usize,
        to: usize,
    },
    Snapshot {
        leader: usize,
        to: usize,
    },
    Restart {
        node: usize,
    },
    /// The leader asks, and one voter answers at once: no later answer could prove more.
    BeginRound {
        leader: usize,
        voter: usize,
    },
    Request {
        from: usize,
        leader: usize,
    },
    Release {
        from: usize,
        leader: usize,
    },
    Visible {
        leader: usize,
        to: usize,
    },
    DroppedOlder {
        from: usize,
        leader: usize,
    },
    Arrive(Message),
    Read {
        node: usize,
        key: u8,
    },
    Look {
        node: usize,
    },
    Resolve {
        node: usize,
    },
}

/// The rules under test: how much may happen, what is broken, and in which order reads look.
pub(crate) struct Rules<'a> {
    pub(crate) slice: &'a Slice,
    pub(crate) fault: Option<Fault>,
    pub(crate) order: &'a [Look],
}

/// What is broken. Whether a holder makes progress is not looked at: it never makes an answer wrong.
pub(crate) fn faults(fault: Option<Fault>) -> Faults {
    fault.map_or_else(Faults::default, Faults::plant).without_progress_gate()
}

impl Rules<'_> {
    fn faults(&self) -> Faults {
        faults(self.fault)
    }

    pub(crate) fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick(pace) => self.tick(world, pace),
            Step::Elect { node, by } => self.elect(world, node, &by),
            Step::Write { leader, key } => {
                world.writes += 1;
                self.append(world, leader, Some(key));
            }
            Step::Replicate { leader, to } => self.replicate(world, leader, to),
            Step::Snapshot { leader, to } => snapshot(world, leader, to),
            Step::Restart { node } => self.restart(world, node),
            Step::BeginRound { leader, voter } => self.begin_round(world, leader, voter),
            Step::Request { from, leader } => {
                let request = world.node(from).holder.request(NOW);
                world.wire.insert(Message::Request { leader, request });
            }
            Step::Release { from, leader } => {
                world.releases += 1;
                let release = world.node(from).holder.release();
                world.wire.insert(Message::Release { leader, release });
            }
            Step::Visible { leader, to } => visible(world, leader, to),
            Step::DroppedOlder { from, leader } => dropped_older(world, from, leader),
            Step::Arrive(message) => {
                world.wire.remove(&message);
                arrive(world, message);
            }
            Step::Read { node, key } => {
                world.reads += 1;
                world.node(node).read = Some(new_read(world, key, None));
                self.look(world, node);
            }
            Step::Look { node } => self.look(world, node),
            Step::Resolve { node } => self.resolve(world, node),
        }
        if self.slice.drops {
            self.drop_at_once(world);
        }
        declare(world);
        if world.nodes.iter().enumerate().any(|(id, node)| {
            let leased = node.holder.expiry().is_some_and(|expiry| expiry.holds(&NOW));
            leased && !world.has_declared(id, world.declared)
        }) {
            world.found(Violation::LeasedWithout);
        }
    }

    /// Who holds no leases loses nothing by saying at once that it has dropped them.
    fn drop_at_once(&self, world: &mut World) {
        let others = |id: &usize| !self.slice.holders.contains(id);
        for leader in 0..self.slice.voters {
            let fenced = world.nodes[leader].leads.as_ref().filter(|leads| leads.rules.is_fenced(&NOW));
            let Some(epoch) = fenced.map(|leads| leads.epoch) else { continue };
            for from in
                (0..self.slice.nodes()).filter(others).filter(|id| world.nodes[*id].vote >= epoch).collect::<Vec<_>>()
            {
                dropped_older(world, from, leader);
            }
        }
    }

    fn tick(&self, world: &mut World, pace: Pace) {
        for id in 0..world.nodes.len() {
            world.node(id).age(self.slice, &NOW, &self.slice.step_of(id, pace));
        }
    }

    fn elect(&self, world: &mut World, node: usize, by: &BTreeSet<usize>) {
        let epoch = world.nodes.iter().map(|node| node.vote).max().unwrap_or(0) + 1;
        let mut promises = Vec::new();
        for voter in by {
            let voter = world.node(*voter);
            promises.push(Promise { received: NOW, silent: voter.voter.silent(&NOW) });
            vote(voter, epoch);
        }
        let parameters = self.slice.parameters();
        let holding = self.slice.holding(self.fault);
        let fence = if self.slice.promises {
            Fence::promised(&promises, parameters.terms(), holding).expect("some voted")
        } else {
            Fence::new(&NOW, parameters.terms(), holding)
        };
        let leads = world.node(node);
        let shape = leads.shape();
        let visible = leads.holder.visible();
        let rules = Leader::new(Epoch(epoch), parameters, self.slice.roster(), fence, shape, visible);
        let mut matched = vec![0; self.slice.nodes()];
        matched[node] = leads.log.len() as u64;
        leads.voter.led();
        leads.leads = Some(Leads { epoch, rules: rules.broken_by(self.faults()), rounds: 0, matched });
        self.append(world, node, None);
    }

    fn append(&self, world: &mut World, leader: usize, key: Option<u8>) {
        let node = world.node(leader);
        let epoch = node.leads.as_ref().expect("leads").epoch;
        node.append(NOW, Entry { epoch, key });
        let last = node.log.len() as u64;
        node.leads.as_mut().expect("leads").matched[leader] = last;
        self.commit(world, leader);
    }

    /// One entry, so that every follower is somewhere else.
    fn replicate(&self, world: &mut World, leader: usize, to: usize) {
        let (epoch, log) = (world.nodes[leader].leads.as_ref().expect("leads").epoch, world.nodes[leader].log.clone());
        let follower = world.node(to);
        vote(follower, epoch);
        follower.voter.answered(NOW);
        let same = follower.log.iter().zip(&log).take_while(|(own, theirs)| own == theirs).count();
        let mut matched = same as u64;
        if let Some(next) = log.get(same) {
            if follower.log.len() > same {
                follower.log.truncate(same);
                follower.holder.truncated_after(same as u64);
            }
            follower.append(NOW, *next);
            matched += 1;
        }
        world.node(leader).leads.as_mut().expect("leads").matched[to] = matched;
        self.commit(world, leader);
        // The registration leaves with the append, and at once is the worst case: it lets the leader declare.
        register(world, to, leader);
        if self.slice.readers.contains(&to) {
            let committed = world.nodes[leader].applied;
            let follower = world.node(to);
            follower.applied = follower.applied.max(committed.min(matched));
            follower.publish();
        }
    }

    fn commit(&self, world: &mut World, leader: usize) {
        let node = world.node(leader);
        let leads = node.leads.as_ref().expect("leads");
        let mut matched: Vec<u64> = leads.matched[..self.slice.voters].to_vec();
        matched.sort_unstable();
        let majority = matched[(self.slice.voters - 1) / 2];
        if majority <= node.applied || node.log[majority as usize - 1].epoch != leads.epoch {
            return;
        }
        let entry = node.position(majority);
        node.applied = majority;
        node.leads.as_mut().expect("leads").rules.committed(entry);
        node.publish();
        let log = node.log[..majority as usize].to_vec();
        let both = log.len().min(world.committed.len());
        if log[..both] != world.committed[..both] {
            world.found(Violation::LogBroken);
        }
        if log.len() > world.committed.len() {
            world.committed = log;
        }
    }

    fn restart(&self, world: &mut World, node: usize) {
        world.restarts += 1;
        let stopped = world.node(node);
        stopped.incarnation += 1;
        let (shape, vote) = (stopped.shape(), Epoch(stopped.vote));
        let holder = Holder::new(node as u64, stopped.incarnation, shape, vote, 0, stopped.applied);
        stopped.holder = holder.broken_by(self.faults());
        stopped.holder.observe(&NOW);
        stopped.voter = Voter::default().broken_by(self.faults());
        stopped.leads = None;
        stopped.read = None;
    }

    fn begin_round(&self, world: &mut World, leader: usize, voter: usize) {
        let leads = world.node(leader).leads.as_mut().expect("leads");
        leads.rounds += 1;
        let round = leads.rules.begin_round(NOW, vec![self.slice.voter_ids()]);
        leads.rules.confirmed(&NOW, round, leader as u64);
        let epoch = leads.epoch;
        let asked = world.node(voter);
        if voter != leader && asked.vote == epoch {
            asked.voter.answered(NOW);
            world.wire.insert(Message::Confirmed { leader, epoch, round, voter });
        }
    }

    fn look(&self, world: &mut World, id: usize) {
        let Some(mut read) = world.node(id).read.take() else { return };
        let Stage::Looking(looks) = &mut read.stage else { return };
        let node = &world.nodes[id];
        match self.order[looks.taken] {
            Look::Expiry => looks.expiry = node.holder.expiry(),
            Look::Clock => looks.now = Some(NOW),
            Look::View => {
                let mark = node.holder.mark();
                let value = node.last_of(read.key, 0, mark.base);
                let pending = node.last_of(read.key, mark.base, mark.registered.index);
                let has_floor = world.has_declared(id, read.floor);
                looks.view = Some(View { mark, value, pending, has_floor });
            }
        }
        looks.taken += 1;
        if looks.taken < self.order.len() {
            world.node(id).read = Some(read);
            return;
        }
        let Ok((began, view)) = looks.begin(self.faults()) else { return };
        if let Some(ready) = read.ready.take() {
            return self.emit(world, id, &read, &ready, &view);
        }
        if view.pending > 0 && !began.may_ignore_pending_of(&view.mark) {
            read.stage = Stage::Waiting(began);
            world.node(id).read = Some(read);
            return;
        }
        self.answer(world, id, &read, view, began.token(&view.mark));
    }

    fn resolve(&self, world: &mut World, id: usize) {
        let Some(read) = world.node(id).read.take() else { return };
        let Stage::Waiting(began) = &read.stage else { return };
        let mark = world.nodes[id].holder.mark();
        let value = world.nodes[id].last_of(read.key, 0, mark.base);
        self.answer(world, id, &read, View { mark, value, pending: 0, has_floor: true }, began.token(&mark));
    }

    fn answer(&self, world: &mut World, id: usize, read: &Read, view: View, token: u64) {
        let base = view.mark.base as usize;
        if view.mark.base > world.declared {
            world.found(Violation::NotVisible);
        } else if world.committed.get(..base) != Some(&world.nodes[id].log[..base]) {
            world.found(Violation::NotCommitted);
        } else if !view.has_floor || view.value < read.floor_of_key {
            world.found(Violation::Stale);
        } else if token < view.mark.base || token < read.floor {
            world.found(Violation::Token);
        }
        if self.slice.emission {
            let ready = Ready { value: view.value, base: view.mark.base };
            world.node(id).read = Some(new_read(world, read.key, Some(ready)));
        }
    }

    /// The answer leaves, unless something touches it; then the read starts again.
    fn emit(&self, world: &mut World, id: usize, read: &Read, ready: &Ready, view: &View) {
        let touched = world.nodes[id].last_of(read.key, ready.base, view.mark.registered.index) > 0;
        let ignored = self.fault == Some(Fault::EmitTouched);
        if touched && !ignored {
            world.node(id).read = Some(new_read(world, read.key, None));
        } else if ready.value < read.floor_of_key {
            world.found(Violation::Stale);
        }
    }
}

/// A read that is invoked now: what is declared by now it must show.
fn new_read(world: &World, key: u8, ready: Option<Ready>) -> Read {
    Read {
        key,
        floor: world.declared,
        floor_of_key: world.declared_of(key),
        stage: Stage::Looking(Looks::default()),
        ready,
    }
}

/// Persists a vote, or the vote of a leader that was heard of.
fn vote(node: &mut crate::node::Node, epoch: u64) {
    if node.vote < epoch {
        node.vote = epoch;
        node.holder.voted(Epoch(epoch));
        node.voter.stepped_down(NOW);
        node.leads = None;
    }
}

fn snapshot(world: &mut World, leader: usize, to: usize) {
    let from = &world.nodes[leader];
    let epoch = from.leads.as_ref().expect("leads").epoch;
    let last = from.holder.mark().base;
    let (log, position) = (from.log[..last as usize].to_vec(), from.position(last));
    let follower = world.node(to);
    vote(follower, epoch);
    follower.voter.answered(NOW);
    follower.log = log;
    follower.applied = last;
    follower.holder.installed(position);
    world.node(leader).leads.as_mut().expect("leads").matched[to] = last;
}

fn register(world: &mut World, from: usize, leader: usize) {
    let registered = world.nodes[from].holder.registration();
    if let Some(leads) = &mut world.node(leader).leads {
        leads.rules.registered(registered.node, registered.incarnation, registered.entry);
    }
}

fn visible(world: &mut World, leader: usize, to: usize) {
    let visible = world.nodes[leader].leads.as_ref().map_or(0, |leads| leads.rules.visible());
    world.node(to).holder.declared(visible);
    world.node(to).publish();
}

fn dropped_older(world: &mut World, from: usize, leader: usize) {
    let Some(epoch) = world.nodes[leader].leads.as_ref().map(|leads| leads.epoch) else { return };
    if world.node(from).holder.drop_older(Epoch(epoch))
        && let Some(leads) = &mut world.node(leader).leads
    {
        leads.rules.dropped_older(from as u64);
    }
}

fn arrive(world: &mut World, message: Message) {
    match message {
        Message::Confirmed { leader, epoch, round, voter } => {
            if let Some(leads) = &mut world.node(leader).leads
                && leads.epoch == epoch
            {
                leads.rules.confirmed(&NOW, round, voter as u64);
            }
        }
        Message::Request { leader, request } => {
            if let Some(leads) = &mut world.node(leader).leads
                && let Ok(grant) = leads.rules.request(&NOW, request)
            {
                world.wire.insert(Message::Grant { to: request.node as usize, grant });
            }
        }
        Message::Grant { to, grant } => {
            let node = world.node(to);
            // A refusal changes nothing.
            let _ = node.holder.granted(&NOW, grant);
            node.publish();
        }
        Message::Release { leader, release } => {
            if let Some(leads) = &mut world.node(leader).leads {
                leads.rules.released(release);
            }
        }
    }
}

/// Leaders declare as soon as they may: the earlier they do, the more every read must show.
fn declare(world: &mut World) {
    for id in 0..world.nodes.len() {
        if world.nodes[id].leads.is_none() {
            continue;
        }
        let node = world.node(id);
        let Some(leads) = &mut node.leads else { continue };
        let Some(declared) = leads.rules.declare(&NOW) else { continue };
        node.holder.declared(declared);
        node.publish();
        world.declared = world.declared.max(declared);
        if declared > world.committed.len() as u64 {
            world.found(Violation::DeclaredUncommitted);
        }
    }
}
