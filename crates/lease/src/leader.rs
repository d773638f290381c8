//! The leader's side: it grants leases and declares entries visible (R3, R5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use portcullis_fault::{Fault, Faults};

use crate::authority::Authority;
use crate::clock::{Reading, Wait};
use crate::fence::Fence;
use crate::gateway::Listed;
use crate::grant::{Grant, Refusal, Release, Request};
use crate::log::{Epoch, LogShape, Position};
use crate::parameters::Parameters;
use crate::quarantine::Quarantine;
use crate::session::Session;

/// Entries that a holder's base may lie behind what is committed.
pub const BASE_BEHIND_MAX: u64 = 10_000;
/// Appends are dated to within the lag divided by this, so that their number stays bounded.
const APPEND_STEPS: u32 = 16;

/// One leader in one epoch. It ends with the epoch: a leader that is elected again, or restarted, begins with a new value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    epoch: Epoch,
    parameters: Parameters,
    fence: Fence,
    roster: BTreeSet<u64>,
    authority: Authority,
    /// Its own log, all of which its own View has registered: registering is part of the append.
    log: LogShape,
    /// The newest entry known to be committed.
    committed: Position,
    visible: u64,
    /// The last entry that it has listed.
    listed: u64,
    sessions: BTreeMap<(u64, u64), Session>,
    /// Per incarnation, the requests that a Release has voided.
    released: BTreeMap<u64, (u64, u64)>,
    /// When entries from an index on were appended, oldest first.
    appends: VecDeque<(u64, Reading)>,
    quarantine: Quarantine,
    faults: Faults,
}

impl Leader {
    /// Begins an epoch: `log` is the own log, `visible` the highest index that this node knows declared.
    pub fn new(
        epoch: Epoch,
        parameters: Parameters,
        roster: BTreeSet<u64>,
        fence: Fence,
        log: LogShape,
        visible: u64,
    ) -> Self {
        Self {
            epoch,
            parameters,
            fence,
            roster,
            authority: Authority::default(),
            log,
            committed: Position::default(),
            visible,
            listed: 0,
            sessions: BTreeMap::new(),
            released: BTreeMap::new(),
            appends: VecDeque::new(),
            quarantine: Quarantine::default(),
            faults: Faults::default(),
        }
    }

    /// Its epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether entries are committed that it has not declared.
    pub fn is_held_up(&self) -> bool {
        self.committed.index > self.visible
    }

    /// The sessions that it has granted and not seen end, each with what is left of it.
    pub fn sessions(&self, now: &Reading) -> impl Iterator<Item = (u64, Duration)> {
        self.sessions.iter().map(|((node, _), session)| (*node, session.expires.left(now)))
    }

    /// What is left of the fence (R8).
    pub fn fence_left(&self, now: &Reading) -> Duration {
        self.fence.left(now)
    }

    /// The highest index declared visible.
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// Begins a Confirm round (R2); see [`crate::round::Rounds::begin`].
    pub fn begin_round(&mut self, now: Reading, voters: Vec<BTreeSet<u64>>) -> u64 {
        self.authority.begin(now, voters)
    }

    /// Counts at `now` that `voter`, whose persisted vote is the committed vote of this epoch, confirmed round `number`
    /// (R2). Returns whether that completed the round.
    pub fn confirmed(&mut self, now: &Reading, number: u64, voter: u64) -> bool {
        self.authority.confirmed(now, number, voter)
    }

    /// Returns whether it still waits for leases of older epochs before it declares anything (R8).
    pub fn is_fenced(&self, now: &Reading) -> bool {
        !self.fence.is_over(now)
    }

    /// Returns whether an answer to round `number` still counts for anything; a driver may give up the others.
    pub fn awaits(&self, number: u64) -> bool {
        self.authority.awaits(number)
    }

    /// Takes a roster that an applied entry brought. Who is removed gets no more leases; its session still counts (R10).
    pub fn rostered(&mut self, roster: BTreeSet<u64>) {
        if self.faults.has(Fault::RemovedSessionEnds) {
            self.sessions.retain(|(node, _), _| roster.contains(node));
        }
        self.roster = roster;
    }

    /// Takes parameters that an applied entry brought. Leases granted before keep their length.
    pub fn configured(&mut self, parameters: Parameters) {
        self.parameters = parameters;
    }

    /// Notes an entry that was appended to the own log, after the own View has registered it (R1).
    pub fn appended(&mut self, now: Reading, entry: Position) {
        self.log.append(entry);
        let step = self.parameters.lag() / APPEND_STEPS;
        if !self.faults.has_gates() {
            return;
        }
        if self.appends.back().is_none_or(|(_, at)| now.eager_since(at).is_none_or(|age| age >= step)) {
            self.appends.push_back((entry.index, now));
        }
        self.forget_appends(&now);
    }

