//! Read leases of one group at one node: the rules of `portcullis-lease`, joined to the log, the state and the network.
//!
//! The log store says what is appended, truncated and committed, the state machine what is applied, and other nodes send
//! [`Note`]s. Each goes to the rules under one lock, and what follows from it is shown to reads before the lock is free.
//! Reads take no lock.
//!
//! Entries are applied once they are visible and not before, so the state holds nothing that may not be shown.

mod direct;
mod drive;
mod exchange;
mod leading;
mod note;
mod pending;
mod shown;
mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use portcullis_fault::{Point, Points};
use portcullis_lease::read::{self, Began, NotLeased};
use portcullis_lease::{
    Agreement, Configuration, Disagreement, Epoch, Fault, Faults, Holder, Leader, LogShape, Position, Promise, Reading,
    Refusal, Stored, Voter,
};
use portcullis_model::{NodeId, Region};
use portcullis_storage::state;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::propose::Acked;
use crate::transport::Transport;
use crate::types::Peer;

use direct::Desk;
#[cfg(test)]
pub(crate) use direct::Direct;
pub(crate) use direct::Listing;
pub use direct::{Awaited, Ticket};
pub(crate) use drive::drive;
pub(crate) use note::Note;
use pending::Pending;
use shown::Shown;
pub use shown::{Counted, View};
pub use status::{LeaseCounts, LeaseStatus, Unsettled};

/// How many entries are kept that the state holds already, to tell what has changed while an answer was made.
const APPLIED_KEPT: u64 = 256;
/// How many moments of a commit are kept; beyond them the last one stands for all that come.
const COMMITS_MAX: usize = 16_384;

/// The lease state of a node.
pub(crate) struct Leases {
    me: u64,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    faults: Faults,
    /// Who is told of the points that this node passes.
    pub(crate) points: Points,
    core: Mutex<Core>,
    shown: Shown,
    /// The highest index that this node knows to be visible.
    visible: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
    members: ArcSwap<Members>,
    /// Tells the driver to ask for a lease at once.
    ask_now: Notify,
    /// Tells the driver that something is committed and not declared.
    held_up: Notify,
    counts: status::Counters,
}

/// Who there is, as far as is known.
#[derive(Debug, Default)]
struct Members {
    leader: Option<u64>,
    peers: BTreeMap<u64, Peer>,
}

struct Core {
    holder: Holder,
    leader: Option<Leader>,
    /// The newest entry that this node knows to be committed.
    committed: Position,
    /// Up to where entries were committed when, as far as they are not applied.
    commits: VecDeque<(u64, Reading)>,
    /// The last term that this node led.
    led: u64,
    voter: Voter,
    promises: Promises,
    /// As the visible entries have left it.
    configuration: Configuration,
    /// Whether entries that are not applied keep this leader from granting what is configured.
    grants_less: bool,
    /// Who may hold leases by it.
    roster: BTreeSet<u64>,
    /// The last epoch for which this node has said that it holds no older lease.
    dropped: Epoch,
    /// The last entries of the log: all that the state does not hold, and some that it does.
    entries: imbl::Vector<Arc<Pending>>,
    state: Arc<state::View>,
    /// Why the last request was refused.
    refusal: Option<Refusal>,
    /// How the clocks of this node run, and whether they disagree too much for it to hold a lease.
    agreement: Agreement,
    disagreement: Option<Disagreement>,
    /// Whether this node is stopping, and wants no lease any more.
    is_leaving: bool,
    /// Since when something committed waits to be declared.
    stalled_since: Option<Reading>,
    /// Writes that this node took.
    desk: Desk,
    /// What this node has said last of its disk.
    stored: Option<Stored>,
    /// Who else wants to be told what is registered here and what is on disk, and since when.
    watchers: BTreeMap<u64, Reading>,
}

/// What a state says of leases.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) configuration: Configuration,
    /// Who was let in and not removed.
    pub(crate) members: BTreeSet<u64>,
}

/// What the votes of one term promise.
#[derive(Debug, Default)]
struct Promises {
    term: u64,
    votes: BTreeMap<u64, Promise>,
}

