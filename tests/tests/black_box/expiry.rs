//! Grants begin and end by themselves: never a yes before the start or from the end on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use portcullis_client::v1;
use portcullis_model::Timestamp;
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, wait};
use portcullis_wire::{timestamp, wire_timestamp};
use v1::create_grant_request::Until;

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_at_its_end_on_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let duration = Some(Until::Duration(Duration::from_secs(2).try_into()?));
    let request = v1::CreateGrantRequest { until: duration, ..may_view("alice", "plan") };
    let asked = now();
    let grant = cluster.client(2).create_grant(request).await?.grant.unwrap_or_default();
    let end = end_of(&grant)?;
    assert!(end <= now().plus_ms(2_000) && end > asked, "it lasts no longer than was asked: {grant:?}");
    assert_allowed(&cluster, &views("alice", "plan")).await;
    watch_until_denied(&cluster, "plan", Timestamp(0), end).await?;

    assert!(now() >= end.minus_ms(1_000), "it ended much too early");
    wait::until_true("the grant to be shown as ended", PATIENCE, async || {
        let id = "plan".to_owned();
        let shown = cluster.client(3).get_grant(v1::GetGrantRequest { id, ..v1::GetGrantRequest::default() }).await?;
        Ok(shown.grant.unwrap_or_default().state() == v1::grant::State::Ended)
    })
    .await?;
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_grant_begins_and_ends_by_itself() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let (start, end) = (now().plus_ms(1_500), now().plus_ms(4_000));
    let request = v1::CreateGrantRequest {
        start: Some(wire_timestamp(start)),
        until: Some(Until::End(wire_timestamp(end))),
        ..may_view("alice", "plan")
    };
    let grant = cluster.client(3).create_grant(request).await?.grant.unwrap_or_default();
    assert_eq!(grant.state(), v1::grant::State::Scheduled);
    wait::until_true("the grant to begin", PATIENCE, async || {
        let answers = cluster.ask(&views("alice", "plan")).await;
        let answered = now();
        let allowed = answers.iter().filter(|(_, answer)| *answer == Ok(v1::Decision::Allow)).count();
        assert!(allowed == 0 || answered >= start, "at {answered}, before {start}: {answers:?}");
        Ok(allowed == answers.len())
    })
    .await?;
    watch_until_denied(&cluster, "plan", start, end).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_although_the_leader_dies_before() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let duration = Some(Until::Duration(Duration::from_secs(1).try_into()?));
    let leader = cluster.leader().await?;
    let request = v1::CreateGrantRequest { until: duration, ..may_view("alice", "plan") };
    let grant = cluster.client(leader).create_grant(request).await?.grant.unwrap_or_default();
    cluster.kill(leader)?;
    watch_until_denied(&cluster, "plan", Timestamp(0), end_of(&grant)?).await?;
    cluster.restart(leader).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.agreed_hash().await?;
    cluster.finish()
}

/// Asks all nodes until each says no. No yes may be older than the start, or asked for from the end on.
async fn watch_until_denied(cluster: &Cluster, document: &str, start: Timestamp, end: Timestamp) -> anyhow::Result<()> {
    wait::until_true("every node to deny", PATIENCE, async || {
        let sent = now();
        let answers = cluster.ask(&views("alice", document)).await;
        let allowed = answers.iter().any(|(_, answer)| *answer == Ok(v1::Decision::Allow));
        assert!(!allowed || (start <= now() && sent < end), "at {sent}, outside {start} to {end}: {answers:?}");
        Ok(answers.iter().all(|(_, answer)| *answer == Ok(v1::Decision::Deny)))
    })
    .await
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn end_of(grant: &v1::Grant) -> anyhow::Result<Timestamp> {
    Ok(timestamp("end", grant.end.as_ref().context("the grant has no end")?)?)
}
