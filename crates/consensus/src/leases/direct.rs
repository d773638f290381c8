//! Direct acknowledgements (R5b): the node that took a write answers it as soon as every holder has registered the entry and a
//! majority has it on disk, without the way of these acknowledgements by the leader. It saves a leg where leader, holders and
//! voters are in other regions.
//!
//! As soon as it has appended the entry, the leader says what will come of it, whose registrations it takes and who votes;
//! holders and voters tell those who watch them what they have registered, and what they have on disk. Why that is enough is
//! said in `portcullis_lease`'s `gateway.rs`. Whatever is lost, the writer is answered when the entry is visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_fault::Point;
use portcullis_lease::{Faults, Gateway, Listed, Position, Reading, Registered, Stored};
use portcullis_model::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::note::Note;
use super::{Core, Leases};
use crate::propose::{Acked, Proposed};
use crate::types::Reply;

/// How long a node tells another what it registers and stores, after it was asked to.
const WATCHED_FOR: Duration = Duration::from_secs(10);
/// How often a node asks again.
const WATCH_AGAIN: Duration = Duration::from_secs(3);

/// A name for a write that the node which took it makes at random, so that no other start of it uses it again.
pub type Ticket = [u8; 16];

/// To the node that took a write: it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Direct {
    pub(crate) ticket: Ticket,
    /// Who has to have it.
    pub(crate) listed: Listed,
    /// What will come of it, once it is committed.
    pub(crate) reply: Reply,
}

/// What a leader has found out about a write that it has appended.
pub(crate) struct Listing {
    pub(crate) entry: Position,
    /// Who votes, looked at after the append.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    /// Who has to have it, where that was looked at before the append and not after it, which breaks a rule.
    pub(crate) sessions: Option<BTreeSet<(u64, u64)>>,
    /// What will come of it, once it is committed.
    pub(crate) reply: Reply,
}

/// What a node keeps of the writes that it took and others decide.
#[derive(Debug, Default)]
pub(super) struct Desk {
    writes: BTreeMap<Ticket, Write>,
    /// The last that was heard from each start of a holder, since anybody was last waited for.
    heard: BTreeMap<(u64, u64), Position>,
    /// The last that each node has said of its disk since then.
    stored: BTreeMap<u64, Position>,
    /// When the others were last asked to tell.
    asked: Option<Reading>,
    faults: Faults,
}

#[derive(Debug)]
struct Write {
    answer: oneshot::Sender<Proposed>,
    /// Once its leader has told of it.
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    gateway: Gateway,
    reply: Reply,
}

impl Desk {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Notes what a holder has registered, and answers what may be answered.
    pub(super) fn registered(&mut self, registered: Registered) {
        if self.writes.is_empty() {
            return;
        }
        let Registered { node, incarnation, entry } = registered;
        let heard = self.heard.entry((node, incarnation)).or_default();
        *heard = (*heard).max(entry);
        self.gateways().for_each(|gateway| gateway.registered(registered));
        self.answer();
    }

    /// Notes what a node has on disk, and answers what may be answered.
    pub(super) fn stored(&mut self, stored: Stored) {
        if self.writes.is_empty() {
            return;
        }
        let Stored { node, entry } = stored;
        let heard = self.stored.entry(node).or_default();
        *heard = (*heard).max(entry);
        self.gateways().for_each(|gateway| gateway.stored(stored));
        self.answer();
    }

    /// Notes what the leader says of a write that it has appended.
    pub(super) fn listed(&mut self, direct: Direct) {
        let Direct { ticket, listed, reply } = direct;
        let Some(write) = self.writes.get_mut(&ticket) else { return };
        let mut gateway = Gateway::new(listed).broken_by(self.faults);
        for ((node, incarnation), entry) in &self.heard {
            gateway.registered(Registered { node: *node, incarnation: *incarnation, entry: *entry });
        }
        for (node, entry) in &self.stored {
            gateway.stored(Stored { node: *node, entry: *entry });
        }
        write.told = Some(Told { gateway, reply });
        self.answer();
    }