/// What a node's leases begin with.
pub(crate) struct Origin {
    pub(crate) me: NodeId,
    pub(crate) incarnation: u64,
    /// The term of the vote on disk.
    pub(crate) term: u64,
    /// The last entry that was applied. Only what is visible ever is.
    pub(crate) applied: Position,
    /// The entries behind it, with the commands of those that hold one.
    pub(crate) entries: Vec<(Position, Option<Bytes>)>,
    pub(crate) state: Arc<state::View>,
    pub(crate) configured: Configured,
    /// Rules that are broken to see whether it is noticed.
    pub(crate) faults: Faults,
}

impl Leases {
    pub(crate) fn new(
        origin: Origin,
        clock: Arc<dyn Clock>,
        transport: Arc<dyn Transport>,
        points: Points,
    ) -> Arc<Self> {
        let Origin { me, incarnation, term, applied, entries, state, configured, faults } = origin;
        let log = LogShape::ending_at(applied);
        let mut holder = Holder::new(me.0, incarnation, log, Epoch(term), applied.index, applied.index);
        let mut known = imbl::Vector::new();
        holder = holder.broken_by(faults);
        for (position, command) in entries {
            holder.appended(position);
            known.push_back(Pending::new(position, command));
        }
        if faults.has(Fault::ServeAboveVisible) {
            holder.declared(holder.registration().entry.index);
        }
        let Configured { configuration, members } = configured;
        let doubts = Mutex::default();
        let view = View { state: Arc::clone(&state), mark: holder.mark(), entries: known.clone(), doubts };
        let core = Core {
            holder,
            leader: None,
            committed: Position::default(),
            commits: VecDeque::new(),
            led: 0,
            voter: Voter::default().broken_by(faults),
            promises: Promises::default(),
            roster: configuration.roster().of(members),
            grants_less: false,
            configuration,
            dropped: Epoch(0),
            entries: known,
            state,
            refusal: None,
            agreement: Agreement::default(),
            disagreement: None,
            is_leaving: false,
            stalled_since: None,
            desk: Desk::new(faults),
            stored: None,
            watchers: BTreeMap::new(),
        };
        let ((visible, _), (stopped, _)) = (watch::channel(core.holder.visible()), watch::channel(false));
        Arc::new(Self {
            me: me.0,
            shown: Shown::new(view, Arc::clone(&clock)),
            clock,
            transport,
            faults,
            points,
            core: Mutex::new(core),
            visible,
            stopped,
            members: ArcSwap::default(),
            ask_now: Notify::new(),
            held_up: Notify::new(),
            counts: status::Counters::default(),
        })
    }

