//! What everything in a simulation shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_consensus::Timing;
use portcullis_lease::Faults;
use portcullis_model::{ClusterId, Region};

use crate::history::{Asked, Call, History, Key, Outcome, Window};
use crate::host::Host;
use crate::time::Truth;
use crate::watcher::Watchers;

/// More entries than any run writes.
pub const NEVER: u64 = 1_000_000;

/// Who takes part, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nodes that vote. They have the lowest ids.
    pub voters: u64,
    /// Nodes that follow and do not vote.
    pub learners: u64,
    /// The times that the group lives by.
    pub timing: Timing,
    /// Clients at each node.
    pub clients: u64,
    /// The longest that a message takes, in milliseconds.
    pub way_ms_max: u64,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// A rule of leases that is broken, to see whether it is noticed.
    pub faults: Faults,
}

impl Shape {
    /// Three voters near each other, of which nobody asks anything by itself, and no snapshots.
    pub fn plain() -> Self {
        let faults = Faults::default();
        Self { voters: 3, learners: 0, timing: Timing::LAN, clients: 0, way_ms_max: 6, snapshot_every: NEVER, faults }
    }

    /// The ids of all nodes.
    pub fn nodes(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.voters + self.learners
    }

    /// The region of a node: one for each where they are far apart, two in all elsewhere, so that writes are answered both
    /// by their gateways and by the leader.
    pub fn region(&self, node: u64) -> Option<Region> {
        let region = if self.timing == Timing::WAN { node } else { node % 2 };
        format!("region-{region}").parse().ok()
    }
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The nodes become a cluster.
    Forming,
    /// Clients ask without pause.
    Asking,
    /// Nobody asks.
    Quiet,
    /// Each node has to carry out a write of its own.
    Proving,
}

/// What everything in a simulation shares.
pub struct World {
    /// What everything is drawn from.
    pub seed: u64,
    /// Who takes part.
    pub shape: Shape,
    /// True time.
    pub truth: Arc<Truth>,
    /// The machines.
    pub hosts: BTreeMap<u64, Arc<Host>>,
    /// Those who watch.
    pub watchers: Watchers,
    shared: Mutex<Shared>,
}

struct Shared {
    phase: Phase,
    cluster: Option<ClusterId>,
    history: History,
    grants: Grants,
    /// Where writes were carried out that were acknowledged.
    written: Vec<u64>,
    /// Writes that can be tried again by their keys, since what came of them is not known.
    unknown: Vec<(Key, Asked)>,
    /// A node that is being removed, or was.
    removed: Option<u64>,
    /// Nodes that have carried out a write of their own since [`Phase::Proving`] began.
    proved: Vec<u64>,
}

/// The grants there are.
#[derive(Default)]
struct Grants {
    next: u64,
    /// Granted, as far as is known, and not being revoked.
    live: Vec<Key>,
    /// Granted for a time, each with when that ends; it is worth asking about them until shortly after.
    timed: Vec<(Key, Duration)>,
    /// Those that were last touched, live or not: what is worth asking about.
    recent: Vec<Key>,
}

/// How many grants are worth asking about.
const RECENT_MAX: usize = 12;
/// For how long it is asked about a grant that has ended by itself.
const ASKED_AFTER_END: Duration = Duration::from_secs(1);

impl World {
    /// A world in which nothing has happened.
    pub fn new(seed: u64, shape: Shape, truth: Arc<Truth>, hosts: BTreeMap<u64, Arc<Host>>) -> Arc<Self> {
        let shared = Shared {
            phase: Phase::Forming,
            cluster: None,
            history: History::default(),
            grants: Grants::default(),
            written: Vec::new(),
            unknown: Vec::new(),
            removed: None,
            proved: Vec::new(),
        };
        Arc::new(Self { seed, shape, truth, hosts, watchers: Watchers::default(), shared: Mutex::new(shared) })
    }

    /// What is going on.
    pub fn phase(&self) -> Phase {
        self.shared().phase
    }

    /// Begins a phase.
    pub fn begin(&self, phase: Phase) {
        let mut shared = self.shared();
        shared.phase = phase;
        shared.proved.clear();
        let now = self.truth.now();
        shared.history.event(now, format!("{phase:?}"));
    }

