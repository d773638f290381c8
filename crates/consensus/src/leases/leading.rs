//! The leader's side: it proves that it leads, and declares what is visible (R2, R5, R8).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_fault::Point;
use portcullis_lease::{Epoch, Fault, Fence, Leader, Outlook, Promise, Reading};

use super::note::Note;
use super::{Configured, Core, Leases, Promises};

/// How often it is said that a holder holds up writes.
const SAY_EVERY: Duration = Duration::from_secs(1);

impl Leases {
    /// Notes what came with a vote for this node (R8).
    pub(crate) fn promised(&self, term: u64, voter: u64, silent: Duration) {
        let mut core = self.core();
        let received = self.clock.read();
        if core.promises.term != term {
            core.promises = Promises { term, votes: BTreeMap::new() };
        }
        self.points.pass(Point::LeasePromiseReceived);
        core.promises.votes.insert(voter, Promise { received, silent });
    }

    /// Begins to lead (R8). `voters` are those of the effective membership, of both where it is joint.
    /// Returns whether it did not lead in this term before.
    pub(super) fn lead(&self, term: u64, voters: &[BTreeSet<u64>]) -> bool {
        let mut core = self.core();
        let now = self.clock.read();
        // One that began anew in the same epoch would not know whom it has granted leases to.
        if term <= core.led {
            return false;
        }
        core.led = term;
        let me = self.me;
        let outlook = core.outlook();
        let (terms, parameters) = (outlook.terms(), core.configuration.parameters());
        // A node is a member for as long as it may hold a lease: it is removed only after its session has ended.
        let mut holding: BTreeSet<u64> = self.members.load().peers.keys().copied().collect();
        holding
            .retain(|node| !self.faults.has(Fault::FenceForgetsHolders) || voters.iter().any(|set| set.contains(node)));
        let own = Promise { received: now, silent: core.voter.silent(&now) };
        let mut ballots = BTreeMap::from([(me, own)]);
        if core.promises.term == term {
            ballots.extend(std::mem::take(&mut core.promises.votes));
        }
        let elected = portcullis_lease::round::is_majority(voters, &ballots.keys().copied().collect());
        let granted: Vec<Promise> = ballots.into_values().collect();
        let shortened = Fence::promised(&granted, terms, holding.clone());
        let fence = shortened.filter(|_| elected).unwrap_or_else(|| Fence::new(&now, terms, holding));
        tracing::info!(term, fenced_for = ?fence.left(&now), "this node leads");
        core.voter.led();
        let log = core.holder.log().clone();
        let leader = Leader::new(Epoch(term), parameters, core.roster.clone(), fence, log, core.holder.visible());
        let leader = leader.broken_by(self.faults);
        // The first entry of the epoch may have been committed before this was heard of.
        let committed = core.committed;
        core.leader.insert(leader).committed(committed);
        self.points.pass(Point::LeaseLeadBegun);
        core.grant_as_configured();
        self.declare(&mut core);
        true
    }

    /// Whether this node leads and waits for leases of leaders before, or does not lead.
    pub(crate) fn is_fenced(&self) -> bool {
        let core = self.core();
        let now = self.clock.read();
        core.leader.as_ref().is_none_or(|leader| leader.is_fenced(&now))
    }

    /// Up to where writers may have been answered by what this leader of a term has listed (R5b). `None` where nothing is known
    /// of that.
    pub(crate) fn answerable(&self, term: u64) -> Option<u64> {
        let core = self.core();
        core.leader.as_ref().filter(|leader| leader.epoch() == Epoch(term)).map(Leader::answerable)
    }

    /// Ends to lead, if it did.
    pub(super) fn step_down(&self) {
        let mut core = self.core();
        let now = self.clock.read();
        core.leader = None;
        core.voter.stepped_down(now);
        core.stalled_since = None;
    }

