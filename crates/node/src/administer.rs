//! Changes of the cluster.

use std::time::Duration;

use portcullis_consensus::{Ack, MembershipError, NodeRole, NodeStatus, Peer};
use portcullis_fault::Point;
use portcullis_machine::command::AdmitByToken;
use portcullis_model::{
    Actor, Authority, ClusterId, IdempotencyKey, NodeId, Region, Subject, TenantId, Trust, Verified,
};
use portcullis_storage::codec;
use tokio::time::Instant;

use crate::draft::{Action, Draft};
use crate::internal::{Answer, Change, Message};
use crate::node::Node;
use crate::view::ViewError;
use crate::write::WriteError;

/// How long a change waits before it looks for a leader again.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// How long a voter may take to lead before it is asked again.
const TRANSFER_PAUSE: Duration = Duration::from_millis(250);
/// How long leadership waits for a voter that may take it.
const CANDIDATE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a voter may take to say whether it may lead.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a node that is let in waits for another change of the membership to be done.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(4);

/// Why the cluster was not changed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdministerError {
    /// There is no cluster yet. A retry is safe, and helps once there is one.
    #[error("this node belongs to no cluster yet: run `cluster init` on the first node")]
    NotInitialised,
    /// It was initialised before.
    #[error("the cluster is initialised already")]
    Initialised,
    /// The change makes no sense now.
    #[error("{0}")]
    Refused(String),
    /// No leader was found in time.
    #[error("no leader was found in time: the cluster has lost its majority, or is electing")]
    NoLeader,
    /// It may or may not have been done.
    #[error("the outcome is unknown: see `cluster status`; {0}")]
    Unknown(String),
}

/// A node that asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Its id, never used before.
    pub id: NodeId,
    /// Where its listeners for other nodes and for clients are reached.
    pub addresses: (String, String),
    /// Its region.
    pub region: Option<Region>,
    /// The newest version of commands that it carries out.
    pub command_version: u32,
    /// What it asks again under.
    pub key: Option<IdempotencyKey>,
    /// What lets it in, where nodes prove who they are.
    pub admission: Option<AdmitByToken>,
}

impl Node {
    /// Makes a cluster of this node alone: of a certain identity, whose nodes prove who they are, if it is `founded` so.
    pub async fn initialise(
        &self,
        founded: Option<(ClusterId, Authority)>,
        deadline: Instant,
    ) -> Result<ClusterId, AdministerError> {
        let (identity, authority) = founded.unzip();
        // A node that died between these steps goes on where it stopped.
        let cluster = if let Some(cluster) = self.cluster() {
            cluster
        } else {
            let identity = identity.unwrap_or_else(|| ClusterId(self.entropy.bytes()));
            self.adopt(identity).map_err(AdministerError::Refused)?
        };
        let peer = Peer {
            peer: self.config.peer.clone(),
            client: self.config.client.clone(),
            region: self.config.region.clone(),
        };
        match self.group.initialise(peer).await {
            Ok(()) | Err(MembershipError::Initialised) => {}
            Err(error) => return Err(AdministerError::Refused(error.to_string())),
        }
        let initialised = match self.write(self.own_draft(Action::Initialise(cluster, self.id())), deadline).await {
            Ok(_) => {
                // Nobody else has to be able to follow yet.
                self.raise_version(std::iter::empty()).await;
                Ok(cluster)
            }
            Err(WriteError::Refused { .. }) => Err(AdministerError::Initialised),
            Err(error) => return Err(not_written(error)),
        };
        if let Some(authority) = authority {
            self.install_first(authority, deadline).await?;
        }
        initialised
    }

    /// Has the cluster trust its first authority, unless it does.
    async fn install_first(&self, authority: Authority, deadline: Instant) -> Result<(), AdministerError> {
        let trust = self.trust(deadline).await.map_err(|error| AdministerError::Unknown(error.to_string()))?;
        if !trust.authorities.is_empty() {
            return Ok(());
        }
        let draft = self.own_draft(Action::InstallAuthority(Box::new(authority)));
        self.write(draft, deadline).await.map(|_| ()).map_err(not_written)
    }

