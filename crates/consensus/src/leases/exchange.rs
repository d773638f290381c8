//! What is said between holders and the leader (R3, R4, R8), on either side.

use portcullis_fault::Point;
use portcullis_lease::{Epoch, Registered, Request};
use portcullis_model::NodeId;
use portcullis_storage::codec;

use super::note::Note;
use super::{Core, Leases};

impl Leases {
    /// Asks the leader for a lease (R4).
    pub(super) fn ask(&self) {
        let mut core = self.core();
        let now = self.clock.read();
        if core.is_leaving || core.disagreement.is_some() {
            return;
        }
        let request = core.holder.request(now);
        self.points.pass(Point::LeaseRequestBeforeSend);
        if core.leader.is_some() {
            let answer = self.grant(&mut core, request);
            self.take(&mut core, self.me, &answer);
        } else {
            drop(core);
            self.tell_leader(self.members.load().leader, &Note::Request(request));
        }
    }

    /// Gives up the lease for good, and tells the leader (R4, R9).
    pub(crate) fn release(&self) {
        let mut core = self.core();
        core.is_leaving = true;
        self.give_back(&mut core);
    }

    fn give_back(&self, core: &mut Core) {
        let release = core.holder.release();
        self.show(core, false);
        self.points.pass(Point::LeaseReleaseBeforeSend);
        match &mut core.leader {
            Some(leader) => leader.released(release),
            None => self.tell_leader(self.members.load().leader, &Note::Release(release)),
        }
        self.declare(core);
    }

    /// Looks whether the clocks of this node disagree, and gives the lease back if they have begun to: it would be counted by
    /// a clock that may be wrong.
    pub(super) fn look_at_clocks(&self) {
        let mut core = self.core();
        let drift = core.configuration.parameters().drift();
        let disagreement = core.agreement.look(&self.clock.read(), drift).err();
        match (core.disagreement, disagreement) {
            (None, Some(disagreement)) => {
                tracing::error!(%disagreement, "this node gives its lease back, and answers by the leader's word");
                self.give_back(&mut core);
            }
            (Some(_), None) => tracing::info!("the clocks of this node agree again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        core.disagreement = disagreement;
    }

    /// Takes a note from another node.
    pub(crate) fn receive(&self, from: u64, note: Note) {
        if note.holder().is_some_and(|holder| holder != from) {
            tracing::warn!(from, ?note, "a note about leases names another node than it is from");
            return;
        }
        let mut core = self.core();
        match note {
            Note::Request(request) if core.leader.is_some() => {
                self.points.pass(Point::LeaseRequestReceived);
                let answer = self.grant(&mut core, request);
                self.tell(from, &answer);
                self.points.pass(Point::LeaseGrantSent);
                self.declare(&mut core);
            }
            Note::Registered(registered) => {
                self.points.pass(Point::LeaseRegistrationReceived);
                core.desk.registered(registered);
                let Registered { node, incarnation, entry } = registered;
                if let Some(leader) = &mut core.leader {
                    leader.registered(node, incarnation, entry);
                    self.declare(&mut core);
                }
            }
            Note::Release(release) => {
                self.points.pass(Point::LeaseReleaseReceived);
                if let Some(leader) = &mut core.leader {
                    leader.released(release);
                    self.declare(&mut core);
                }
            }
            Note::Dropped { epoch, node } => {
                self.points.pass(Point::LeaseDropReceived);
                if let Some(leader) = core.leader.as_mut().filter(|leader| leader.epoch() == epoch) {
                    leader.dropped_older(node);
                    self.declare(&mut core);
                }
            }
            Note::Granted(_) | Note::Refused { .. } | Note::Visible { .. } => self.take(&mut core, from, &note),
            Note::Watch { node } => self.watch(&mut core, node),
            Note::Direct(direct) => {
                self.points.pass(Point::LeaseListingReceived);
                core.desk.listed(*direct);
            }
            Note::Committed(ticket) => core.desk.committed(ticket),
            Note::Stored(stored) => core.desk.stored(stored),
            // Whoever leads now will be asked at the next renewal.
            Note::Request(_) => {}
        }
    }

    pub(super) fn grant(&self, core: &mut Core, request: Request) -> Note {
        let now = self.clock.read();
        let leader = core.leader.as_mut().expect("INVARIANT: only a leader is asked to grant");
        match leader.request(&now, request) {
            Ok(grant) => {
                self.counts.granted();
                self.points.pass(Point::LeaseGrantBuilt);
                Note::Granted(grant)
            }
            Err(refusal) => {
                self.counts.refused(&refusal);
                Note::Refused { epoch: leader.epoch(), refusal, visible: leader.visible() }
            }
        }
    }

    /// Takes what a leader says to a holder.
    pub(super) fn take(&self, core: &mut Core, from: u64, note: &Note) {
        match *note {
            Note::Granted(grant) => {
                self.points.pass(Point::LeaseGrantReceived);
                let now = self.clock.read();
                let epoch = grant.epoch;
                match core.holder.granted(&now, grant) {
                    Ok(()) => {
                        core.refusal = None;
                        self.points.pass(Point::LeaseGrantTaken);
                    }
                    Err(refused) => tracing::debug!(%refused, "a lease was not taken"),
                }
                self.drop_older(core, epoch, Some(from));
            }
            Note::Refused { epoch, refusal, visible } => {
                tracing::debug!(%refusal, "no lease was granted");
                core.refusal = Some(refusal);
                core.holder.declared(visible);
                self.drop_older(core, epoch, Some(from));
            }
            Note::Visible { epoch, visible } => {
                self.points.pass(Point::LeaseVisibleReceived);
                core.holder.declared(visible);
                if epoch > core.dropped {
                    self.drop_older(core, epoch, Some(from));
                }
                if core.holder.epoch().is_none_or(|held| held < epoch) {
                    self.ask_now.notify_one();
                }
            }
            Note::Request(_)
            | Note::Registered(_)
            | Note::Release(_)
            | Note::Dropped { .. }
            | Note::Watch { .. }
            | Note::Direct(_)
            | Note::Committed(_)
            | Note::Stored(_) => {}
        }
        self.show(core, false);
        self.note_visible(core);
    }

    /// Tells a new leader once nothing is left of leases before it (R8). An older lease stays in use until the newer one
    /// can take its place.
    pub(super) fn drop_older(&self, core: &mut Core, epoch: Epoch, leader: Option<u64>) {
        let now = self.clock.read();
        if core.holder.holds_before(&now, epoch) || !core.holder.drop_older(epoch) {
            return;
        }
        core.dropped = epoch;
        self.points.pass(Point::LeaseDropBeforeSend);
        match core.leader.as_mut() {
            Some(leader) if leader.epoch() == epoch => {
                leader.dropped_older(self.me);
                self.declare(core);
            }
            Some(_) => {}
            None => self.tell_leader(leader, &Note::Dropped { epoch, node: self.me }),
        }
    }

    pub(super) fn tell_leader(&self, leader: Option<u64>, note: &Note) {
        if let Some(leader) = leader.filter(|leader| *leader != self.me) {
            self.tell(leader, note);
        }
    }

    pub(super) fn tell_others(&self, note: &Note) {
        let others: Vec<u64> = self.members.load().peers.keys().copied().filter(|peer| *peer != self.me).collect();
        for peer in others {
            self.tell(peer, note);
        }
    }

    pub(super) fn tell(&self, to: u64, note: &Note) {
        if let Some(peer) = self.members.load().peers.get(&to) {
            self.points.pass(Point::TransportNoteBeforeSend);
            self.transport.send(NodeId(to), &peer.peer, codec::encode(note));
        }
    }
}
