//! The holder's side: it registers entries, keeps leases and says whether a read may be answered (R1, R4, R6, R7, R9).

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_fault::{Fault, Faults};
use serde::{Deserialize, Serialize};

use crate::clock::{Limit, Reading};
use crate::grant::{Grant, Release, Request};
use crate::log::{Epoch, LogShape, Position};
use crate::read::Mark;

/// Requests that may be under way at once; answers to older ones come too late to be of use.
pub const REQUESTS_MAX: usize = 64;

/// One replica since the start of its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    node: u64,
    incarnation: u64,
    log: LogShape,
    /// The epoch of the persisted vote.
    vote: Epoch,
    visible: u64,
    base: u64,
    last_request: u64,
    /// When each request that may still be answered was sent.
    sent: BTreeMap<u64, Reading>,
    lease: Option<Lease>,
    /// Of a newer epoch; it takes over once it is usable.
    next: Option<Lease>,
    /// The newest reading seen, by which a clock that goes backwards shows.
    seen: Option<Reading>,
    faults: Faults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    epoch: Epoch,
    expiry: Limit,
    barrier: Position,
}

/// What a holder says once it has registered an entry. It leaves with the append, before the entry is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Registered {
    /// Who.
    pub node: u64,
    /// Which start of its process.
    pub incarnation: u64,
    /// The last entry registered.
    pub entry: Position,
}

/// Why a grant was not taken. What the holder has stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// It answers a request of another start of the process.
    #[error("a grant for incarnation {granted}, and this is {own}")]
    Incarnation {
        /// Of the grant.
        granted: u64,
        /// Of this process.
        own: u64,
    },
    /// It answers a request that was never sent, was answered before, or was voided by a release.
    #[error("a grant for request {number}, which is not under way")]
    NotRequested {
        /// Of the grant.
        number: u64,
    },
    /// The persisted vote is of a newer epoch.
    #[error("a grant of epoch {}, and this node has voted in epoch {}", .granted.0, .vote.0)]
    Epoch {
        /// Of the grant.
        granted: Epoch,
        /// Of the persisted vote.
        vote: Epoch,
    },
    /// It came back too late, or a clock went backwards.
    #[error("a grant that had run out when it came in")]
    RunOut,
}

impl Holder {
    /// A replica that has just started (R9): no lease, and as visible only what a purge or a snapshot proves so.
    ///
    /// `incarnation` is durable and higher than that of every earlier start. `log` holds the entries above `applied`
    /// too. Nothing is served until what is visible reaches `applied`.
    pub fn new(node: u64, incarnation: u64, log: LogShape, vote: Epoch, visible: u64, applied: u64) -> Self {
        Self {
            node,
            incarnation,
            log,
            vote,
            visible,
            base: applied,
            last_request: 0,
            sent: BTreeMap::new(),
            lease: None,
            next: None,
            seen: None,
            faults: Faults::default(),
        }
    }

    /// Registers an entry (R1). To be called inside the append, before anything acknowledges it.
    pub fn appended(&mut self, entry: Position) -> Registered {
        self.log.append(entry);
        self.promote();
        self.registration()
    }

    /// Forgets the entries above `index`, which another leader's will replace (R1).
    pub fn truncated_after(&mut self, index: u64) -> Registered {
        self.log.truncate_after(index);
        self.registration()
    }

    /// Moves past a snapshot, which ends with an entry that is visible (R11). Entries behind it that the log already holds
    /// stay registered.
    pub fn skipped_to(&mut self, last: Position) -> Registered {
        if self.log.at(last.index) != Some(last) {
            self.log = LogShape::ending_at(last);
        }
        self.visible = self.visible.max(last.index);
        self.promote();
        self.registration()
    }

    /// Takes the state of a snapshot in place of its own (R11).
    pub fn installed(&mut self, last: Position) -> Registered {
        let registered = self.skipped_to(last);
        self.base = self.base.max(last.index);
        registered
    }

    /// What this replica has registered: all of its log.
    pub fn registration(&self) -> Registered {
        Registered { node: self.node, incarnation: self.incarnation, entry: self.log.last() }
    }

    /// Notes the epoch of a vote that was persisted. Grants of older ones are refused from now on (R4).
    pub fn voted(&mut self, epoch: Epoch) {
        self.vote = self.vote.max(epoch);
    }

