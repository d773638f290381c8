//! What may happen, and what follows from it.

use std::collections::BTreeSet;

use portcullis_lease::round::is_majority;
use portcullis_lease::{Epoch, Fault, Faults, Fence, Holder, Leader, Promise, Voter, Wait};

use crate::answer::Look;
use crate::direct;
use crate::message::Message;
use crate::node::{Entry, Leads, Node, What};
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
    /// The leader proposes the next change of the configuration.
    Change {
        leader: usize,
    },
    /// What the leader has applied configures it.
    Configure {
        leader: usize,
    },
    /// The leader proposes that no lease is left of what was configured before.
    Settle {
        leader: usize,
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
    /// With what was applied, or without: it is then applied again from the log.
    Restart {
        node: usize,
        forgets: bool,
    },
    /// A node purges its log as far as it may (R11). The entries themselves are kept, for whoever compares.
    Purge {
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
    /// The leader says who has to acknowledge an entry, appended or not.
    List {
        leader: usize,
        index: u64,
    },
    /// What a node has appended is on its disk.
    Sync {
        node: usize,
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

/// What is broken. Whether a holder makes progress or has held up writes is not looked at: it never makes an answer wrong.
pub(crate) fn faults(fault: Option<Fault>) -> Faults {
    fault.map_or_else(Faults::default, Faults::plant).without_gates()
}

impl Rules<'_> {
    pub(crate) fn faults(&self) -> Faults {
        faults(self.fault)
    }

    pub(crate) fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick(pace) => self.tick(world, pace),
            Step::Elect { node, by } => self.elect(world, node, &by),
            Step::Write { leader, key } => {
                world.writes += 1;
                self.append(world, leader, What::Key(key));
            }
            Step::Change { leader } => {
                world.changes += 1;
                self.append(world, leader, self.slice.changes[world.changes - 1]);
            }
            Step::Configure { leader } => self.configure(world.node(leader)),
            Step::Settle { leader } => {
                let settled = self.settled(&world.nodes[leader]);
                self.append(world, leader, settled);
            }
            Step::Replicate { leader, to } => self.replicate(world, leader, to),
            Step::Snapshot { leader, to } => snapshot(world, leader, to),
            Step::Purge { node } => {
                let node = world.node(node);
                let is_early = self.fault == Some(Fault::PurgeAboveVisible);
                node.purged = if is_early { node.applied } else { node.holder.visible().min(node.applied) };
            }
            Step::Restart { node, forgets } => self.restart(world, node, forgets),
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
            Step::List { leader, index } => self.list(world, leader, index),
            Step::Sync { node } => self.sync(world, node),
            Step::Visible { leader, to } => visible(world, leader, to),
            Step::DroppedOlder { from, leader } => dropped_older(world, from, leader),
            Step::Arrive(message) => {
                world.wire.remove(&message);
                self.arrive(world, message);
            }
            Step::Read { node, key } => {
                world.reads += 1;
                self.read(world, node, key);
            }
            Step::Look { node } => self.look(world, node),
            Step::Resolve { node } => self.resolve(world, node),
        }
        if self.slice.drops {
            self.drop_at_once(world);
        }
        declare(world);
        direct::answer(world);
        if world.nodes.iter().enumerate().any(|(id, node)| {
            let leased = node.holder.expiry().is_some_and(|expiry| expiry.holds(&NOW));
            leased && !world.has_told(id, world.told())
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
        if let Some(took) = &mut world.took {
            took.age(&self.slice.step_of(0, pace));
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
        let leads = world.node(node);
        let (terms, holding) = (self.fenced_terms(leads), self.holding(leads));
        let fence = if self.slice.promises {
            Fence::promised(&promises, terms, holding).expect("some voted")
        } else {
            Fence::new(&NOW, terms, holding)
        };
        let shape = leads.shape();
        let visible = leads.holder.visible();
        let configuration = self.configuration(leads, leads.configured);
        let roster = configuration.roster().of(self.slice.node_ids());
        let granted = self.granted_by(leads);
        let rules = Leader::new(Epoch(epoch), granted, roster, fence, shape, visible);
        let grants_less = granted != configuration.parameters();
        let settles = configuration.settles_after().map(|after| Wait::new(&NOW, after));
        let mut matched = vec![0; self.slice.nodes()];
        matched[node] = leads.log.len() as u64;
        leads.voter.led();
        let rules = rules.broken_by(self.faults());
        leads.leads = Some(Leads { epoch, rules, rounds: 0, matched, grants_less, settles, short: BTreeSet::new() });
        self.append(world, node, What::Nothing);
    }

    fn append(&self, world: &mut World, leader: usize, what: What) {
        let node = world.node(leader);
        let epoch = node.leads.as_ref().expect("leads").epoch;
        node.append(NOW, Entry { epoch, what });
        self.taken(world, leader, epoch);
        let node = world.node(leader);
        let stored = node.log.len() - node.unsynced.len();
        node.leads.as_mut().expect("leads").matched[leader] = stored as u64;
        self.commit(world, leader);
    }

    /// One entry, so that every follower is somewhere else.
    fn replicate(&self, world: &mut World, leader: usize, to: usize) {
        let (epoch, log) = (world.nodes[leader].leads.as_ref().expect("leads").epoch, world.nodes[leader].log.clone());
        let committed_before = world.nodes[leader].applied;
        let follower = world.node(to);
        vote(follower, epoch);
        follower.voter.answered(NOW);
        let same = follower.log.iter().zip(&log).take_while(|(own, theirs)| own == theirs).count();
        let stored = (follower.log.len() - follower.unsynced.len()).min(same) as u64;
        let mut matched = same as u64;
        if let Some(next) = log.get(same) {
            if follower.log.len() > same {
                follower.log.truncate(same);
                follower.unsynced.truncate(same - (stored as usize));
                follower.holder.truncated_after(same as u64);
            }
            follower.append(NOW, *next);
            matched += 1;
            self.taken(world, to, epoch);
        }
        // Where somebody else hears what is on disk, the leader hears it only with what it sends next.
        if self.slice.hears {
            matched = stored;
        }
        world.node(leader).leads.as_mut().expect("leads").matched[to] = matched;
        self.commit(world, leader);
        // The registration leaves with the append, and at once is the worst case: it lets the leader declare.
        register(world, to, leader);
        if self.applies(to) {
            // A reader is told at once, which lets it show the most; a voter later, so that it may be elected before.
            let is_reader = self.slice.readers.contains(&to);
            let committed = if is_reader { world.nodes[leader].applied } else { committed_before };
            let follower = world.node(to);
            follower.applied = follower.applied.max(committed.min(matched));
            self.configure(follower);
            follower.publish();
        }
    }

    pub(crate) fn commit(&self, world: &mut World, leader: usize) {
        let node = world.node(leader);
        let leads = node.leads.as_ref().expect("leads");
        let voters = self.voters(node);
        let by_majority = |index: &u64| {
            let has: BTreeSet<u64> =
                (0..).zip(&leads.matched).filter(|(_, at)| **at >= *index).map(|(id, _)| id).collect();
            is_majority(&voters, &has)
        };
        let majority = leads.matched.iter().copied().filter(by_majority).max().unwrap_or(0);
        if majority <= node.applied || node.log[majority as usize - 1].epoch != leads.epoch {
            return;
        }
        let entry = node.position(majority);
        node.applied = majority;
        if !self.slice.late {
            self.configure(node);
        }
        node.leads.as_mut().expect("leads").rules.committed(entry);
        node.publish();
        let log = node.log[..majority as usize].to_vec();
        world.commits(&log);
    }

    fn restart(&self, world: &mut World, node: usize, forgets: bool) {
        world.restarts += 1;
        let stopped = world.node(node);
        if forgets {
            stopped.configured = 0;
        }
        stopped.incarnation += 1;
        // What was not on disk is lost.
        stopped.log.truncate(stopped.log.len() - stopped.unsynced.len());
        stopped.unsynced.clear();
        stopped.applied = stopped.applied.min(stopped.log.len() as u64);
        let (shape, vote) = (stopped.shape(), Epoch(stopped.vote));
        let holder = Holder::new(node as u64, stopped.incarnation, shape, vote, stopped.purged, stopped.applied);
        stopped.holder = holder.broken_by(self.faults());
        stopped.holder.observe(&NOW);
        stopped.voter = Voter::default().broken_by(self.faults());
        let led = stopped.leads.take();
        stopped.read = None;
        if let Some(led) = led.filter(|_| self.fault == Some(Fault::LeadsAgain)) {
            self.leads_again(world, node, led);
        }
    }

    /// What no node may do: a leader that starts again goes on, and knows nothing of what it has granted.
    fn leads_again(&self, world: &mut World, id: usize, led: Leads) {
        let node = world.node(id);
        let configuration = self.configuration(node, node.configured);
        let fence = Fence::new(&NOW, configuration.terms(), BTreeSet::new());
        let roster = configuration.roster().of(self.slice.node_ids());
        let rules = Leader::new(Epoch(led.epoch), configuration.parameters(), roster, fence, node.shape(), 0);
        node.leads = Some(Leads { rules: rules.broken_by(self.faults()), ..led });
    }

    fn begin_round(&self, world: &mut World, leader: usize, voter: usize) {
        let told = world.told();
        let node = world.node(leader);
        let known = node.position(node.applied);
        let leads = node.leads.as_mut().expect("leads");
        leads.rounds += 1;
        let round = leads.rules.begin_round(NOW, vec![self.slice.voter_ids()]);
        let epoch = leads.epoch;
        // It lets others read up to where it knows entries to be committed, or answered by those whom it has listed them for.
        if known.epoch.0 == epoch && known.index.max(leads.rules.answerable()) < told {
            leads.short.insert(round);
        }
        confirmed(world, leader, round, leader);
        let asked = world.node(voter);
        if voter != leader && asked.vote == epoch {
            asked.voter.answered(NOW);
            world.wire.insert(Message::Confirmed { leader, epoch, round, voter });
        }
    }

    fn arrive(&self, world: &mut World, message: Message) {
        match message {
            Message::Confirmed { leader, epoch, round, voter } => {
                if world.nodes[leader].leads.as_ref().is_some_and(|leads| leads.epoch == epoch) {
                    confirmed(world, leader, round, voter);
                }
            }
            Message::Request { leader, request } => {
                let node = &world.nodes[leader];
                let rostered = self.configuration(node, node.configured).roster().of(self.slice.node_ids());
                if let Some(leads) = &mut world.node(leader).leads
                    && let Ok(grant) = leads.rules.request(&NOW, request)
                {
                    if !rostered.contains(&request.node) {
                        world.found(Violation::Unrostered);
                    }
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
}

/// Counts an answer to a round.
fn confirmed(world: &mut World, leader: usize, round: u64, voter: usize) {
    let leads = world.node(leader).leads.as_mut().expect("leads");
    if leads.rules.confirmed(&NOW, round, voter as u64) && leads.short.contains(&round) {
        world.found(Violation::ShortOfTold);
    }
}

/// Persists a vote, or the vote of a leader that was heard of.
fn vote(node: &mut Node, epoch: u64) {
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
    follower.unsynced.clear();
    follower.applied = last;
    follower.configured = last;
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
