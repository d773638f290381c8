//! Nodes in one process, joined by wires that a test can cut, and whose answers it can hold back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_machine::command::{AdmitNode, Initialise};
use portcullis_machine::{Command, Envelope, Stamp};
use portcullis_model::{Actor, ClusterId, NodeId, TenantId, Verified};
use portcullis_storage::codec;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::suite::open;
use crate::clock::SystemClock;
use crate::peer::Request;
use crate::{Ack, Application, Group, Options, Parts, Peer, Proposed, Timing, Transport, TransportError};

/// How long a test waits for what has to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Slow enough that a busy machine does not depose a leader.
const TIMING: Timing = Timing {
    heartbeat: Duration::from_millis(200),
    election_min: Duration::from_millis(1_500),
    election_max: Duration::from_secs(3),
};

/// What became of the wires, from sender to receiver.
#[derive(Clone, Debug, Default)]
struct Faults {
    /// Nothing passes.
    cut: BTreeSet<(u64, u64)>,
    /// The receiver acts, and its answers to entries behind this index wait.
    stalled: BTreeMap<(u64, u64), u64>,
    /// Where something was sent behind entries whose answer waits.
    followed: BTreeSet<(u64, u64)>,
    /// How many heartbeats were sent.
    heartbeats: BTreeMap<(u64, u64), u64>,
}

/// All wires of a cluster.
pub(super) struct Wires {
    groups: Mutex<BTreeMap<u64, Weak<Group>>>,
    faults: watch::Sender<Faults>,
}

impl Wires {
    pub(super) fn cut(&self, from: u64, to: u64) {
        self.faults.send_modify(|faults| faults.cut.extend([(from, to)]));
    }

    /// Undoes a cut.
    pub(super) fn mend(&self, from: u64, to: u64) {
        self.faults.send_modify(|faults| {
            faults.cut.remove(&(from, to));
        });
    }

    /// Cuts a node off from another, both ways.
    pub(super) fn part(&self, one: u64, other: u64) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Holds back the answers to entries behind an index.
    pub(super) fn stall(&self, from: u64, to: u64, behind: u64) {
        self.faults.send_modify(|faults| faults.stalled.extend([((from, to), behind)]));
    }

    /// Lets the answers go that were held back on one wire, which stays cut if it is.
    pub(super) fn release(&self, from: u64, to: u64) {
        self.faults.send_modify(|faults| {
            faults.stalled.remove(&(from, to));
        });
    }

    /// Whether a request without entries was sent behind those whose answers are held back.
    pub(super) fn is_followed(&self, from: u64, to: u64) -> bool {
        self.faults.borrow().followed.contains(&(from, to))
    }

    /// How many heartbeats were sent, whatever became of them.
    pub(super) fn heartbeats(&self, from: u64, to: u64) -> u64 {
        self.faults.borrow().heartbeats.get(&(from, to)).copied().unwrap_or_default()
    }

    fn note(&self, way: (u64, u64), message: &[u8]) {
        let Ok(Request::Append(append)) = codec::decode(message) else { return };
        if !append.entries.is_empty() {
            return;
        }
        let previous = append.previous.map_or(0, |previous| previous.index);
        self.faults.send_modify(|faults| {
            if faults.stalled.get(&way).is_some_and(|behind| previous > *behind) {
                faults.followed.insert(way);
            } else {
                *faults.heartbeats.entry(way).or_default() += 1;
            }
        });
    }
}

/// One node's end of the wires.
struct End {
    me: u64,
    /// Notes are sent from other threads, too.
    runtime: Handle,
    wires: Arc<Wires>,
}

