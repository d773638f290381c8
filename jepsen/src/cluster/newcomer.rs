//! Nodes that come while the cluster runs, and nodes that go. An id is never used again.

use std::time::Duration;

use portcullis_client::{Client, v1};

use super::{Cluster, wait};
use crate::history::Alarm;

/// How long one call about the membership may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a change may take that is asked for again and again while faults go on, and when they are over.
pub const CHANGE_PATIENCE: Duration = Duration::from_secs(90);

impl Cluster {
    /// Starts one more node, which asks to be let in, and returns its id.
    pub fn add_node(&mut self) -> anyhow::Result<u64> {
        let id = self.network.add(self.nodes.len() as u64)?;
        self.place(id)?;
        self.restart(id)?;
        Ok(id)
    }

    /// Takes a node for one that is out of the cluster, or about to be: it is never started again, and asked nothing.
    pub fn retire(&mut self, id: u64, why: &str) {
        self.node_mut(id).retired = Some(why.to_owned());
    }

    /// Why nodes are out of the cluster.
    pub fn retired(&self) -> Vec<(u64, String)> {
        self.nodes.iter().filter_map(|node| Some((node.id, node.retired.clone()?))).collect()
    }

    /// Notes that a node did what it must not.
    pub fn alarm(&mut self, node: u64, what: String) {
        self.alarms.push(Alarm { node, what });
    }

    /// A client for changes of the cluster.
    pub fn changes(&self) -> anyhow::Result<Client> {
        self.client_of_all(CALL_TIMEOUT)
    }
}

/// Lets a node vote that asks to be let in, however often it takes.
pub async fn let_vote(client: &Client, id: u64) -> anyhow::Result<()> {
    wait::until_true(&format!("node {id} to vote"), CHANGE_PATIENCE, async || {
        let Ok(status) = client.status(v1::StatusRequest {}).await else { return Ok(false) };
        let role = status.nodes.iter().find(|node| node.id == id).map(v1::Node::role);
        if role == Some(v1::NodeRole::Learner) {
            // Only one change can be under way, so a refusal now means nothing.
            let _ = client.promote_node(v1::PromoteNodeRequest { id }).await;
        }
        Ok(matches!(role, Some(v1::NodeRole::Leader | v1::NodeRole::Follower)))
    })
    .await
}

/// Lets a node go for good, however often it takes.
pub async fn let_go(client: &Client, id: u64) -> anyhow::Result<()> {
    wait::until_true(&format!("node {id} to be out of the cluster"), CHANGE_PATIENCE, async || {
        // Whether this one did it, or an earlier one that was not answered, is seen in the status.
        let _ = client.remove_node(v1::RemoveNodeRequest { id }).await;
        let Ok(status) = client.status(v1::StatusRequest {}).await else { return Ok(false) };
        Ok(status.leader != 0 && status.leader != id && status.nodes.iter().all(|node| node.id != id))
    })
    .await
}
