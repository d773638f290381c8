//! Direct acknowledgements (R5b): the node that took a write answers it as soon as every holder has registered the entry,
//! without the way of these registrations by the leader. It saves a leg where leader and holders are in other regions.
//!
//! The leader says what will come of the entry, once it is committed, and whose registrations it takes; holders tell
//! those who watch them what they have registered. Whatever is lost, the writer is answered when the entry is visible.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_lease::{Gateway, Listed, Position, Reading, Registered};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::note::Note;
use super::{Core, Leases};
use crate::propose::{Acked, Proposed};
use crate::types::Reply;

/// How long a holder tells another node what it registers, after it was asked to.
const WATCHED_FOR: Duration = Duration::from_secs(10);
/// How often a node asks again.
const WATCH_AGAIN: Duration = Duration::from_secs(3);

/// A name for a write that the node which took it makes at random, so that no other start of it uses it again.
pub type Ticket = [u8; 16];

/// To the node that took a write: it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Direct {
    pub(crate) ticket: Ticket,
    /// Who has to have registered it.
    pub(crate) listed: Listed,
    /// What will come of it.
    pub(crate) reply: Reply,
}

/// What a node keeps of the writes that it took and others decide.
#[derive(Debug, Default)]
pub(super) struct Desk {
    writes: BTreeMap<Ticket, Write>,
    /// The last that was heard from each start of a holder, since anybody was last waited for.
    heard: BTreeMap<(u64, u64), Position>,
    /// When the others were last asked to tell.
    asked: Option<Reading>,
}

#[derive(Debug)]
struct Write {
    answer: oneshot::Sender<Proposed>,
    /// Once it is committed.
    committed: Option<Committed>,
}

#[derive(Debug)]
struct Committed {
    gateway: Gateway,
    reply: Reply,
}

impl Desk {
    /// Notes what a holder has registered, and answers what may be answered.
    pub(super) fn registered(&mut self, registered: Registered) {
        if self.writes.is_empty() {
            return;
        }
        let Registered { node, incarnation, entry } = registered;
        let heard = self.heard.entry((node, incarnation)).or_default();
        *heard = (*heard).max(entry);
        let gateways = self.writes.values_mut().filter_map(|write| write.committed.as_mut());
        gateways.for_each(|committed| committed.gateway.registered(registered));
        self.answer();
    }

    /// Notes that a write is committed.
    pub(super) fn committed(&mut self, direct: Direct) {
        let Some(write) = self.writes.get_mut(&direct.ticket) else { return };
        let entry = direct.listed.entry;
        let mut gateway = Gateway::new(direct.listed);
        gateway.committed(entry);
        for ((node, incarnation), entry) in &self.heard {
            gateway.registered(Registered { node: *node, incarnation: *incarnation, entry: *entry });
        }
        write.committed = Some(Committed { gateway, reply: direct.reply });
        self.answer();
    }

    fn answer(&mut self) {
        let may_answer = |_: &Ticket, write: &mut Write| {
            write.committed.as_ref().is_some_and(|committed| committed.gateway.may_answer())
        };
        for (_, write) in self.writes.extract_if(.., may_answer) {
            let Some(Committed { reply, .. }) = write.committed else { continue };
            let acked = Acked::Everywhere { after_commit: None };
            // Whoever took it may have heard from the leader meanwhile, or given up.
            let _ = write.answer.send(Proposed { reply, acked });
        }
        self.forget();
    }

    fn forget(&mut self) {
        if self.writes.is_empty() {
            self.heard.clear();
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
        core.desk.writes.insert(ticket, Write { answer, committed: None });
        let own = core.holder.registration();
        core.desk.registered(own);
        if core.desk.asked.is_none_or(|asked| now.lazy_since(&asked) >= WATCH_AGAIN) {
            core.desk.asked = Some(now);
            self.tell_others(&Note::Watch { node: self.me });
        }
        Awaited { ticket, leases: Arc::downgrade(self), answer: answered }
    }

    /// Tells the node that took a write that it is committed here, and what will come of it. Not while fenced: of leases of
    /// older epochs nothing is known.
    pub(crate) fn tell_direct(&self, to: u64, ticket: Ticket, entry: Position, reply: Reply) {
        let core = self.core();
        let now = self.clock.read();
        let Some(mut listed) = core.leader.as_ref().and_then(|leader| leader.listed(&now, entry)) else { return };
        // This node has it in its own View.
        let own = core.holder.registration();
        listed.sessions.remove(&(own.node, own.incarnation));
        self.tell(to, &Note::Direct(Box::new(Direct { ticket, listed, reply })));
    }

    /// Tells another node what is registered here, now and for a while.
    pub(super) fn watch(&self, core: &mut Core, node: u64) {
        core.watchers.insert(node, self.clock.read());
        self.tell(node, &Note::Registered(core.holder.registration()));
    }

    /// Tells those who watch what is registered here, but for the leader, who is told in any case.
    pub(super) fn tell_watchers(&self, core: &mut Core, registered: Registered, leader: Option<u64>) {
        core.desk.registered(registered);
        if core.watchers.is_empty() {
            return;
        }
        let now = self.clock.read();
        core.watchers.retain(|_, since| now.lazy_since(since) < WATCHED_FOR);
        for node in core.watchers.keys().filter(|node| Some(**node) != leader) {
            self.tell(*node, &Note::Registered(registered));
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
        let listed = Listed { entry: Position::new(2, 5), sessions: [(1, 1), (3, 1)].into() };
        Direct { ticket, listed, reply: Reply { revision: Revision(5), result: Ok(Outcome::Done) } }
    }

    fn desk() -> (Desk, oneshot::Receiver<Proposed>) {
        let (answer, answered) = oneshot::channel();
        let mut desk = Desk::default();
        desk.writes.insert(TICKET, Write { answer, committed: None });
        (desk, answered)
    }

    #[test]
    fn r5b_registrations_count_whether_they_come_before_the_commit_or_after() {
        let (mut desk, mut answered) = desk();
        desk.registered(registered(1, 1, 5));
        desk.committed(direct(TICKET));
        assert!(answered.try_recv().is_err(), "node 3 may not have it");
        desk.registered(registered(3, 1, 4));
        desk.registered(registered(3, 2, 9));
        assert!(answered.try_recv().is_err(), "it is another start of node 3");
        desk.registered(registered(3, 1, 6));
        assert_eq!(answered.try_recv().unwrap().reply.revision, Revision(5));
        assert!(desk.writes.is_empty() && desk.heard.is_empty());
    }

    #[test]
    fn r5b_what_is_said_of_another_write_answers_nothing() {
        let (mut desk, mut answered) = desk();
        desk.registered(registered(1, 1, 9));
        desk.registered(registered(3, 1, 9));
        desk.committed(direct([8; 16]));
        assert!(answered.try_recv().is_err());
        desk.committed(direct(TICKET));
        assert!(answered.try_recv().is_ok());
    }
}
