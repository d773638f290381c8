//! The nodes of a simulation become a cluster, as an operator would have them become one.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::NodeRole;
use portcullis_machine::VERSION_SUPPORTED;
use portcullis_model::NodeId;
use portcullis_node::{Newcomer, Node};
use tokio::time::Instant;

use crate::client::{draft, role};
use crate::host::{Host, name};
use crate::network::PEER_PORT;
use crate::time::pass;
use crate::world::{Phase, World};

/// How long one step may take before it is tried again.
const STEP: Duration = Duration::from_secs(2);
/// How often it is looked whether there is a cluster to join.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Has a node take part in making the cluster, if there is none yet.
pub(crate) fn take_part(world: &Arc<World>, host: &Arc<Host>, node: &Arc<Node>) {
    if world.phase() != Phase::Forming {
        return;
    }
    let (world, node) = (Arc::clone(world), Arc::clone(node));
    if host.id == 1 {
        tokio::spawn(async move { lead(&world, &node).await });
    } else {
        tokio::spawn(async move {
            let cluster = loop {
                match world.cluster() {
                    Some(cluster) => break cluster,
                    None => pass(LOOK_EVERY).await,
                }
            };
            node.adopt(cluster).expect("INVARIANT: a new node belongs to no cluster");
        });
    }
}

async fn lead(world: &World, node: &Node) {
    let deadline = || Instant::now() + STEP;
    let cluster = node.initialise(None, deadline()).await.expect("the first node makes a cluster");
    for id in world.shape.nodes().skip(1) {
        let addresses = (format!("{}:{PEER_PORT}", name(id)), format!("{}:{}", name(id), PEER_PORT + 1));
        let region = world.shape.region(id);
        let newcomer = Newcomer {
            id: NodeId(id),
            addresses,
            region,
            command_version: VERSION_SUPPORTED,
            key: None,
            admission: None,
        };
        let joined = node.join(newcomer, deadline()).await;
        joined.expect("a new node is let in");
        // From here on it may answer, and the next can only be let in once it does.
        world.formed_as(cluster);
    }
    world.formed_as(cluster);
    for id in 2..=world.shape.voters {
        while !votes(node, id) {
            // Only one change can be under way, and a node that has not caught up is refused.
            let _ = node.promote(NodeId(id), deadline()).await;
            pass(LOOK_EVERY).await;
        }
    }
    let made = node.write(draft(role()), deadline()).await;
    made.expect("the role is made");
    while !holds_leases(world) {
        pass(LOOK_EVERY).await;
    }
    world.begin(Phase::Asking);
}

fn votes(node: &Node, id: u64) -> bool {
    node.group_status().nodes.iter().any(|member| member.id == NodeId(id) && member.role != NodeRole::Learner)
}

fn holds_leases(world: &World) -> bool {
    world.hosts.values().all(|host| host.node().is_some_and(|node| node.lease().epoch.is_some()))
}
