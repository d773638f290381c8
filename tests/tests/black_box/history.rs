//! What was true at an earlier revision can be asked as long as it is kept, and every node says the same.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use portcullis_client::{Client, Error, Kind, v1};
use portcullis_model::Timestamp;
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use portcullis_wire::{timestamp, wire_timestamp};
use v1::Decision::{Allow, Deny};

use crate::asking::{VIEWER, make_viewer, may_view, views};
use crate::shell::run_in;

/// More changes than a node has versions of in memory, as rounds of writes that are under way together.
const ROUNDS: usize = 13;
const WRITES: usize = 100;
/// How long a node that is alone is asked.
const SHORT: Duration = Duration::from_secs(2);

fn at(position: Option<v1::Position>) -> v1::Consistency {
    v1::Consistency { mode: Some(v1::consistency::Mode::AtExact(position.unwrap_or_default().token)) }
}

fn at_time(time: Timestamp) -> v1::Consistency {
    v1::Consistency { mode: Some(v1::consistency::Mode::AtExactTime(wire_timestamp(time))) }
}

/// The reading of this machine's clock, which is that of all nodes.
fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Timestamp(i64::try_from(since.as_millis())?))
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

/// Makes grants on `draft` until one is made later than `time`, and returns when that was.
async fn later_than(client: &Client, time: Timestamp) -> anyhow::Result<Timestamp> {
    wait::until("the clock to go on", PATIENCE, async || {
        let grant = requests::grant("", "user:carol", VIEWER, "document:draft");
        let made = made_at(client.create_grant(grant).await?.grant)?;
        Ok((made > time).then_some(made))
    })
    .await
}