    /// Notes that everything up to `entry` is committed.
    pub fn committed(&mut self, entry: Position) {
        self.committed = self.committed.max(entry);
    }

    /// Notes that a node has, in this epoch, a persisted vote no lower than it and no lease of an older one (R8).
    pub fn dropped_older(&mut self, node: u64) {
        self.fence.dropped_by(node);
    }

    /// Notes that a holder has registered everything up to `entry` (R1).
    pub fn registered(&mut self, node: u64, incarnation: u64, entry: Position) {
        if let Some(session) = self.sessions.get_mut(&(node, incarnation)) {
            session.registers(entry, self.faults);
        }
    }

    /// Grants a lease or says why not (R3). The session is recorded before the answer leaves.
    pub fn request(&mut self, now: &Reading, request: Request) -> Result<Grant, Refusal> {
        let length = self.may_grant(now, &request)?;
        let margin = !self.faults.has(Fault::NoDrift);
        let expires = Wait::new(now, if margin { self.parameters.drift().longest(length) } else { length });
        let Request { node, incarnation, number, registered, .. } = request;
        let fresh = Session { expires, granted: number, registered, holds_up: None };
        let session = self.sessions.entry((node, incarnation)).or_insert(fresh);
        if !self.faults.has(Fault::SessionNotProlonged) {
            session.expires = session.expires.and(expires);
        }
        session.granted = session.granted.max(number);
        session.registers(registered, self.faults);
        Ok(Grant { epoch: self.epoch, incarnation, number, length, barrier: self.barrier(), visible: self.visible })
    }

    fn barrier(&self) -> Position {
        if self.faults.has(Fault::BarrierAtVisible) {
            return self.log.at(self.visible).unwrap_or_default();
        }
        self.log.last()
    }

    fn may_grant(&self, now: &Reading, request: &Request) -> Result<Duration, Refusal> {
        let Request { node, incarnation, number, registered, base } = *request;
        if !self.roster.contains(&node) && !self.faults.has(Fault::GrantToRemoved) {
            return Err(Refusal::NotRostered { node });
        }
        let voided = self.released.get(&node).is_some_and(|released| (incarnation, number) <= *released);
        if voided || self.sessions.get(&(node, incarnation)).is_some_and(|session| number <= session.granted) {
            return Err(Refusal::Stale { node, number });
        }
        let left = self.quarantine.left(node, now);
        if !left.is_zero() {
            return Err(Refusal::Quarantined { node, left });
        }
        let behind = self.committed.index.saturating_sub(base);
        if behind > BASE_BEHIND_MAX {
            return Err(Refusal::BaseBehind { node, behind });
        }
        if let Some(since) = self.unacknowledged(now, registered)
            && since > self.parameters.lag()
        {
            return Err(Refusal::NoProgress { node, since });
        }
        self.authority.left(now, self.parameters.length()).ok_or(Refusal::Unconfirmed)
    }

    /// How long ago the first entry that a holder has not registered was appended, to within a step. `None` for a holder
    /// that has them all.
    fn unacknowledged(&self, now: &Reading, registered: Position) -> Option<Duration> {
        if registered >= self.log.last() {
            return None;
        }
        let next = if registered.epoch == self.epoch { registered.index + 1 } else { 0 };
        let before = self.appends.iter().rev().find(|(index, _)| *index <= next);
        let (_, at) = before.or_else(|| self.appends.front())?;
        Some(now.eager_since(at).unwrap_or(Duration::MAX))
    }

    /// Ends a session that its holder gave back, unless it was granted a lease since (R4).
    ///
    /// The holder has voided every request up to the number, so a grant of one that is still under way is void, too.
    pub fn released(&mut self, release: Release) {
        let Release { node, incarnation, up_to } = release;
        let key = (node, incarnation);
        if self
            .sessions
            .get(&key)
            .is_some_and(|session| self.faults.has(Fault::LateRelease) || session.granted <= up_to)
        {
            self.sessions.remove(&key);
        }
        let voided = self.released.entry(node).or_default();
        *voided = (*voided).max((incarnation, up_to));
    }

    /// Lists who has to acknowledge `entry` before the node that took it may answer it (R5b). To be sent to that node.
    /// `voters` are those of the effective membership, of both where it is joint, looked at after the append.
    ///
    /// `None` unless the entry was appended in this epoch: a lease that is granted later is of no use before its holder has
    /// the entry, but one that is granted in between would be missed. `None` while fenced, too: of leases of older epochs
    /// nothing is known. The writer then waits until the entry is visible.
    pub fn listed(&mut self, now: &Reading, entry: Position, voters: Vec<BTreeSet<u64>>) -> Option<Listed> {
        let is_appended = entry.epoch == self.epoch && self.log.at(entry.index) == Some(entry);
        if self.is_fenced(now) && !self.faults.has(Fault::ListedWhileFenced)
            || !is_appended && !self.faults.has(Fault::ListedBeforeAppend)
        {
            return None;
        }
        self.listed = self.listed.max(entry.index);
        Some(Listed { entry, sessions: self.live(now), voters })
    }