    /// Who signs certificates of nodes, and who may become one: as fresh as can be.
    pub async fn trust(&self, deadline: Instant) -> Result<Trust, ViewError> {
        self.prove_fresh(deadline).await?;
        self.trust_here()
    }

    /// The same as this node knows it.
    pub fn trust_here(&self) -> Result<Trust, ViewError> {
        self.reader.trust().map_err(|error| ViewError::failed(&error))
    }

    /// Lets a node in that asks for it, as a learner, and returns the cluster that it now belongs to. With a key it may ask again.
    pub async fn join(&self, newcomer: Newcomer, deadline: Instant) -> Result<ClusterId, AdministerError> {
        // The state and not the node's own file: the first node has that before the cluster can let anybody in.
        let cluster = self.reader.cluster().map_err(|error| AdministerError::Unknown(error.to_string()))?;
        let cluster = cluster.ok_or(AdministerError::NotInitialised)?;
        let Newcomer { id, addresses: (peer, client), region, command_version, key, admission } = newcomer;
        let change = match key {
            key if let Some(admission) = admission => {
                Change::JoinByToken { id, peer, client, region, command_version, key, admission }
            }
            Some(key) => Change::JoinUnder { id, peer, client, region, command_version, key },
            None => Change::Join { id, peer, client, region, command_version },
        };
        self.administer(change, deadline).await?;
        Ok(cluster)
    }

    /// Adds a node as a learner before it asks.
    pub async fn add_node(
        &self,
        id: NodeId,
        (peer, client): (String, String),
        region: Option<Region>,
        deadline: Instant,
    ) -> Result<(), AdministerError> {
        self.administer(Change::AddNode { id, peer, client, region }, deadline).await.map(|_| ())
    }

    /// Lets a learner vote.
    pub async fn promote(&self, id: NodeId, deadline: Instant) -> Result<(), AdministerError> {
        self.administer(Change::Promote { id }, deadline).await.map(|_| ())
    }

    /// Removes a node for good.
    pub async fn remove(&self, id: NodeId, deadline: Instant) -> Result<(), AdministerError> {
        self.administer(Change::Remove { id }, deadline).await.map(|_| ())
    }

