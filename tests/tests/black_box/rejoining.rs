//! A node that lost its data has forgotten its votes, so it never comes back under its old id.

use portcullis_client::v1;
use portcullis_tests::{Cluster, requests};

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};

/// The exit status of a node that does not start, or is not let in.
const FAILED: i32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_comes_back_under_a_new_id_only() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    cluster.kill(3)?;
    cluster.wipe(3)?;

    cluster.restart_unready(3)?;
    assert_eq!(cluster.until_ended(3).await?.code(), Some(FAILED));
    let said = "a node joined under id 3 before: if it lost its data folder, remove it with `cluster remove-node 3`";
    assert!(cluster.node(3).log().contains(said), "{}", cluster.node(3).log());

    let client = cluster.client_of_all()?;
    client.remove_node(v1::RemoveNodeRequest { id: 3 }).await?;
    cluster.restart_unready(3)?;
    assert_eq!(cluster.until_ended(3).await?.code(), Some(FAILED));
    let said = "node id 3 was used before and is retired: give the node a new id";
    assert!(cluster.node(3).log().contains(said), "{}", cluster.node(3).log());

    cluster.add_node(4, 1).await?;
    cluster.until_ready(4).await?;
    let role = role_of(&cluster, 4).await?;
    assert_eq!(role, Some(v1::NodeRole::Learner), "a node that joins does not vote yet");
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.promote(4).await?;
    assert_eq!(role_of(&cluster, 3).await?, None);
    cluster.agreed_hash().await?;

    // It counts: with it, two of three are a majority.
    let leader = cluster.leader().await?;
    let other = if leader == 4 { 1 } else { leader };
    cluster.kill(other)?;
    cluster.client_of_all()?.revoke_grants(requests::revoke("plan")).await?;
    cluster.leader().await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

async fn role_of(cluster: &Cluster, id: u64) -> anyhow::Result<Option<v1::NodeRole>> {
    let status = cluster.client(1).status(v1::StatusRequest {}).await?;
    Ok(status.nodes.iter().find(|node| node.id == id).map(v1::Node::role))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_join_may_be_repeated_by_who_made_it() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let request = |key: &str| v1::JoinRequest {
        id: 2,
        peer: "127.0.0.1:1".to_owned(),
        client: "127.0.0.1:2".to_owned(),
        command_version: u32::MAX,
        idempotency_key: key.to_owned(),
        ..v1::JoinRequest::default()
    };
    let first = cluster.client(1).join(request("one")).await?;
    assert_eq!(cluster.client(1).join(request("one")).await?, first);
    for key in ["another", ""] {
        let refused = cluster.client(1).join(request(key)).await.unwrap_err();
        assert!(refused.to_string().contains("a node joined under id 2 before"), "{refused}");
    }
    cluster.client(1).remove_node(v1::RemoveNodeRequest { id: 2 }).await?;
    let refused = cluster.client(1).join(request("one")).await.unwrap_err();
    assert!(refused.to_string().contains("node id 2 was used before and is retired"), "{refused}");
    cluster.finish()
}