    /// Begins a Confirm round, for which the clocks were read before this node looked at its own vote (R2).
    pub(crate) fn begin_round(&self, asked: Reading, term: u64, voters: Vec<BTreeSet<u64>>) -> Option<u64> {
        let mut core = self.core();
        let leader = core.leader.as_mut().filter(|leader| leader.epoch() == Epoch(term))?;
        let number = leader.begin_round(asked, voters);
        self.points.pass(Point::LeaseRoundBegun);
        Some(number)
    }

    /// Counts an answer to a Confirm round (R2).
    pub(crate) fn confirmed(&self, term: u64, number: u64, voter: u64) {
        let mut core = self.core();
        let now = self.clock.read();
        let Some(leader) = core.leader.as_mut().filter(|leader| leader.epoch() == Epoch(term)) else { return };
        let is_first = leader.sessions(&now).next().is_none();
        let is_proved = leader.confirmed(&now, number, voter);
        if is_proved {
            self.points.pass(Point::LeaseRoundProved);
        }
        if is_proved && is_first {
            // Whoever was refused before need not wait for the next renewal.
            let note = Note::Visible { epoch: leader.epoch(), visible: leader.visible() };
            self.tell_others(&note);
            self.ask_now.notify_one();
        }
    }

    pub(super) fn declare(&self, core: &mut Core) {
        let now = self.clock.read();
        let Some(leader) = &mut core.leader else { return };
        let declared = leader.declare(&now);
        let epoch = leader.epoch();
        if leader.is_held_up() {
            core.stalled_since.get_or_insert(now);
            self.held_up.notify_one();
        } else {
            core.stalled_since = None;
        }
        let Some(visible) = declared else { return };
        self.points.pass(Point::LeaseVisibleDeclared);
        core.holder.declared(visible);
        self.show(core, false);
        self.note_visible(core);
        self.tell_others(&Note::Visible { epoch, visible });
        self.points.pass(Point::LeaseVisibleSent);
    }

    /// Declares what the rules allow by now, and says who keeps the rest from being declared. `said` is when it was said
    /// last.
    pub(super) fn declare_or_say(&self, said: Option<Reading>) -> Option<Reading> {
        let mut core = self.core();
        let now = self.clock.read();
        self.declare(&mut core);
        let (Some(leader), Some(since)) = (&core.leader, core.stalled_since) else { return said };
        let waited = now.lazy_since(&since);
        if waited < core.configuration.parameters().lag() || said.is_some_and(|said| now.lazy_since(&said) < SAY_EVERY)
        {
            return said;
        }
        for (node, left) in leader.held_up_by(&now, leader.visible() + 1) {
            self.counts.stalled_by(node);
            tracing::warn!(node, ?waited, lease_left = ?left, "a lease holder holds up writes");
        }
        if leader.is_fenced(&now) {
            tracing::warn!(?waited, left = ?leader.fence_left(&now), "writes wait for leases of the leader before");
        }
        Some(now)
    }
}

impl Core {
    /// Takes what the applied state says of leases (R8, R10).
    pub(super) fn configure(&mut self, configured: Configured) {
        let Configured { configuration, members } = configured;
        self.roster = configuration.roster().of(members);
        self.configuration = configuration;
        if let Some(leader) = &mut self.leader {
            leader.rostered(self.roster.clone());
        }
        self.grant_as_configured();
    }

    /// Has this node grant, where it leads, what is configured, as far as entries behind allow it (R8).
    pub(super) fn grant_as_configured(&mut self) {
        let configured = self.configuration.parameters();
        let parameters = self.outlook().granted_by(configured);
        self.grants_less = parameters != configured;
        if let Some(leader) = &mut self.leader {
            leader.configured(parameters);
        }
    }

    /// What this node reckons with as leader: what it has applied, and every entry behind it, since leaders before may have
    /// carried it out (R8).
    fn outlook(&self) -> Outlook {
        let applied = self.holder.mark().base;
        let behind = self.entries.iter().filter(|entry| entry.position().index > applied);
        behind.fold(self.configuration.outlook(), |outlook, entry| entry.widen(outlook))
    }
}