    /// Hands leadership to another voter, and returns who leads then. Asks again while nothing happens: a voter that was
    /// restarted a moment ago takes no part in elections yet, and lets the request fall.
    pub async fn transfer_leader(&self, to: Option<NodeId>, deadline: Instant) -> Result<NodeId, AdministerError> {
        let before = self.leader();
        let asked = self.administer(Change::TransferLeader { to }, deadline).await?;
        let mut ask_again = Instant::now() + TRANSFER_PAUSE;
        loop {
            let leader = self.leader();
            match leader {
                Some(leader) if leader == asked => return Ok(leader),
                // Whoever it was handed to, the leader that is to go has gone.
                Some(leader) if to.is_none() && before.is_some_and(|before| before != leader) => return Ok(leader),
                Some(_) | None => {}
            }
            if Instant::now() >= deadline {
                return Err(AdministerError::Unknown(format!("node {asked} does not lead yet")));
            }
            if leader.is_some() && Instant::now() >= ask_again {
                self.administer(Change::TransferLeader { to: Some(asked) }, deadline).await?;
                ask_again = Instant::now() + TRANSFER_PAUSE;
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    async fn administer(&self, change: Change, deadline: Instant) -> Result<NodeId, AdministerError> {
        loop {
            let answer = match self.group.leader() {
                None => Answer::NotLeader,
                Some((leader, _)) if leader == self.id() => self.administer_as_leader(change.clone()).await,
                Some((leader, peer)) => {
                    let message = codec::encode(&Message::Administer(change.clone()));
                    let timeout = deadline.saturating_duration_since(Instant::now());
                    let answer = self.group.call(leader, &peer, message, timeout).await;
                    let answer = answer.map_err(|error| AdministerError::Unknown(error.to_string()))?;
                    codec::decode(&answer).map_err(|error| AdministerError::Unknown(error.to_string()))?
                }
            };
            match answer {
                Answer::Administered(leader) => return Ok(leader),
                Answer::Failed(why) => return Err(AdministerError::Refused(why)),
                Answer::ClockDeviates(by_ms) => {
                    return Err(AdministerError::Refused(format!("the clock of the leader is {by_ms} ms wrong")));
                }
                Answer::Unknown
                | Answer::Wrote(_)
                | Answer::About(_)
                | Answer::MayLead(_)
                | Answer::LowDisk(_)
                | Answer::TooManyPending(_) => {
                    return Err(AdministerError::Unknown("the leader changed meanwhile".to_owned()));
                }
                Answer::NotLeader if Instant::now() >= deadline => return Err(AdministerError::NoLeader),
                Answer::NotLeader => tokio::time::sleep(LEADER_PAUSE).await,
            }
        }
    }

    pub(crate) async fn administer_as_leader(&self, change: Change) -> Answer {
        let done = match change {
            Change::Join { id, peer, client, region, command_version } => {
                let (peer, draft) = (Peer { peer, client, region }, self.own_draft(Action::AdmitNode(id)));
                return self.join_as_leader(id, peer, command_version, draft).await;
            }
            Change::JoinUnder { id, peer, client, region, command_version, key } => {
                let peer = Peer { peer, client, region };
                let draft = Draft { idempotency_key: Some(key), ..self.own_draft(Action::AdmitNode(id)) };
                return self.join_as_leader(id, peer, command_version, draft).await;
            }
            Change::JoinByToken { id, peer, client, region, command_version, key, admission } => {
                let peer = Peer { peer, client, region };
                let draft = Draft { idempotency_key: key, ..self.own_draft(Action::AdmitByToken(admission)) };
                return self.join_as_leader(id, peer, command_version, draft).await;
            }
            Change::AddNode { id, peer, client, region } => match self.refuse_retired(id) {
                None => self.group.add_learner(id, Peer { peer, client, region }).await,
                Some(failed) => return failed,
            },
            Change::Promote { id } => {
                let promoted = self.group.promote(id).await;
                self.points.wait(Point::MembershipPromoted).await;
                promoted
            }
            Change::Remove { id } => return self.remove_as_leader(id).await,
            Change::TransferLeader { to } => return self.transfer_as_leader(to).await,
        };
        self.administered(done)
    }

    /// The id is taken before the node becomes a member, so that no second node can come under it. Whoever asks again under the
    /// same key is the same.
    async fn join_as_leader(&self, id: NodeId, peer: Peer, version: u32, draft: Draft) -> Answer {
        if let Err(why) = self.check_version(id, version) {
            return Answer::Failed(why);
        }
        match self.write_as_leader(draft, None).await {
            Answer::Wrote(proposed) => {
                if let Err(refusal) = proposed.reply.result {
                    return Answer::Failed(refusal.to_string());
                }
            }
            other => return other,
        }
        // A request that comes again is told what was so when it first came: the node may have been removed since.
        if let Some(failed) = self.refuse_retired(id) {
            return failed;
        }
        self.points.wait(Point::MembershipAdmitted).await;
        let added = self.add_admitted(id, peer).await;
        self.points.wait(Point::MembershipAdded).await;
        match added {
            // Somebody has added it before it asked.
            Err(MembershipError::Member(_)) => self.administered(Ok(())),
            done => self.administered(done),
        }
    }

    fn refuse_retired(&self, id: NodeId) -> Option<Answer> {
        match self.reader.is_retired(id) {
            Ok(false) => None,
            Ok(true) => Some(Answer::Failed(format!("node id {id} was used before and is retired: take a new one"))),
            Err(error) => Some(Answer::Failed(error.to_string())),
        }
    }

    /// Nodes that are started together ask together, and only one change can be under way. The id of this one is taken
    /// already, so it cannot ask again: it waits here.
    async fn add_admitted(&self, id: NodeId, peer: Peer) -> Result<(), MembershipError> {
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        loop {
            match self.group.add_learner(id, peer.clone()).await {
                Err(MembershipError::InProgress) if Instant::now() < deadline => {
                    tokio::time::sleep(LEADER_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// The id is used up before the node goes, so that it can never come back under it.
    async fn remove_as_leader(&self, id: NodeId) -> Answer {
        if !self.group.status().nodes.iter().any(|node| node.id == id) {
            return Answer::Failed(MembershipError::NotMember(id).to_string());
        }
        match self.write_as_leader(self.own_draft(Action::RetireNode(id)), None).await {
            // A removal that died half-way has used the id up already.
            Answer::Wrote(_) => {
                self.points.wait(Point::MembershipRetired).await;
                self.wait_for_lease_end(id).await;
                self.points.wait(Point::MembershipBeforeRemoval).await;
                let removed = self.group.remove(id).await;
                self.points.wait(Point::MembershipRemoved).await;
                self.administered(removed)
            }
            other => other,
        }
    }

    /// A node that is no member cannot be asked to give back its lease, so it goes only once it has none (R10). Its id is
    /// used up, so it gets no other.
    async fn wait_for_lease_end(&self, id: NodeId) {
        while self.group.status().leads && self.group.may_hold_lease(id) {
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    async fn transfer_as_leader(&self, to: Option<NodeId>) -> Answer {
        if to == Some(self.id()) {
            return Answer::Administered(self.id());
        }
        let deadline = Instant::now() + CANDIDATE_TIMEOUT;
        loop {
            let mut voters = self.group.status().nodes;
            voters.retain(|node| node.role == NodeRole::Follower && to.is_none_or(|to| to == node.id));
            voters.sort_by_key(|node| std::cmp::Reverse(node.matched));
            if voters.is_empty() {
                return Answer::Failed("there is no such voter to lead: see `cluster status`".to_owned());
            }
            let mut able = None;
            for voter in voters {
                if self.may_lead(&voter).await {
                    able = Some(voter.id);
                    break;
                }
            }
            match able {
                Some(to) => {
                    return match self.group.transfer_leader(to).await {
                        Ok(()) => Answer::Administered(to),
                        Err(error) => Answer::Failed(error.to_string()),
                    };
                }
                None if Instant::now() >= deadline => {
                    return Answer::Failed("no voter that could lead takes part in elections now".to_owned());
                }
                None => tokio::time::sleep(LEADER_PAUSE).await,
            }
        }
    }

    /// Asks a voter whether it may lead. Once leadership is on its way no write is taken, so it is not sent to one that was
    /// started a moment ago and cannot take it. A node that does not know the question is taken to be able.
    async fn may_lead(&self, voter: &NodeStatus) -> bool {
        let message = codec::encode(&Message::MayLead);
        let answer = self.group.call(voter.id, &voter.peer, message, ASK_TIMEOUT).await.ok();
        match answer.and_then(|answer| codec::decode(&answer).ok()) {
            Some(Answer::MayLead(may)) => may,
            Some(_) => true,
            None => false,
        }
    }

    fn administered(&self, done: Result<(), MembershipError>) -> Answer {
        match done {
            Ok(()) => Answer::Administered(self.id()),
            Err(MembershipError::NotLeader { .. }) => Answer::NotLeader,
            Err(MembershipError::Unknown | MembershipError::Stopped) => Answer::Unknown,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// A write that the node itself makes, in the tenant `system`.
    pub(crate) fn own_draft(&self, action: Action) -> Draft {
        let caller: Subject = format!("node:{}", self.id()).parse().expect("INVARIANT: a node id is a subject");
        Draft {
            tenant: TenantId::system(),
            actor: Actor { caller, on_behalf_of: None, verified: Verified::Internal },
            reason: None,
            idempotency_key: None,
            preconditions: Vec::new(),
            ack: Ack::Everywhere,
            action,
        }
    }
}

fn not_written(error: WriteError) -> AdministerError {
    match error {
        WriteError::NoLeader => AdministerError::NoLeader,
        WriteError::Refused { refusal, .. } => AdministerError::Refused(refusal.to_string()),
        error => AdministerError::Unknown(error.to_string()),
    }
}