    /// The cluster, once there is one.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.shared().cluster
    }

    /// Says which cluster it is.
    pub fn formed_as(&self, cluster: ClusterId) {
        self.shared().cluster = Some(cluster);
    }

    /// Notes an event.
    pub fn event(&self, text: impl Into<String>) {
        let now = self.truth.now();
        self.shared().history.event(now, text);
    }

    /// Notes that a call begins.
    pub fn call(&self, node: u64, key: Key, asked: Asked) -> usize {
        let now = self.truth.now();
        self.shared().history.begin(node, key, asked, now)
    }

    /// Notes what came of a call.
    pub fn answered(&self, place: usize, outcome: Outcome) {
        let now = self.truth.now();
        self.shared().history.end(place, outcome, now);
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.shared().history.calls.len()
    }

    /// A call by its place, once it was answered.
    pub fn answer(&self, place: usize) -> Option<Call> {
        self.shared().history.calls.get(place).filter(|call| call.returned.is_some()).copied()
    }

    /// The call that asked this about a grant, once it was answered.
    pub fn answer_to(&self, key: Key, asked: Asked) -> Option<Call> {
        let shared = self.shared();
        let mut calls = shared.history.calls.iter().rev();
        calls.find(|call| call.key == key && call.asked == asked).filter(|call| call.returned.is_some()).copied()
    }

    /// Says that a write was acknowledged, and where it was carried out.
    pub fn wrote(&self, revision: u64) {
        self.shared().written.push(revision);
    }

    /// Where writes were carried out that were acknowledged.
    pub fn written(&self) -> Vec<u64> {
        self.shared().written.clone()
    }

    /// Says that it is not known what came of a write that can be tried again.
    pub fn is_unknown(&self, key: Key, asked: Asked) {
        self.shared().unknown.push((key, asked));
    }

    /// A write to try again, if there is one.
    pub fn take_unknown(&self) -> Option<(Key, Asked)> {
        self.shared().unknown.pop()
    }

    /// Says that a node is being removed.
    pub fn remove(&self, node: u64) {
        self.shared().removed = Some(node);
    }

    /// The node that is being removed, or was.
    pub fn removed(&self) -> Option<u64> {
        self.shared().removed
    }

    /// The nodes that are there to stay.
    pub fn members(&self) -> Vec<u64> {
        let removed = self.removed();
        self.shape.nodes().filter(|node| Some(*node) != removed).collect()
    }

    /// A new grant to make.
    pub fn new_grant(&self) -> Key {
        let mut shared = self.shared();
        shared.grants.next += 1;
        Key(shared.grants.next)
    }

    /// Says that a grant was made.
    pub fn granted(&self, key: Key) {
        let mut shared = self.shared();
        shared.grants.live.push(key);
        shared.grants.touch(key);
    }

    /// Says that a grant was made that ends by itself.
    pub fn granted_for_a_time(&self, key: Key, window: Window) {
        let until = Duration::from_millis(window.end_ms) + ASKED_AFTER_END;
        self.shared().grants.timed.push((key, until));
    }

    /// A grant for a time that is worth asking about, by a number that was drawn.
    pub fn timed_grant_to_check(&self, drawn: usize) -> Option<Key> {
        let now = self.truth.now();
        let mut shared = self.shared();
        let timed = &mut shared.grants.timed;
        timed.retain(|(_, until)| *until > now);
        timed.get(drawn % timed.len().max(1)).map(|(key, _)| *key)
    }

    /// A live grant to revoke, by a number that was drawn.
    pub fn grant_to_revoke(&self, drawn: usize) -> Option<Key> {
        let mut shared = self.shared();
        let count = shared.grants.live.len();
        let key = (count > 0).then(|| shared.grants.live.swap_remove(drawn % count))?;
        shared.grants.touch(key);
        Some(key)
    }

    /// A grant worth asking about, by a number that was drawn.
    pub fn grant_to_check(&self, drawn: usize) -> Option<Key> {
        let shared = self.shared();
        let recent = &shared.grants.recent;
        recent.get(drawn % recent.len().max(1)).copied()
    }

    /// Says that a node has carried out a write of its own.
    pub fn proved(&self, node: u64) {
        self.shared().proved.push(node);
    }

    /// Whether a node has.
    pub fn has_proved(&self, node: u64) -> bool {
        self.shared().proved.contains(&node)
    }

    /// What happened so far.
    pub fn history(&self) -> History {
        self.shared().history.clone()
    }

    /// How long ago the simulation began.
    pub fn now(&self) -> Duration {
        self.truth.now()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("INVARIANT: nothing panics while holding the world")
    }
}

impl Grants {
    fn touch(&mut self, key: Key) {
        self.recent.retain(|recent| *recent != key);
        self.recent.push(key);
        if self.recent.len() > RECENT_MAX {
            self.recent.remove(0);
        }
    }
}