    /// Asks for a lease (R4). `now` must have been read before the request is sent.
    pub fn request(&mut self, now: Reading) -> Request {
        self.observe(&now);
        self.last_request += 1;
        self.sent.insert(self.last_request, now);
        while self.sent.len() > REQUESTS_MAX {
            self.sent.pop_first();
        }
        Request {
            node: self.node,
            incarnation: self.incarnation,
            number: self.last_request,
            registered: self.log.last(),
            base: self.base,
        }
    }

    /// How many requests this start of the process has made.
    pub fn requests(&self) -> u64 {
        self.last_request
    }

    /// Returns whether a grant for request `number` would still be taken; a driver may give up the others.
    pub fn awaits(&self, number: u64) -> bool {
        self.sent.contains_key(&number)
    }

    /// Takes a grant (R4). It counts from the moment when its request was sent.
    pub fn granted(&mut self, now: &Reading, grant: Grant) -> Result<(), Refused> {
        let Grant { epoch, incarnation, number, length, barrier, visible } = grant;
        if incarnation != self.incarnation && !self.faults.has(Fault::AnyIncarnation) {
            return Err(Refused::Incarnation { granted: incarnation, own: self.incarnation });
        }
        if epoch < self.vote && !self.faults.has(Fault::GrantBelowVote) {
            return Err(Refused::Epoch { granted: epoch, vote: self.vote });
        }
        self.observe(now);
        let sent = self.sent.remove(&number).ok_or(Refused::NotRequested { number })?;
        self.visible = self.visible.max(visible);
        let expiry = Limit::new(if self.faults.has(Fault::LeaseFromReceipt) { *now } else { sent }, length);
        if !expiry.holds(now) {
            return Err(Refused::RunOut);
        }
        let lease = Lease { epoch, expiry, barrier };
        if !self.lease.is_some_and(|held| held.expiry.holds(now)) {
            self.lease = self.next.take().or(self.lease);
        }
        match self.lease {
            Some(held) if held.epoch == epoch => self.lease = Some(held.renewed(now, lease, self.faults)),
            // A lease of an older epoch stays in use until the newer one is usable.
            Some(held) if held.epoch < epoch && held.expiry.holds(now) => self.wait_with(now, lease),
            Some(held) if held.epoch > epoch && held.expiry.holds(now) => {}
            Some(_) | None => self.lease = Some(lease),
        }
        self.promote();
        Ok(())
    }

    fn wait_with(&mut self, now: &Reading, lease: Lease) {
        self.next = Some(match self.next {
            Some(held) if held.epoch == lease.epoch => held.renewed(now, lease, self.faults),
            Some(held) if held.epoch > lease.epoch => held,
            Some(_) | None => lease,
        });
    }

    /// Lets the newer lease take over once its barrier is in the log.
    fn promote(&mut self) {
        if self.next.is_some_and(|next| next.reached(&self.log, self.faults)) {
            self.lease = self.next.take();
        }
    }

    /// Gives up every lease and voids every request under way (R4, R9).
    pub fn release(&mut self) -> Release {
        self.lease = None;
        self.next = None;
        if !self.faults.has(Fault::GrantSurvivesRelease) {
            self.sent.clear();
        }
        Release { node: self.node, incarnation: self.incarnation, up_to: self.last_request }
    }

    /// Gives up leases of epochs before `epoch`. With a persisted vote no lower it may tell that leader so (R8).
    pub fn drop_older(&mut self, epoch: Epoch) -> bool {
        if !self.faults.has(Fault::DroppedInWords) {
            self.lease = self.lease.filter(|lease| lease.epoch >= epoch);
            self.next = self.next.filter(|lease| lease.epoch >= epoch);
            self.promote();
        }
        self.vote >= epoch || self.faults.has(Fault::DroppedWithoutVote)
    }

    /// Notes that everything up to `index` is visible (R6).
    pub fn declared(&mut self, index: u64) {
        self.visible = self.visible.max(index);
    }

    /// The highest index that this replica knows to be visible.
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Up to where the published state may reach when entries up to `applied` have been applied (R6).
    pub fn base_max(&self, applied: u64) -> u64 {
        if self.faults.has(Fault::PublishAtApplied) { applied } else { self.visible.min(applied) }
    }