    /// Notes that its leader knows a write to be committed.
    pub(super) fn committed(&mut self, ticket: Ticket) {
        if let Some(told) = self.writes.get_mut(&ticket).and_then(|write| write.told.as_mut()) {
            told.gateway.committed(told.gateway.entry());
            self.answer();
        }
    }

    fn gateways(&mut self) -> impl Iterator<Item = &mut Gateway> {
        self.writes.values_mut().filter_map(|write| write.told.as_mut()).map(|told| &mut told.gateway)
    }

    fn answer(&mut self) {
        let may_answer =
            |_: &Ticket, write: &mut Write| write.told.as_ref().is_some_and(|told| told.gateway.may_answer());
        for (_, write) in self.writes.extract_if(.., may_answer) {
            let Some(Told { reply, .. }) = write.told else { continue };
            let acked = Acked::Everywhere { after_commit: None };
            // Whoever took it may have heard from the leader meanwhile, or given up.
            let _ = write.answer.send(Proposed { reply, acked });
        }
        self.forget();
    }

    fn forget(&mut self) {
        if self.writes.is_empty() {
            self.heard.clear();
            self.stored.clear();
        }
    }
}

/// A write that may be answered directly. It is forgotten with this.
pub struct Awaited {
    ticket: Ticket,
    leases: Weak<Leases>,
    answer: oneshot::Receiver<Proposed>,
}

impl Awaited {
    /// Waits until it may be. For ever, if that will never be known.
    pub async fn answered(&mut self) -> Proposed {
        match (&mut self.answer).await {
            Ok(proposed) => proposed,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(leases) = self.leases.upgrade() {
            let mut core = leases.core();
            core.desk.writes.remove(&self.ticket);
            core.desk.forget();
        }
    }
}

impl Leases {
    /// Awaits the outcome of a write that is about to be sent to the leader.
    pub(crate) fn await_direct(self: &Arc<Self>, ticket: Ticket) -> Awaited {
        let (answer, answered) = oneshot::channel();
        let mut core = self.core();
        let now = self.clock.read();
        core.desk.writes.insert(ticket, Write { answer, told: None });
        let own = core.holder.registration();
        core.desk.registered(own);
        if let Some(stored) = core.stored {
            core.desk.stored(stored);
        }
        if core.desk.asked.is_none_or(|asked| now.lazy_since(&asked) >= WATCH_AGAIN) {
            core.desk.asked = Some(now);
            self.tell_others(&Note::Watch { node: self.me });
        }
        Awaited { ticket, leases: Arc::downgrade(self), answer: answered }
    }

    /// Tells the node that took a write that it is in the log here, who votes, which was looked at since, and what will come of
    /// it. Returns whether it did: not while fenced, since of leases of older epochs nothing is known.
    pub(crate) fn tell_listed(&self, (to, ticket): (NodeId, Ticket), listing: Listing) -> bool {
        let Listing { entry, voters, sessions, reply } = listing;
        let mut core = self.core();
        let now = self.clock.read();
        let listed = core.leader.as_mut().and_then(|leader| leader.listed(&now, entry, voters));
        let Some(mut listed) = listed else { return false };
        listed.sessions = sessions.unwrap_or(listed.sessions);
        // This node has it in its own View.
        let own = core.holder.registration();
        listed.sessions.remove(&(own.node, own.incarnation));
        self.points.pass(Point::LeaseListingBeforeSend);
        self.tell(to.0, &Note::Direct(Box::new(Direct { ticket, listed, reply })));
        true
    }

    /// Whose leases this leader knows to be live.
    pub(crate) fn live(&self) -> BTreeSet<(u64, u64)> {
        let core = self.core();
        let now = self.clock.read();
        core.leader.as_ref().map(|leader| leader.live(&now)).unwrap_or_default()
    }

