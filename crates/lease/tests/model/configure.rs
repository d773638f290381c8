//! The configuration as entries change it, and what a new leader reckons with (R8, R10).

use std::collections::BTreeSet;

use portcullis_lease::{Configuration, Fault, Outlook, Parameters, Roster, Terms, Wait};

use crate::node::{Entry, Node, What};
use crate::slice::parameters;
use crate::step::Rules;
use crate::world::NOW;

impl Rules<'_> {
    /// The configuration that the entries up to `index` of a node's log leave.
    pub(crate) fn configuration(&self, node: &Node, index: u64) -> Configuration {
        let entries = (1..=index).zip(&node.log);
        entries.fold(self.slice.configuration(), |before, (index, entry)| self.configured(&before, index, entry))
    }

    fn configured(&self, before: &Configuration, index: u64, entry: &Entry) -> Configuration {
        let roster = before.roster().clone();
        match entry.what {
            What::Length(length) => before.changed(parameters(length), roster, index),
            What::Remove(node) => {
                let rest = roster.of(self.slice.node_ids()).into_iter().filter(|id| *id != node).collect();
                before.changed(before.parameters(), Roster::Only(rest), index)
            }
            // Between what it settles and itself may be a change that is not.
            What::Settled(changed_at)
                if changed_at == before.changed_at() || self.fault == Some(Fault::SettledForLater) =>
            {
                before.settled()
            }
            What::Nothing | What::Key(_) | What::Settled(_) | What::Voters(_) => before.clone(),
        }
    }

    /// What a node has applied configures it; a leader goes by it.
    pub(crate) fn configure(&self, node: &mut Node) {
        let before = self.configuration(node, node.configured);
        node.configured = node.applied;
        let configuration = self.configuration(node, node.configured);
        let granted = self.granted_by(node);
        let Some(leads) = &mut node.leads else { return };
        let has_changed = configuration != before;
        if has_changed || leads.grants_less {
            leads.grants_less = granted != configuration.parameters();
            leads.rules.configured(granted);
        }
        if has_changed {
            leads.rules.rostered(configuration.roster().of(self.slice.node_ids()));
            leads.settles = configuration.settles_after().map(|after| Wait::new(&NOW, after));
        }
    }

    /// Whether it matters what a node has applied while it follows.
    pub(crate) fn applies(&self, id: usize) -> bool {
        let is_voter = !self.slice.changes.is_empty() && id < self.slice.voters;
        self.slice.readers.contains(&id) || (is_voter && !self.slice.behind)
    }

    /// Whether a leader may propose that what it has applied is settled, and has not done so.
    pub(crate) fn may_settle(&self, node: &Node) -> bool {
        let wait = node.leads.as_ref().and_then(|leads| leads.settles);
        let is_over = wait.is_some_and(|wait| wait.is_over(&NOW) || self.fault == Some(Fault::SettledEarly));
        let settled = self.settled(node);
        is_over && !node.log.iter().any(|entry| entry.what == settled)
    }

    /// What a leader then proposes.
    pub(crate) fn settled(&self, node: &Node) -> What {
        What::Settled(self.configuration(node, node.configured).changed_at())
    }

    /// Bounds of the leases that may be left when a node becomes leader.
    pub(crate) fn fenced_terms(&self, node: &Node) -> Terms {
        self.outlook(node, self.fault != Some(Fault::FenceIgnoresLog)).terms()
    }

    /// What a node grants by when it leads.
    pub(crate) fn granted_by(&self, node: &Node) -> Parameters {
        let applied = self.configuration(node, node.configured).parameters();
        self.outlook(node, self.fault != Some(Fault::GrantByApplied)).granted_by(applied)
    }

    /// What a leader reckons with: what it has applied and, unless a rule is broken, every entry behind.
    fn outlook(&self, node: &Node, with_log: bool) -> Outlook {
        let applied = self.configuration(node, node.configured);
        let is_lowered_at_once = self.fault == Some(Fault::LoweredAtOnce);
        let applied = if is_lowered_at_once { applied.settled().outlook() } else { applied.outlook() };
        let behind = node.log.iter().skip(node.configured as usize).filter(|_| with_log);
        behind.fold(applied, |outlook, entry| match entry.what {
            What::Length(length) => outlook.with_change(Some(length), None),
            What::Nothing | What::Key(_) | What::Remove(_) | What::Settled(_) | What::Voters(_) => outlook,
        })
    }

    /// Who may have leases of an older epoch when a node becomes leader: whoever was ever on the roster.
    pub(crate) fn holding(&self, node: &Node) -> BTreeSet<u64> {
        let mut holding: BTreeSet<u64> = self.slice.holders.iter().map(|id| *id as u64).collect();
        let is_removed = |id: u64| node.log.iter().any(|entry| entry.what == What::Remove(id));
        if self.fault == Some(Fault::FenceForgetsHolders) {
            holding.clear();
        }
        if self.fault == Some(Fault::FenceForgetsRemoved) {
            holding.retain(|id| !is_removed(*id));
        }
        &holding | &self.slice.voter_ids()
    }
}