    /// Notes the index of the state that is published now; entries above it are pending (R6).
    ///
    /// # Panics
    /// When `base` falls, or is above what is visible.
    pub fn published(&mut self, base: u64) {
        assert!(base >= self.base, "INVARIANT: answers never go back");
        let visible = base <= self.visible || self.faults.has(Fault::PublishAtApplied);
        assert!(visible, "INVARIANT: only visible state is published");
        self.base = base;
    }

    /// Until when reads may be answered from the View, to be published as one value (R7). `None` for not at all: without
    /// a lease, before its barrier, or while the state reaches further than what is known to be visible.
    pub fn expiry(&self) -> Option<Limit> {
        let lease = self.lease.filter(|lease| lease.reached(&self.log, self.faults))?;
        let unseen = self.faults.has(Fault::ServeAboveVisible) || self.faults.has(Fault::PublishAtApplied);
        (self.base <= self.visible || unseen).then_some(lease.expiry)
    }

    /// Compares `now` with earlier readings; a clock that went backwards ends every lease and request.
    pub fn observe(&mut self, now: &Reading) {
        if self.seen.is_some_and(|seen| now.eager_since(&seen).is_none()) {
            self.drop_leases();
        }
        self.seen = Some(*now);
    }

    /// The epoch of the lease that is in use, or would be if it had not run out. `None` for no lease, and before its
    /// barrier.
    pub fn epoch(&self) -> Option<Epoch> {
        self.lease.filter(|lease| lease.reached(&self.log, self.faults)).map(|lease| lease.epoch)
    }

    /// Returns whether a lease of an epoch before `epoch` is left that has not run out.
    pub fn holds_before(&self, now: &Reading, epoch: Epoch) -> bool {
        let is_left = |lease: &Lease| lease.epoch < epoch && lease.expiry.holds(now);
        self.lease.iter().chain(&self.next).any(is_left)
    }

    /// The log as far as it is known, for a leader to begin with.
    pub fn log(&self) -> &LogShape {
        &self.log
    }

    /// The place of the state that is published now.
    pub fn mark(&self) -> Mark {
        Mark { base: self.base, visible: self.visible, registered: self.log.last() }
    }

    /// Drops what no longer matters at `now`. It decides nothing, and may be called at any time.
    pub fn forget(&mut self, now: &Reading, length_max: Duration) {
        // With that rule broken a late grant would be of use.
        let kept = self.faults.has(Fault::LeaseFromReceipt);
        self.sent.retain(|_, sent| kept || Limit::new(*sent, length_max).holds(now));
        self.next = self.next.filter(|lease| lease.expiry.holds(now));
        // A lapsed lease tells nothing but its epoch and barrier.
        let lapsed = |lease: Lease| Lease { expiry: Limit::default(), ..lease };
        self.lease = self.lease.map(|lease| if lease.expiry.holds(now) { lease } else { lapsed(lease) });
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(mut self, by: &Reading) -> Self {
        for sent in self.sent.values_mut() {
            *sent = sent.aged(by);
        }
        let aged = |lease: Lease| Lease { expiry: lease.expiry.aged(by), ..lease };
        self.lease = self.lease.map(aged);
        self.next = self.next.map(aged);
        self.seen = self.seen.map(|seen| seen.aged(by));
        self
    }

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    fn drop_leases(&mut self) {
        self.lease = None;
        self.next = None;
        self.sent.clear();
    }
}

impl Lease {
    fn reached(&self, log: &LogShape, faults: Faults) -> bool {
        log.contains(self.barrier, self.epoch)
            || faults.has(Fault::NoBarrier)
            || faults.has(Fault::BarrierByIndex) && log.last().index >= self.barrier.index
    }

    /// This lease after a renewal in its epoch. While it lasts, every entry since has been registered with the leader's
    /// knowledge, so its own barrier is enough; once it has run out, entries may have been declared without.
    fn renewed(self, now: &Reading, renewal: Self, faults: Faults) -> Self {
        if !self.expiry.holds(now) && !faults.has(Fault::LapsedKeepsBarrier) {
            return renewal;
        }
        let expiry = if renewal.expiry.outlasts(&self.expiry) { renewal.expiry } else { self.expiry };
        Self { expiry, ..self }
    }
}

#[cfg(test)]
mod tests;