fn made_at(grant: Option<v1::Grant>) -> anyhow::Result<Timestamp> {
    let at = grant.and_then(|grant| grant.granted_at).context("when it was made")?;
    Ok(timestamp("granted_at", &at)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_true_at_a_time_can_be_asked_of_every_node() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client(1).clone();
    make_viewer(&client).await?;
    let early = later_than(&client, Timestamp::MIN).await?;
    let early = later_than(&client, early).await?.minus_ms(1);
    let granted = made_at(client.create_grant(may_view("alice", "plan")).await?.grant)?;
    later_than(&client, granted.plus_ms(1)).await?;
    client.revoke_grants(requests::revoke("plan")).await?;
    let get = v1::GetGrantRequest { id: "plan".to_owned(), ..v1::GetGrantRequest::default() };
    let revoked =
        client.get_grant(get.clone()).await?.grant.and_then(|grant| grant.ended_at).context("when it ended")?;
    let revoked = timestamp("ended_at", &revoked)?;
    let idle = now()?;
    for id in 1..=3 {
        let client = cluster.client(id);
        for (time, expected) in
            [(early, Deny), (granted, Allow), (revoked.minus_ms(1), Allow), (revoked, Deny), (idle, Deny)]
        {
            let when = at_time(time);
            let question = v1::CheckRequest { consistency: Some(when.clone()), ..views("alice", "plan") };
            let answer = client.check(question).await?;
            assert_eq!(answer.decision(), expected, "node {id} at {time}");
            // With the token that it carries it is asked again, and so are lists.
            let position = answer.evaluation.unwrap_or_default().position;
            assert_eq!(decision(client, "plan", &at(position.clone())).await, Ok(expected), "node {id} at {time}");
            assert_eq!(listed(client, &when).await?, listed(client, &at(position)).await?, "node {id} at {time}");
            let is_there = listed(client, &when).await?.contains("grant plan");
            assert_eq!(is_there, expected == Allow, "node {id} at {time}");
        }
        let get = v1::GetGrantRequest { consistency: Some(at_time(early)), ..get.clone() };
        assert_eq!(client.get_grant(get).await.unwrap_err().kind(), Kind::NotFound);
    }

    // What has no history, and what is no moment of it.
    let tenants = v1::ListTenantsRequest { consistency: Some(at_time(early)), ..v1::ListTenantsRequest::default() };
    let refused = client.list_tenants(tenants).await.unwrap_err();
    assert!(refused.to_string().contains("consistency.at_exact_time"), "{refused}");
    for (time, reason, says) in [
        (now()?.plus_ms(60_000), "TIME_NOT_OVER", "is not over"),
        (Timestamp::MAX, "TIME_NOT_OVER", "ask for an earlier time"),
        (Timestamp::MIN, "TIME_NOT_RETAINED", "history begins at 20"),
        (early.minus_ms(3_600_000), "TIME_NOT_RETAINED", "ask for that time or a later one"),
    ] {
        let refused = decision(&client, "plan", &at_time(time)).await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(listed(&client, &at_time(time)).await.unwrap_err().reason(), reason);
    }

    // A node that is alone knows what was true at a time behind which it has seen something, and nothing of any other.
    let (alone, others) = (cluster.followers().await?[0], cluster.up());
    for id in others.into_iter().filter(|id| *id != alone) {
        cluster.kill(id)?;
    }
    let client = cluster.node(alone).client_within(SHORT)?;
    assert_eq!(decision(&client, "plan", &at_time(granted)).await, Ok(Allow));
    assert_eq!(decision(&client, "plan", &at_time(idle)).await, Ok(Deny));
    let refused = decision(&client, "plan", &at_time(now()?)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (Kind::Unavailable, "TIME_NOT_SETTLED"), "{refused}");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_asks_for_a_revision_a_token_or_a_time() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client(1);
    make_viewer(client).await?;
    let granted = client.create_grant(may_view("alice", "plan")).await?;
    let (made, position) = (made_at(granted.grant)?, granted.position.unwrap_or_default());
    later_than(client, made).await?;
    client.revoke_grants(requests::revoke("plan")).await?;
    let environment = [("PORTCULLIS_ENDPOINT", cluster.node(1).client_address.as_str())];
    let run = async |args: &[&str]| run_in(&environment, args).await;
    let here = made.to_string();
    let elsewhere = here.replace('Z', "+00:00");
    for at in [here.as_str(), &elsewhere, &position.revision.to_string(), &position.token] {
        let ran = run(&["check", "user:alice", "view", "document:plan", "--at", at]).await?;
        assert_eq!(ran.status, Some(0), "--at {at}: {ran:?}");
        assert!(run(&["grants", "list", "--active", "--at", at]).await?.done().contains("user:alice"), "--at {at}");
        let found = run(&["lookup", "resources", "user:alice", "view", "document", "--at", at]).await?;
        assert_eq!(found.done(), "document:plan\n", "--at {at}");
    }
    assert_eq!(run(&["check", "user:alice", "view", "document:plan"]).await?.status, Some(1));
    for (at, says) in [
        ("yesterday", "`yesterday` says of no moment: give a revision, the token of an earlier answer, or a time"),
        ("2026-12-01", "for example `2026-12-01T09:00:00Z`"),
        ("2026-12-01T09:00:00", "says of no moment"),
        ("-5", "unexpected argument"),
        ("9999-01-01T00:00:00Z", "the time 9999-01-01T00:00:00Z is not over"),
        ("1970-01-01T00:00:00Z", "nothing is known of 1970-01-01T00:00:00Z: history begins at "),
    ] {
        for command in [&["check", "user:alice", "view", "document:plan"][..], &["role", "list"], &["schema", "read"]] {
            run(&[command, &["--at", at]].concat()).await?.assert_refused(&[says]);
        }
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_on_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start_with(3, &["--history-retention-s", "1"]).await?;
    let client = cluster.client(2);
    make_viewer(client).await?;
    let granted = client.create_grant(may_view("alice", "plan")).await?;
    let (made, allowed) = (made_at(granted.grant)?, at(granted.position));
    later_than(client, made).await?;
    let revoked = at(client.revoke_grants(requests::revoke("plan")).await?.position);
    for id in 1..=3 {
        let refused = wait::until("history to go", PATIENCE, async || {
            Ok(decision(cluster.client(id), "plan", &allowed).await.err())
        })
        .await?;
        assert_eq!(refused.reason(), "REVISION_NOT_RETAINED", "node {id}: {refused}");
        assert!(refused.to_string().contains("is no longer kept: history begins at revision "), "{refused}");
        let by_time = decision(cluster.client(id), "plan", &at_time(made)).await.unwrap_err();
        assert_eq!(by_time.reason(), "TIME_NOT_RETAINED", "node {id}: {by_time}");
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