    /// Tells the node that took a write that it is committed.
    pub(crate) fn tell_committed(&self, (to, ticket): (NodeId, Ticket)) {
        self.tell(to.0, &Note::Committed(ticket));
    }

    /// Tells another node what is registered here and on disk, now and for a while.
    pub(super) fn watch(&self, core: &mut Core, node: u64) {
        core.watchers.insert(node, self.clock.read());
        self.tell(node, &Note::Registered(core.holder.registration()));
        if let Some(stored) = core.stored {
            self.tell(node, &Note::Stored(stored));
        }
    }

    /// Tells those who watch, but for the leader, who is told in any case.
    pub(super) fn tell_watchers(&self, core: &mut Core, note: &Note, leader: Option<u64>) {
        if core.watchers.is_empty() {
            return;
        }
        let now = self.clock.read();
        core.watchers.retain(|_, since| now.lazy_since(since) < WATCHED_FOR);
        for node in core.watchers.keys().filter(|node| Some(**node) != leader) {
            self.tell(*node, note);
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_machine::Outcome;
    use portcullis_model::Revision;

    use super::*;

    const TICKET: Ticket = [7; 16];

    fn registered(node: u64, incarnation: u64, index: u64) -> Registered {
        Registered { node, incarnation, entry: Position::new(2, index) }
    }

    /// Of entry 2.5, which nodes 1 and 3 have to have, each in its first start.
    fn direct(ticket: Ticket) -> Direct {
        let voters = vec![[1, 2, 3].into()];
        let listed = Listed { entry: Position::new(2, 5), sessions: [(1, 1), (3, 1)].into(), voters };
        Direct { ticket, listed, reply: Reply { revision: Revision(5), result: Ok(Outcome::Done) } }
    }

    fn desk() -> (Desk, oneshot::Receiver<Proposed>) {
        let (answer, answered) = oneshot::channel();
        let mut desk = Desk::default();
        desk.writes.insert(TICKET, Write { answer, told: None });
        (desk, answered)
    }

    fn stored(node: u64, index: u64) -> Stored {
        Stored { node, entry: Position::new(2, index) }
    }

    #[test]
    fn r5b_what_is_said_counts_whether_it_comes_before_the_leader_tells_of_the_write_or_after() {
        let (mut desk, mut answered) = desk();
        desk.registered(registered(1, 1, 5));
        desk.stored(stored(1, 5));
        desk.listed(direct(TICKET));
        desk.stored(stored(2, 5));
        assert!(answered.try_recv().is_err(), "node 3 may not have it");
        desk.registered(registered(3, 1, 4));
        desk.registered(registered(3, 2, 9));
        assert!(answered.try_recv().is_err(), "it is another start of node 3");
        desk.registered(registered(3, 1, 6));
        assert_eq!(answered.try_recv().unwrap().reply.revision, Revision(5));
        assert!(desk.writes.is_empty() && desk.heard.is_empty() && desk.stored.is_empty());
    }

    #[test]
    fn r5b_a_write_is_committed_by_the_word_of_a_majority_or_of_its_leader() {
        for by_leader in [false, true] {
            let (mut desk, mut answered) = desk();
            desk.registered(registered(1, 1, 5));
            desk.registered(registered(3, 1, 5));
            desk.stored(stored(3, 5));
            desk.listed(direct(TICKET));
            assert!(answered.try_recv().is_err(), "one of three has it on disk");
            if by_leader {
                desk.committed(TICKET);
            } else {
                desk.stored(stored(1, 5));
            }
            assert!(answered.try_recv().is_ok());
        }
    }

    #[test]
    fn r5b_what_is_said_of_another_write_answers_nothing() {
        let (mut desk, mut answered) = desk();
        for node in [1, 3] {
            desk.registered(registered(node, 1, 9));
            desk.stored(stored(node, 9));
        }
        desk.listed(direct([8; 16]));
        desk.committed(TICKET);
        assert!(answered.try_recv().is_err());
        desk.listed(direct(TICKET));
        assert!(answered.try_recv().is_ok());
    }
}