    /// Node and incarnation of everybody whose session has not run out.
    pub fn live(&self, now: &Reading) -> BTreeSet<(u64, u64)> {
        let live = self.sessions.iter().filter(|(_, session)| !session.expires.is_over(now));
        live.map(|(holder, _)| *holder).collect()
    }

    /// Up to where writers may have been answered by what this leader has listed, whether it knows of it or not (R5b). It reads
    /// and lets read nothing as fresh that does not reach as far.
    pub fn answerable(&self) -> u64 {
        if self.faults.has(Fault::FreshAsCommitted) { 0 } else { self.listed }
    }

    /// Advances what is visible as far as the rules allow (R5). Returns the new highest index, when it rose.
    pub fn declare(&mut self, now: &Reading) -> Option<u64> {
        self.end_sessions(now);
        self.watch_sessions(now);
        // A commit index of an older epoch may be short of what that epoch's leader declared.
        if self.committed.epoch != self.epoch || !(self.fence.is_over(now) || self.faults.has(Fault::NoFence)) {
            return None;
        }
        let mut visible = self.committed.index.min(self.log.last().index);
        for session in self.sessions.values().filter(|_| !self.faults.has(Fault::NoSessions)) {
            visible = visible.min(session.allows(self.epoch, self.faults)?);
        }
        if visible <= self.visible {
            return None;
        }
        self.visible = visible;
        Some(visible)
    }

    fn end_sessions(&mut self, now: &Reading) {
        #[cfg(feature = "planted-faults")]
        if self.faults.has(Fault::SessionByEitherClock) {
            return self.sessions.retain(|_, session| !session.expires.is_over_by_either(now));
        }
        let Self { sessions, quarantine, epoch, faults, .. } = self;
        sessions.retain(|(node, _), session| {
            let is_over = session.expires.is_over(now);
            if is_over && session.holds_up.is_some_and(|(index, _)| session.lacks(*epoch, index, *faults)) {
                quarantine.lost(*node, now);
            }
            !is_over
        });
    }

    /// Notes which entries wait for whom (R3). Of who holds up nothing while its session runs out, nothing is noted: it may
    /// have been stopped without harm.
    fn watch_sessions(&mut self, now: &Reading) {
        if !self.faults.has_gates() || self.committed.epoch != self.epoch {
            return;
        }
        let (lag, committed) = (self.parameters.lag(), self.committed.index);
        for ((node, _), session) in &mut self.sessions {
            if session.caught_up(self.epoch, self.faults).is_some_and(|since| now.lazy_since(&since) > lag) {
                self.quarantine.slow(*node, now);
            }
            if session.lacks(self.epoch, committed, self.faults) {
                session.holds_up.get_or_insert((committed, *now));
            }
        }
    }

    /// Drops what no longer matters at `now`. It decides nothing, and may be called at any time.
    pub fn forget(&mut self, now: &Reading) {
        self.end_sessions(now);
        self.fence.forget(now);
        self.authority.forget(now, self.parameters.length());
        self.forget_appends(now);
        self.quarantine.forget(now);
    }

    /// One append that is older than the lag is enough: who lacks it has lagged for too long either way.
    fn forget_appends(&mut self, now: &Reading) {
        let lag = self.parameters.lag();
        let too_old = |at: &Reading| now.eager_since(at).is_some_and(|age| age > lag);
        while self.appends.get(1).is_some_and(|(_, at)| too_old(at)) {
            self.appends.pop_front();
        }
    }

    /// Moved into the past; see [`Reading::aged`].
    pub fn aged(mut self, by: &Reading) -> Self {
        self.fence = self.fence.aged(by);
        self.authority = self.authority.aged(by);
        self.quarantine = self.quarantine.aged(by);
        for session in self.sessions.values_mut() {
            session.aged(by);
        }
        for (_, at) in &mut self.appends {
            *at = at.aged(by);
        }
        self
    }

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { authority: self.authority.broken_by(faults), faults, ..self }
    }

    /// The holders that keep `index` from being declared, with what is left of their sessions.
    pub fn held_up_by(&self, now: &Reading, index: u64) -> impl Iterator<Item = (u64, Duration)> {
        let live = self.sessions.iter().filter(|(_, session)| !session.expires.is_over(now));
        let lacking = live.filter(move |(_, session)| session.lacks(self.epoch, index, self.faults));
        lacking.map(|((node, _), session)| (*node, session.expires.left(now)))
    }
}

#[cfg(test)]
mod tests;
