//! What was true at an earlier revision can be asked as long as it is kept, and every node says the same.

use std::collections::BTreeSet;

use portcullis_client::{Client, Error, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use v1::Decision::{Allow, Deny};

use crate::asking::{make_viewer, may_view, views};

/// More changes than a node has versions of in memory, as rounds of writes that are under way together.
const ROUNDS: usize = 13;
const WRITES: usize = 100;

fn at(position: Option<v1::Position>) -> v1::Consistency {
    v1::Consistency { mode: Some(v1::consistency::Mode::AtExact(position.unwrap_or_default().token)) }
}

async fn decision(client: &Client, document: &str, when: &v1::Consistency) -> Result<v1::Decision, Error> {
    let question = v1::CheckRequest { consistency: Some(when.clone()), ..views("alice", document) };
    client.check(question).await.map(|answer| answer.decision())
}

/// What a node lists of a moment, a page at a time.
async fn listed(client: &Client, when: &v1::Consistency) -> Result<BTreeSet<String>, Error> {
    let consistency = Some(when.clone());
    let mut all = BTreeSet::new();
    let mut request =
        v1::ListGrantsRequest { consistency, page_size: 1, active_only: true, ..v1::ListGrantsRequest::default() };
    loop {
        let page = client.list_grants(request.clone()).await?;
        all.extend(page.grants.into_iter().map(|grant| format!("grant {}", grant.id)));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let consistency = Some(when.clone());
    let roles = client.list_roles(v1::ListRolesRequest { consistency, ..v1::ListRolesRequest::default() }).await?;
    all.extend(roles.roles.into_iter().map(|role| format!("role {}: {}", role.id, role.permissions.join(" "))));
    let consistency = Some(when.clone());
    let request = v1::ReadRelationshipsRequest { consistency, ..v1::ReadRelationshipsRequest::default() };
    all.extend(client.read_relationships(request).await?.relationships);
    Ok(all)
}

fn write(operation: v1::relationship_update::Operation, relationship: &str) -> v1::WriteRelationshipsRequest {
    let update = v1::RelationshipUpdate { operation: operation.into(), relationship: relationship.to_owned() };
    v1::WriteRelationshipsRequest { updates: vec![update], ..v1::WriteRelationshipsRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_true_can_be_asked_of_every_node() -> anyhow::Result<()> {
    use v1::relationship_update::Operation::{Create, Delete};
    let mut cluster = Cluster::start_with_spilling_node(3).await?;
    let client = cluster.client(1).clone();
    make_viewer(&client).await?;
    let parent = "document:plan#parent@folder:q3";
    client.write_relationships(write(Create, parent)).await?;
    client.create_grant(requests::grant("alice-q3", "user:alice", "viewer", "folder:q3")).await?;
    let mut short = requests::grant("short", "user:alice", "viewer", "document:memo");
    short.until = Some(v1::create_grant_request::Until::Duration(portcullis_wire::Duration { seconds: 2, nanos: 0 }));
    let before = at(client.create_grant(short).await?.position);
    let revoked = at(client.revoke_grants(requests::revoke("alice-q3")).await?.position);
    client.write_relationships(write(Delete, parent)).await?;
    client
        .delete_role(v1::DeleteRoleRequest { id: "viewer".to_owned(), ..v1::DeleteRoleRequest::default() })
        .await
        .ok();
    let role = v1::UpdateRoleRequest { id: "viewer".to_owned(), ..v1::UpdateRoleRequest::default() };
    client.update_role(role).await?;
    wait::until_true("the grant to end", PATIENCE, async || {
        let get = v1::GetGrantRequest { id: "short".to_owned(), ..v1::GetGrantRequest::default() };
        Ok(client.get_grant(get).await?.grant.unwrap_or_default().state() == v1::grant::State::Ended)
    })
    .await?;

    let compare = async |cluster: &Cluster| -> anyhow::Result<()> {
        for id in 1..=3 {
            let client = cluster.client(id);
            for (document, when, expected) in [
                ("plan", &before, Allow),
                ("plan", &revoked, Deny),
                ("memo", &before, Allow),
                ("memo", &revoked, Allow),
                ("other", &before, Deny),
            ] {
                assert_eq!(decision(client, document, when).await, Ok(expected), "node {id}: {document} at {when:?}");
            }
            let then = ["grant alice-q3", "grant short", "role viewer: document#view", parent].map(str::to_owned);
            assert_eq!(listed(client, &before).await?, BTreeSet::from(then), "node {id}");
        }
        Ok(())
    };
    compare(&cluster).await?;
    // A node that was restarted has nothing of it in memory, and after many changes no node has.
    cluster.kill(2)?;
    cluster.restart(2).await?;
    compare(&cluster).await?;
    for round in 0..ROUNDS {
        let member = |nth: usize| format!("group:g{round}#member@user:u{nth}");
        let writes = (0..WRITES).map(|nth| client.write_relationships(write(Create, &member(nth))));
        futures::future::try_join_all(writes).await?;
    }
    compare(&cluster).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_on_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start_with(3, &["--history-retention-s", "1"]).await?;
    let client = cluster.client(2);
    make_viewer(client).await?;
    let allowed = at(client.create_grant(may_view("alice", "plan")).await?.position);
    let revoked = at(client.revoke_grants(requests::revoke("plan")).await?.position);
    for id in 1..=3 {
        let refused = wait::until("history to go", PATIENCE, async || {
            Ok(decision(cluster.client(id), "plan", &allowed).await.err())
        })
        .await?;
        assert_eq!(refused.reason(), "REVISION_NOT_RETAINED", "node {id}: {refused}");
        assert!(refused.to_string().contains("is no longer kept: history begins at revision "), "{refused}");
        let listed = listed(cluster.client(id), &allowed).await.unwrap_err();
        assert_eq!(listed.reason(), "REVISION_NOT_RETAINED", "node {id}: {listed}");
        assert!(cluster.node(id).gauge("portcullis_history_floor_revision").await? > 0);
    }
    // Where history begins can still be read: it is what was true when the rest became too old.
    assert_eq!(decision(client, "plan", &revoked).await, Ok(Deny));
    // What is left is the same everywhere.
    cluster.agreed_hash().await?;
    cluster.finish()
}
