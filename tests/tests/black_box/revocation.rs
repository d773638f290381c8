//! Once a change is acknowledged, every node shows it.

use portcullis_client::v1;
use portcullis_tests::{Cluster, requests};

use crate::asking::{VIEWER, assert_allowed, assert_denied, make_viewer, may_view, views};

/// Grants that are made and revoked.
const ROUNDS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_revocation_no_node_says_yes() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    make_viewer(cluster.client(2)).await?;
    for round in 0..ROUNDS {
        let document = format!("plan-{round}");
        let question = views("alice", &document);
        assert_denied(&cluster, &question).await;
        cluster.client(1 + round % 3).create_grant(may_view("alice", &document)).await?;
        assert_allowed(&cluster, &question).await;
        let revoked = cluster.client(1 + (round + 1) % 3).revoke_grants(requests::revoke(&document)).await?;
        assert_eq!(revoked.ids, [document]);
        assert_denied(&cluster, &question).await;
    }
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_lose_access_is_seen_by_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    let [one, two, three] = [1, 2, 3].map(|id| cluster.client(id).clone());
    make_viewer(&one).await?;
    two.write_relationships(touch(&["group:eng#member@user:bob", "document:plan#parent@folder:q3"])).await?;
    let question = views("bob", "plan");

    three.create_grant(requests::grant("", "group:eng#member", VIEWER, "folder:q3")).await?;
    assert_allowed(&cluster, &question).await;
    let filter = |resource_type: &str| v1::DeleteRelationshipsRequest {
        filter: Some(v1::RelationshipFilter { resource_type: resource_type.to_owned(), ..<_>::default() }),
        ..v1::DeleteRelationshipsRequest::default()
    };

    // The user leaves the group.
    assert_eq!(one.delete_relationships(filter("group")).await?.deleted, 1);
    assert_denied(&cluster, &question).await;
    two.write_relationships(touch(&["group:eng#member@user:bob"])).await?;
    assert_allowed(&cluster, &question).await;

    // One of the nodes that answered reads relationships from the disk.
    assert_eq!(cluster.node(3).gauge("portcullis_spilled_tenants").await?, 1);

    // The document leaves the folder.
    assert_eq!(three.delete_relationships(filter("document")).await?.deleted, 1);
    assert_denied(&cluster, &question).await;
    one.write_relationships(touch(&["document:plan#parent@folder:q3"])).await?;
    assert_allowed(&cluster, &question).await;

    // The role loses the permission.
    let other = v1::UpdateRoleRequest {
        id: VIEWER.to_owned(),
        permissions: vec!["document#list".to_owned()],
        ..v1::UpdateRoleRequest::default()
    };
    two.update_role(other.clone()).await?;
    assert_denied(&cluster, &question).await;
    three.update_role(v1::UpdateRoleRequest { permissions: vec!["document#*".to_owned()], ..other }).await?;
    assert_allowed(&cluster, &question).await;

    // Every grant on the folder is revoked.
    let folder = v1::GrantFilter { scope: "folder:q3".to_owned(), ..v1::GrantFilter::default() };
    let all = v1::RevokeGrantsByFilterRequest { filter: Some(folder), ..v1::RevokeGrantsByFilterRequest::default() };
    assert_eq!(one.revoke_grants_by_filter(all).await?.ids.len(), 1);
    assert_denied(&cluster, &question).await;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_know_nothing_of_each_other() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client(1);
    let other = client.for_tenant("other");
    client.create_tenant(v1::CreateTenantRequest { id: "other".to_owned(), options: None }).await?;
    make_viewer(client).await?;
    client.create_grant(may_view("alice", "plan")).await?;
    assert_eq!(other.check(views("alice", "plan")).await?.decision(), v1::Decision::Deny);
    assert!(other.list_roles(v1::ListRolesRequest::default()).await?.roles.is_empty());
    let missing = other.create_grant(may_view("alice", "plan")).await.unwrap_err();
    assert_eq!(missing.reason(), "ROLE_NOT_FOUND");
    cluster.finish()
}

fn touch(relationships: &[&str]) -> v1::WriteRelationshipsRequest {
    let update = |relationship: &&str| v1::RelationshipUpdate {
        operation: v1::relationship_update::Operation::Touch.into(),
        relationship: (*relationship).to_owned(),
    };
    let updates = relationships.iter().map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}
