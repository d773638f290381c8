//! Read leases as users meet them: checks that need no other node, and what becomes of holders that are gone.

use std::time::{Duration, Instant};

use portcullis_client::{Kind, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use v1::Decision::{Allow, Deny};

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};
use crate::lease_config::lengthen_leases;

/// Checks whose messages are counted.
const CHECKS: u64 = 5_000;
/// Messages that a node sends by itself in a second: a few for every renewal and heartbeat to each of the others. That checks add
/// none at all is shown where time stands still (`tests/sim`).
const MESSAGES_A_SECOND_MAX: u64 = 300;
/// Shorter than what is left of a lease when its holder is gone.
const SHORT: Duration = Duration::from_millis(300);

async fn cluster_with(documents: &[&str]) -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    for document in documents {
        cluster.client(1).create_grant(may_view("alice", document)).await?;
        assert_allowed(&cluster, &views("alice", document)).await;
    }
    Ok(cluster)
}

/// What a counter of a node stands at, over all its labels that begin so.
async fn counter(cluster: &Cluster, node: u64, begin: &str) -> anyhow::Result<u64> {
    let (_, metrics) = cluster.node(node).http("/metrics").await?;
    let lines = metrics.lines().filter(|line| line.starts_with(begin));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sends_no_message_to_another_node() -> anyhow::Result<()> {
    let cluster = cluster_with(&["plan"]).await?;
    let question = views("alice", "plan");
    for node in [cluster.leader().await?, cluster.followers().await?[0]] {
        let messages = counter(&cluster, node, "portcullis_peer_messages_total").await?;
        let leased = counter(&cluster, node, "portcullis_decisions_total{group=\"1\",by=\"lease\"}").await?;
        let began = Instant::now();
        for _ in 0..CHECKS {
            assert_eq!(cluster.client(node).check(question.clone()).await?.decision(), Allow);
        }
        let leased = counter(&cluster, node, "portcullis_decisions_total{group=\"1\",by=\"lease\"}").await? - leased;
        let messages = counter(&cluster, node, "portcullis_peer_messages_total").await? - messages;
        println!("node {node}: {leased} checks by its lease, {messages} messages sent meanwhile");
        assert_eq!(leased, CHECKS, "node {node} asked somebody else");
        let by_itself = MESSAGES_A_SECOND_MAX * (began.elapsed().as_secs() + 1);
        assert!(messages < by_itself, "node {node} sent {messages} messages during {CHECKS} checks");
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_killed_holds_up_writes_once_and_is_named() -> anyhow::Result<()> {
    let mut cluster = cluster_with(&["plan", "draft"]).await?;
    let (leader, killed) = (cluster.leader().await?, cluster.followers().await?[0]);
    cluster.kill(killed)?;
    cluster.client(leader).revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    assert_allowed(&cluster, &views("alice", "draft")).await;
    let stalls = format!("portcullis_lease_stalls_total{{group=\"1\",holder=\"{killed}\"}}");
    let stalled = counter(&cluster, leader, &stalls).await?;
    assert!(stalled > 0, "the leader does not say that node {killed} held up a write");
    assert!(cluster.node(leader).log().contains("a lease holder holds up writes"));

    cluster.client(leader).revoke_grants(requests::revoke("draft")).await?;
    assert_denied(&cluster, &views("alice", "draft")).await;
    assert_eq!(counter(&cluster, leader, &stalls).await?, stalled, "it held up a second write");
    cluster.restart(killed).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_frozen_never_says_what_was_true_before() -> anyhow::Result<()> {
    let mut cluster = cluster_with(&[]).await?;
    for round in 0..3 {
        let document = format!("plan-{round}");
        cluster.client_of_all()?.create_grant(may_view("alice", &document)).await?;
        assert_allowed(&cluster, &views("alice", &document)).await;
        let (leader, frozen) = (cluster.leader().await?, cluster.followers().await?[0]);
        cluster.pause(frozen)?;
        cluster.client(leader).revoke_grants(requests::revoke(&document)).await?;
        cluster.resume(frozen)?;
        wait::until_true("the node that was frozen to answer", PATIENCE, async || {
            let answer = cluster.client(frozen).check(views("alice", &document)).await;
            assert_ne!(answer.as_ref().map(v1::CheckResponse::decision), Ok(Allow), "round {round}");
            Ok(answer.is_ok())
        })
        .await?;
    }
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_check_whose_answer_is_changing_waits() -> anyhow::Result<()> {
    let mut cluster = cluster_with(&["plan", "draft"]).await?;
    let (leader, frozen) = (cluster.leader().await?, cluster.followers().await?[0]);
    lengthen_leases(&cluster).await?;
    let client = cluster.node(leader).client_within(SHORT)?;
    cluster.pause(frozen)?;
    let caller = cluster.client(leader).clone();
    let revoked = tokio::spawn(async move { caller.revoke_grants(requests::revoke("plan")).await });
    wait::until_true("the revocation to be under way", PATIENCE, async || {
        Ok(cluster.node(leader).gauge("portcullis_lease_pending_entries").await? > 0)
    })
    .await?;

    // What is not being changed is answered at once, by the lease alone.
    assert_eq!(client.check(views("alice", "draft")).await?.decision(), Allow);
    assert_eq!(client.check(views("bob", "plan")).await?.decision(), Deny);
    // What is being changed is not answered before the change is visible, unless a denial will do.
    let waited = client.check(views("alice", "plan")).await.expect_err("the holder that is frozen may still say yes");
    assert_eq!(waited.kind(), Kind::Unavailable, "{waited}");
    let consistency = Some(v1::Consistency { mode: Some(v1::consistency::Mode::FailClosed(true)) });
    let closed = client.check(v1::CheckRequest { consistency, ..views("alice", "plan") }).await?;
    assert_eq!(closed.decision(), Deny);
    assert!(!revoked.is_finished(), "the revocation was acknowledged while a lease was left");

    cluster.resume(frozen)?;
    assert_eq!(revoked.await??.ids, ["plan"]);
    assert_eq!(client.check(views("alice", "plan")).await?.decision(), Deny);
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_who_holds_a_lease_and_why_not() -> anyhow::Result<()> {
    let mut cluster = cluster_with(&[]).await?;
    let (leader, followers) = (cluster.leader().await?, cluster.followers().await?);
    let client = cluster.client(leader).clone();
    let status = client.status(v1::StatusRequest {}).await?;
    for node in &status.nodes {
        let lease = node.lease.clone().unwrap_or_default();
        assert!(lease.held && lease.seconds_left > 0.0 && lease.epoch == status.term, "node {}: {lease:?}", node.id);
    }
    let explained = v1::ExplainRequest { item: views("alice", "plan").item, ..v1::ExplainRequest::default() };
    let used = client.explain(explained).await?.evaluation.and_then(|evaluation| evaluation.lease).unwrap_or_default();
    assert!(used.by == "lease" && used.epoch == status.term && used.left_ms > 0, "{used:?}");

    for follower in &followers {
        cluster.pause(*follower)?;
    }
    let own = wait::until("the leader's own lease to run out", PATIENCE, async || {
        let status = client.status(v1::StatusRequest {}).await?;
        let own = status.nodes.into_iter().find(|node| node.id == leader).and_then(|node| node.lease);
        Ok(own.filter(|lease| !lease.held && !lease.reason.is_empty()))
    })
    .await?;
    assert_eq!(own.reason, "the leader has not been confirmed by a majority within the lease length");
    for follower in &followers {
        cluster.resume(*follower)?;
    }
    cluster.finish()
}