impl Transport for End {
    fn call(
        &self,
        to: NodeId,
        address: &str,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, TransportError>> {
        let (wires, me, address) = (Arc::clone(&self.wires), self.me, address.to_owned());
        let carried = async move {
            let unreachable =
                |why: &str| TransportError::Unreachable { to, address: address.clone(), why: why.to_owned() };
            wires.note((me, to.0), &message);
            if wires.faults.borrow().cut.contains(&(me, to.0)) {
                return Err(unreachable("the wire is cut"));
            }
            let group = wires.groups.lock().unwrap().get(&to.0).and_then(Weak::upgrade);
            let group = group.ok_or_else(|| unreachable("there is no such node"))?;
            let nothing: Application = Arc::new(|_, _| futures::future::ready(Vec::new()).boxed());
            let answer = group.answer(NodeId(me), &message, &nothing).await;
            let answer = answer.map_err(|error| TransportError::Refused { to, why: error.to_string() })?;
            // An answer that was on its way when the wire was cut still arrives, once it is let go.
            if let Ok(Request::Append(append)) = codec::decode(&message)
                && let Some(last) = append.entries.last().map(|entry| entry.position.index)
            {
                let passes = |faults: &Faults| faults.stalled.get(&(me, to.0)).is_none_or(|behind| last <= *behind);
                let _ = wires.faults.subscribe().wait_for(passes).await;
            }
            Ok(answer)
        };
        async move {
            // Answers that are held back wait beyond their time on purpose, so time is not kept here.
            let _ = timeout;
            carried.await
        }
        .boxed()
    }

    fn send(&self, to: NodeId, _address: &str, note: Vec<u8>) {
        if self.wires.faults.borrow().cut.contains(&(self.me, to.0)) {
            return;
        }
        let (wires, me) = (Arc::clone(&self.wires), self.me);
        // The receiver answers by a note of its own, and must not find the sender's lock held.
        self.runtime.spawn(async move {
            let group = wires.groups.lock().unwrap().get(&to.0).and_then(Weak::upgrade);
            if let Some(group) = group {
                group.receive(NodeId(me), &note).unwrap();
            }
        });
    }
}

/// A cluster of three voters in one process.
pub(super) struct Cluster {
    pub(super) wires: Arc<Wires>,
    pub(super) nodes: BTreeMap<u64, Arc<Group>>,
    _folders: Vec<TempDir>,
}

impl Cluster {
    /// Starts three voters, the first of which leads.
    pub(super) async fn start() -> Self {
        Self::start_broken_by(portcullis_lease::Faults::default()).await
    }

    /// The same, of nodes that break a rule.
    pub(super) async fn start_broken_by(broken: portcullis_lease::Faults) -> Self {
        let (faults, _) = watch::channel(Faults::default());
        let wires = Arc::new(Wires { groups: Mutex::new(BTreeMap::new()), faults });
        let (mut nodes, mut folders) = (BTreeMap::new(), Vec::new());
        for me in 1..=3 {
            let folder = tempfile::tempdir().unwrap();
            let (log, store) = open(folder.path(), me);
            let transport: Arc<dyn Transport> =
                Arc::new(End { me, runtime: Handle::current(), wires: Arc::clone(&wires) });
            let parts = Parts {
                log,
                store,
                transport,
                clock: Arc::new(SystemClock),
                seed: me,
                faults: broken,
                points: portcullis_fault::Points::default(),
            };
            let options = Options { me: NodeId(me), timing: TIMING, snapshot_every: 1_000 };
            let group = Group::start(options, parts).await.unwrap();
            wires.groups.lock().unwrap().insert(me, Arc::downgrade(&group));
            nodes.insert(me, group);
            folders.push(folder);
        }
        let cluster = Self { wires, nodes, _folders: folders };
        cluster.nodes[&1].initialise(peer(1)).await.unwrap();
        cluster.write(&[1], initialise()).await;
        for id in [2, 3] {
            cluster.nodes[&1].add_learner(NodeId(id), peer(id)).await.unwrap();
            cluster.nodes[&1].promote(NodeId(id)).await.unwrap();
        }
        cluster
    }

    /// Lets all nodes in, and waits until each of them holds a lease.
    pub(super) async fn until_everybody_holds_a_lease(&self) {
        for id in [2, 3] {
            self.write(&[1], Command::AdmitNode(AdmitNode { node: NodeId(id) })).await;
        }
        until("leases for all", || self.nodes.values().all(|node| node.lease_status().epoch.is_some())).await;
    }

    /// Writes at the one of the nodes that leads, which one has to sooner or later, and returns where.
    pub(super) async fn write(&self, nodes: &[u64], command: Command) -> u64 {
        let until = Instant::now() + PATIENCE;
        for node in nodes.iter().cycle() {
            match self.nodes[node].propose(&envelope(command.clone()), Ack::Everywhere, None).await {
                Ok(Proposed { reply, .. }) => {
                    reply.result.unwrap();
                    return reply.revision.0;
                }
                Err(error) => assert!(Instant::now() < until, "none of nodes {nodes:?} takes a write: {error}"),
            }
            tokio::task::yield_now().await;
        }
        unreachable!("the nodes are tried again and again")
    }
}

fn peer(id: u64) -> Peer {
    Peer { peer: format!("node-{id}"), client: String::new(), region: format!("region-{id}").parse().ok() }
}

pub(super) fn initialise() -> Command {
    Command::Initialise(Initialise { cluster: ClusterId([7; 16]), node: NodeId(1) })
}

pub(crate) fn envelope(command: Command) -> Envelope {
    Envelope {
        version: 1,
        tenant: TenantId::system(),
        actor: Actor { caller: "user:test".parse().unwrap(), on_behalf_of: None, verified: Verified::Internal },
        reason: None,
        idempotency: None,
        preconditions: Vec::new(),
        stamp: Stamp { reading_ms: 1_000, error_ms: 0 },
        salt: [0; 16],
        command,
    }
}

/// Looks again and again, at most until patience ends.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} until {what}");
        tokio::task::yield_now().await;
    }
}
