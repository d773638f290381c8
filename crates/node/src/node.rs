//! The node itself.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use portcullis_consensus::clock::{Clock, Reading};
use portcullis_consensus::{AnswerError, Group, LeaseStatus, NodeStatus, Status};
use portcullis_fault::Points;
use portcullis_lease::Faults;
use portcullis_model::{Clock as WallClock, ClusterId, GroupId, IdempotencyKey, NodeId};
use portcullis_storage::codec;
use portcullis_storage::state::{Reader, Sum};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::Config;
use crate::entropy::Entropy;
use crate::health::{Alarm, Health};
use crate::identity::Identity;
use crate::internal::{About, Answer, Message};
use crate::past::Remade;
use crate::watch::Watchers;

/// How long another node may take to say how it is.
const ABOUT_TIMEOUT: Duration = Duration::from_millis(500);

/// A running node.
pub struct Node {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) group: Arc<Group>,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// When the copy was last known to hold everything acknowledged, and was published.
    pub(crate) last_fresh: watch::Sender<Reading>,
    pub(crate) health: Health,
    /// Who is told of the points that this node passes.
    pub(crate) points: Points,
    /// Versions of the past.
    pub(crate) remade: Remade,
    /// Who is told of changes.
    pub(crate) watchers: Watchers,
    /// Rules that are broken to see whether it is noticed: none, outside of checks.
    pub(crate) faults: Faults,
}

/// A member, and what it says of itself.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// What this node knows of it.
    pub node: NodeStatus,
    /// The last entry of its log, as far as is known.
    pub last_log: Option<u64>,
    /// The last entry that it applied.
    pub applied: Option<u64>,
    /// The last entry that its readers see.
    pub visible: Option<u64>,
    /// The version of its binary; `None` if it did not answer.
    pub version: Option<String>,
    /// What is free on its disk, in bytes.
    pub disk_free_bytes: Option<u64>,
    /// What an operator should see to.
    pub alarms: Vec<Alarm>,
    /// Its read lease; `None` if it did not answer.
    pub lease: Option<Lease>,
}

/// A node's read lease, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The epoch of a lease that can be used now.
    pub epoch: Option<u64>,
    /// What is left of it.
    pub left: Duration,
    /// Why the last request was refused, if none was granted since.
    pub refusal: Option<String>,
    /// Entries of its log that are not visible at this node yet.
    pub pending: u64,
}

impl Node {
    /// Its id.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The group that it belongs to.
    pub fn group_id(&self) -> GroupId {
        GroupId::FIRST
    }

    /// The identity of its cluster, once it has one.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.identity.cluster()
    }

    /// Makes the node one of a cluster, for ever. Only a node that belongs to none can.
    pub fn adopt(&self, cluster: ClusterId) -> Result<ClusterId, String> {
        self.identity.adopt(cluster)
    }

    /// Its wall clock, and the most that it may be wrong.
    pub fn wall(&self) -> WallClock {
        WallClock { reading: self.clock.wall(), error_ms: self.config.max_clock_error_ms }
    }

    /// A name for a write whose caller gave none, so that it may be tried again.
    pub fn new_key(&self) -> IdempotencyKey {
        let key = format!("{:032x}", u128::from_be_bytes(self.entropy.bytes()));
        IdempotencyKey::new(&key).expect("INVARIANT: the key matches the grammar")
    }

    /// Whether a node id is used up.
    pub fn is_retired(&self, node: NodeId) -> portcullis_machine::Read<bool> {
        self.reader.is_retired(node)
    }

    /// The group as this node sees it. Not linearizable.
    pub fn group_status(&self) -> Status {
        self.group.status()
    }

    /// The hash of its state at a revision; `None` when that is not kept, or not reached.
    pub fn state_hash(&self, revision: portcullis_model::Revision) -> Option<Sum> {
        self.reader.state_hash(revision)
    }

    /// The leases of this node, in full.
    pub fn lease_status(&self) -> LeaseStatus {
        self.group.lease_status()
    }

    /// The read lease of this node.
    pub fn lease(&self) -> Lease {
        let LeaseStatus { epoch, left, refusal, visible, registered, .. } = self.lease_status();
        Lease { epoch, left, refusal, pending: registered.saturating_sub(visible) }
    }

    /// The last revision that its readers see.
    pub fn visible(&self) -> portcullis_model::Revision {
        self.reader.view().revision
    }

    /// The oldest revision that can still be read; 0 where that cannot be told.
    pub fn history_floor(&self) -> portcullis_model::Revision {
        self.reader.history_floor().unwrap_or_default()
    }

    /// The group as this node sees it, with what every member says of itself. Not linearizable.
    pub async fn status(&self) -> (Status, Vec<MemberStatus>) {
        let status = self.group.status();
        let members = status.nodes.iter().map(|node| self.member_status(node.clone()));
        let members = join_all(members).await;
        (status, members)
    }

    async fn member_status(&self, node: NodeStatus) -> MemberStatus {
        let about = if node.id == self.id() { Some(self.about()) } else { self.ask_about(&node).await };
        match about {
            Some(about) => MemberStatus {
                node,
                last_log: about.last_log,
                applied: about.applied,
                visible: Some(about.visible),
                version: Some(about.version),
                disk_free_bytes: about.disk_free_bytes,
                alarms: about.alarms,
                lease: Some(about.lease),
            },
            None => MemberStatus {
                last_log: node.matched,
                node,
                applied: None,
                visible: None,
                version: None,
                disk_free_bytes: None,
                alarms: Vec::new(),
                lease: None,
            },
        }
    }

    pub(crate) async fn ask_about(&self, node: &NodeStatus) -> Option<About> {
        let message = codec::encode(&Message::About);
        let answer = self.group.call(node.id, &node.peer, message, ABOUT_TIMEOUT).await.ok()?;
        match codec::decode(&answer).ok()? {
            Answer::About(about) => Some(about),
            _ => None,
        }
    }

    fn about(&self) -> About {
        let status = self.group.status();
        About {
            cluster: self.cluster(),
            last_log: status.last_log,
            applied: status.applied,
            visible: self.visible().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command_version: self.command_version(),
            wall_ms: self.clock.wall().0,
            disk_free_bytes: self.disk_free_bytes(),
            disk_reserve_bytes: self.config.disk_reserve_bytes,
            alarms: self.alarms(),
            lease: self.lease(),
        }
    }

    /// Answers a message from another node of the cluster.
    pub async fn answer(self: &Arc<Self>, from: NodeId, message: &[u8]) -> Result<Vec<u8>, AnswerError> {
        let node = Arc::clone(self);
        let application: portcullis_consensus::Application = Arc::new(move |from, body| {
            let node = Arc::clone(&node);
            async move { codec::encode(&node.answer_message(from, &body).await) }.boxed()
        });
        self.group.answer(from, message, &application).await
    }

    /// Takes a note from another node of the cluster.
    pub fn receive(&self, from: NodeId, note: &[u8]) -> Result<(), AnswerError> {
        self.group.receive(from, note)
    }

    async fn answer_message(&self, from: NodeId, body: &[u8]) -> Answer {
        match codec::decode(body) {
            Ok(Message::Write(draft, ticket)) => {
                self.write_as_leader(*draft, ticket.map(|ticket| (from, ticket))).await
            }
            Ok(Message::Administer(change)) => self.administer_as_leader(change).await,
            Ok(Message::About) => Answer::About(self.about()),
            Ok(Message::MayLead) => Answer::MayLead(self.group.may_lead()),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// Waits until the node has failed for good, and says why. The process should then end.
    pub async fn failed(&self) -> String {
        self.group.failed().await
    }
}