    /// Everything under the lock. The clocks are read while it is held, so that no reading is older than one seen before.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("INVARIANT: nothing panics while holding the leases")
    }

    /// Begins a read (R7).
    pub(crate) fn begin(&self) -> Result<(Began, Arc<View>), NotLeased> {
        read::begin_broken_by(&self.shown, self.faults).map(|(began, view)| (began, view.0))
    }

    /// Looks again before an answer leaves (R7).
    pub(crate) fn emit(&self) -> Result<Arc<View>, NotLeased> {
        read::emit_broken_by(&self.shown, self.faults).map(|view| view.0)
    }

    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// The newest visible state, for reads that need no lease.
    pub(crate) fn newest(&self) -> Arc<View> {
        self.shown.newest()
    }

    /// The entries of the log from `first` to `last`, with the commands of those that hold one. `None` if not all of them are
    /// known here any more, or yet, or if `last` or `before`, which both lead there, are not in the log.
    pub(crate) fn registered(
        &self,
        before: Option<Position>,
        first: u64,
        last: Position,
    ) -> Option<Vec<(Position, Option<Bytes>)>> {
        let core = self.core();
        let is_there = |entry: &Position| core.holder.log().at(entry.index) == Some(*entry);
        if !before.iter().chain([&last]).all(is_there) {
            return None;
        }
        let last = last.index;
        // They lie in the log without a gap.
        let offset = first.checked_sub(core.entries.front()?.position().index)?;
        let entries = core.entries.skip(usize::try_from(offset).ok()?.min(core.entries.len()));
        let known = entries.iter().take_while(|entry| entry.position().index <= last).filter(|entry| entry.is_known());
        let known: Vec<_> = known.map(|entry| (entry.position(), entry.command())).collect();
        (known.len() as u64 == (last + 1).saturating_sub(first)).then_some(known)
    }

    /// Waits until an entry is visible, and returns up to where everything is. `None` once the node stops.
    pub(crate) async fn until_visible(&self, index: u64) -> Option<u64> {
        if self.faults.has(Fault::PublishAtApplied) {
            return Some(index);
        }
        let (mut visible, mut stopped) = (self.visible.subscribe(), self.stopped.subscribe());
        tokio::select! {
            // Once one entry was given up, no later one may be applied: it would leave a gap.
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => None,
            visible = visible.wait_for(|visible| *visible >= index) => visible.ok().map(|visible| *visible),
        }
    }

    /// Lets nobody wait any more.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Registers entries that are being appended (R1). Nothing has acknowledged them yet. `leader` proposed them, if the
    /// vote on disk names one.
    pub(crate) fn appended(&self, entries: &[(Position, Option<Bytes>)], leader: Option<u64>) {
        let mut core = self.core();
        let now = self.clock.read();
        let mut registered = None;
        if let Some((first, _)) =
            entries.first().filter(|(first, _)| core.holder.registration().entry.index + 1 < first.index)
        {
            // Of what lies before the first entry of a log nothing is known.
            core.entries.push_back(Pending::unknown(Position { index: first.index - 1, ..*first }));
        }
        for (position, command) in entries {
            registered = Some(core.holder.appended(*position));
            core.entries.push_back(Pending::new(*position, command.clone()));
        }
        let Some(registered) = registered else { return };
        if !self.faults.has(Fault::AckBeforeRegister) {
            self.show(&core, true);
        }
        self.points.pass(Point::LeaseRegistrationBeforeSend);
        let Core { leader: leads, .. } = &mut *core;
        // An entry of another epoch comes from another leader.
        if leads.as_ref().is_some_and(|leads| entries.iter().any(|(position, _)| position.epoch != leads.epoch())) {
            *leads = None;
        }
        match leads {
            Some(leads) => {
                for (position, _) in entries {
                    leads.appended(now, *position);
                }
                leads.registered(registered.node, registered.incarnation, registered.entry);
            }
            None => self.tell_leader(leader, &Note::Registered(registered)),
        }
        core.desk.registered(registered);
        self.tell_watchers(&mut core, &Note::Registered(registered), leader);
        let newest = core.holder.registration().entry.epoch;
        if newest > core.dropped {
            self.drop_older(&mut core, newest, leader);
        }
    }

    /// Notes that everything up to `last` is on disk, which node `leader`, the leader of a term, had this node append (R5b).
    pub(crate) fn stored(&self, last: Position, term: u64, leader: u64) {
        let Some(stored) = Stored::new(self.me, Some(Epoch(term)), last, self.faults) else { return };
        let mut core = self.core();
        core.stored = Some(stored);
        self.points.pass(Point::LeaseStoredBeforeSend);
        core.desk.stored(stored);
        self.tell_watchers(&mut core, &Note::Stored(stored), Some(leader));
    }

    /// Forgets entries that another leader's will replace (R1).
    pub(crate) fn truncated_after(&self, index: u64) {
        let mut core = self.core();
        core.leader = None;
        core.holder.truncated_after(index);
        while core.entries.back().is_some_and(|entry| entry.position().index > index) {
            core.entries.pop_back();
        }
        self.show(&core, true);
    }

    /// Notes that the log begins behind an entry. Where it did not reach that far, a snapshot will bring what is missing,
    /// and until then nothing is known of it (R11).
    pub(crate) fn purged(&self, last: Position) {
        let mut core = self.core();
        if core.holder.registration().entry.index >= last.index {
            return;
        }
        core.leader = None;
        core.holder.skipped_to(last);
        core.entries = imbl::Vector::unit(Pending::unknown(last));
        self.show(&core, true);
        self.note_visible(&core);
    }

    /// Notes that a vote is on disk (R4).
    pub(crate) fn voted(&self, term: u64) {
        self.core().holder.voted(Epoch(term));
    }

    /// Notes what is committed, and declares what the rules allow (R5).
    pub(crate) fn committed(&self, committed: Position) {
        let mut core = self.core();
        if committed > core.committed {
            core.committed = committed;
            let now = self.clock.read();
            if core.commits.len() < COMMITS_MAX {
                core.commits.push_back((committed.index, now));
            } else if let Some((index, _)) = core.commits.back_mut() {
                *index = committed.index;
            }
        }
        self.points.pass(Point::LeaseCommitNoted);
        if let Some(leader) = &mut core.leader {
            leader.committed(committed);
            self.declare(&mut core);
        }
    }

    /// Says of entries that are visible how long that took from their commit on. To be called before they count as applied.
    pub(crate) fn took_since_commit<'a>(&self, answered: impl Iterator<Item = (u64, &'a mut Acked)>) {
        let core = self.core();
        let now = self.clock.read();
        for (index, acked) in answered {
            let nth = core.commits.partition_point(|(upto, _)| *upto < index);
            let after_commit = core.commits.get(nth).map(|(_, at)| now.lazy_since(at));
            *acked = Acked::Everywhere { after_commit };
        }
    }

    /// Shows a state that was applied (R6), and takes what it configures, if that is new.
    pub(crate) fn applied(&self, state: Arc<state::View>, configured: Option<Configured>) {
        self.applied_within(&mut self.core(), state, configured);
    }

    fn applied_within(&self, core: &mut Core, state: Arc<state::View>, configured: Option<Configured>) {
        if let Some(configured) = configured {
            // Before the entries that brought it are behind: one that is in neither would be reckoned with by nobody.
            core.configure(configured);
        }
        let base = state.revision.0;
        core.holder.published(base);
        core.state = state;
        while core.commits.front().is_some_and(|(index, _)| *index <= base) {
            core.commits.pop_front();
        }
        if core.grants_less {
            core.grant_as_configured();
        }
        while core.entries.front().is_some_and(|entry| entry.position().index + APPLIED_KEPT <= base) {
            core.entries.pop_front();
        }
        self.show(core, true);
    }

    /// Notes that a snapshot is being taken: it holds nothing that is not visible (R11).
    pub(crate) fn proved_visible(&self, index: u64) {
        let mut core = self.core();
        core.holder.declared(index);
        self.show(&core, false);
        self.note_visible(&core);
    }

    /// Shows the state of a snapshot (R11).
    pub(crate) fn installed(&self, last: Position, state: Arc<state::View>, configured: Configured) {
        let mut core = self.core();
        core.leader = None;
        core.holder.installed(last);
        // What the snapshot holds beyond the log is not known entry by entry.
        core.entries.retain(|entry| entry.position().index > last.index);
        core.entries.push_front(Pending::unknown(last));
        self.applied_within(&mut core, state, Some(configured));
        self.note_visible(&core);
    }

    /// Notes that this node helps a leader: it answers a round, an append or a snapshot (R8). To be called before its vote
    /// is looked at.
    pub(crate) fn helps(&self) {
        let mut core = self.core();
        core.voter.answered(self.clock.read());
    }

    /// The time since this node last helped a leader, to be sent with a vote that is on disk (R8).
    pub(crate) fn silent(&self) -> Duration {
        let core = self.core();
        self.points.pass(Point::LeasePromiseBeforeSend);
        core.voter.silent(&self.clock.read())
    }

    /// Shows reads what holds now.
    fn show(&self, core: &Core, is_new: bool) {
        let view = || View {
            state: Arc::clone(&core.state),
            mark: core.holder.mark(),
            entries: self.pending(core),
            doubts: Mutex::default(),
        };
        self.shown.show(is_new.then(view), core.holder.expiry());
    }

    /// The entries that reads take into account.
    fn pending(&self, core: &Core) -> imbl::Vector<Arc<Pending>> {
        if !self.faults.has(Fault::PendingAboveApplied) {
            return core.entries.clone();
        }
        // Here nothing is applied before it is visible, so what is committed stands for what would be.
        let is_committed = |entry: &&Arc<Pending>| entry.position().index <= core.committed.index;
        core.entries.skip(core.entries.iter().take_while(is_committed).count())
    }

    fn note_visible(&self, core: &Core) {
        let visible = core.holder.visible();
        self.visible.send_if_modified(|known| {
            let rises = visible > *known;
            *known = visible.max(*known);
            rises
        });
    }

    /// The region of this node, if it was given one.
    pub(crate) fn region(&self) -> Option<Region> {
        self.members.load().peers.get(&self.me).and_then(|peer| peer.region.clone())
    }

    /// Notes who there is.
    fn met(&self, members: Members) {
        let leader = members.leader;
        if self.members.swap(Arc::new(members)).leader != leader {
            self.ask_now.notify_one();
        }
    }
}
