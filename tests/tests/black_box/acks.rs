//! When writes are answered: once they are visible everywhere, or, where they only add, once they cannot be lost.

use std::time::Duration;

use portcullis_client::{Kind, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use v1::Decision::{Allow, Deny};
use v1::relationship_update::Operation::{Delete, Touch};

use crate::asking::{assert_allowed, make_viewer, may_view, views};
use crate::lease_config::lengthen_leases;

/// Shorter than what is left of a lease when its holder is gone.
const SHORT: Duration = Duration::from_secs(5);

fn by_quorum() -> v1::WriteOptions {
    v1::WriteOptions { ack: v1::Ack::Quorum.into(), ..v1::WriteOptions::default() }
}

fn update(operation: v1::relationship_update::Operation, relationship: &str) -> v1::RelationshipUpdate {
    v1::RelationshipUpdate { operation: operation.into(), relationship: relationship.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_only_adds_need_not_wait_for_holders() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let written = cluster.client(1).create_grant(may_view("alice", "plan")).await?.position.unwrap_or_default();
    assert_eq!(written.acked(), v1::Ack::Everywhere);
    assert!(written.visible_after.is_some(), "{written:?}");

    lengthen_leases(&cluster).await?;
    let (leader, followers) = (cluster.leader().await?, cluster.followers().await?);
    // Through the leader and through another node, while a holder keeps everything from becoming visible.
    let (frozen, gateway) = (followers[0], followers[1]);
    cluster.pause(frozen)?;
    for node in [leader, gateway] {
        let client = cluster.node(node).client_within(SHORT)?;
        let document = format!("draft-{node}");
        let grant = v1::CreateGrantRequest { options: Some(by_quorum()), ..may_view("alice", &document) };
        let created = client.create_grant(grant.clone()).await?;
        let position = created.position.unwrap_or_default();
        assert_eq!((position.acked(), position.visible_after), (v1::Ack::Quorum, None));
        assert_eq!(created.grant.map(|grant| grant.id).as_deref(), Some(document.as_str()));

        // The next one is decided by what came before it, shown or not.
        let again = client.create_grant(v1::CreateGrantRequest { role: "viewer".to_owned(), ..grant }).await;
        assert_eq!(again.expect_err("it exists").kind(), Kind::AlreadyExists);
        let nobody = v1::CreateGrantRequest {
            options: Some(by_quorum()),
            ..requests::grant("x", "user:a", "nobody", "document:x")
        };
        let missing = client.create_grant(nobody).await.expect_err("there is no such role");
        assert_eq!(missing.kind(), Kind::NotFound, "{missing}");

        // Nothing shows it yet.
        let consistency = Some(v1::Consistency { mode: Some(v1::consistency::Mode::FailClosed(true)) });
        let closed = client.check(v1::CheckRequest { consistency, ..views("alice", &document) }).await?;
        assert_eq!(closed.decision(), Deny);
        let any_age = requests::question_of_any_age("user:alice", "view", &format!("document:{document}"));
        assert_eq!(client.check(any_age).await?.decision(), Deny);
    }
    cluster.resume(frozen)?;
    for node in [leader, gateway] {
        wait::until_true("the grant to be visible", PATIENCE, async || {
            let answer = cluster.client(leader).check(views("alice", &format!("draft-{node}"))).await?;
            Ok(answer.decision() == Allow)
        })
        .await?;
        assert_allowed(&cluster, &views("alice", &format!("draft-{node}"))).await;
    }
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_may_take_away_waits_for_holders_whatever_is_asked() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client(1);
    make_viewer(client).await?;
    client.create_grant(may_view("alice", "plan")).await?;
    let revoke = v1::RevokeGrantsRequest { options: Some(by_quorum()), ..requests::revoke("plan") };
    let delete = update(Delete, "group:g#member@user:a");
    let updates = vec![update(Touch, "group:g#member@user:b"), delete];
    let mixed = v1::WriteRelationshipsRequest { updates, options: Some(by_quorum()), ..<_>::default() };
    let tenant = v1::DeleteTenantRequest { id: "none".to_owned(), options: Some(by_quorum()) };
    let role = v1::UpdateRoleRequest { id: "viewer".to_owned(), options: Some(by_quorum()), ..<_>::default() };
    for refused in [
        client.revoke_grants(revoke).await.map(|_| ()),
        client.write_relationships(mixed).await.map(|_| ()),
        client.delete_tenant(tenant).await.map(|_| ()),
        client.update_role(role).await.map(|_| ()),
    ] {
        let error = refused.expect_err("it may take away");
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(error.to_string().contains("is for writes that only add"), "{error}");
    }
    assert_allowed(&cluster, &views("alice", "plan")).await;
    let updates = vec![update(Touch, "group:g#member@user:b")];
    let adds = v1::WriteRelationshipsRequest { updates, options: Some(by_quorum()), ..<_>::default() };
    assert_eq!(client.write_relationships(adds).await?.created, 1);
    let unknown = Some(v1::WriteOptions { ack: 7, ..v1::WriteOptions::default() });
    let error = client.create_grant(v1::CreateGrantRequest { options: unknown, ..may_view("a", "b") }).await;
    assert!(error.expect_err("there is no such value").to_string().contains("`7` is not known"));
    cluster.finish()
}
