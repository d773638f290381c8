//! A node that cannot reach a majority proves nothing, and says so in time.

use std::time::{Duration, Instant};

use portcullis_client::{Client, Error, Kind, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};

/// How long the caller waits.
const DEADLINE: Duration = Duration::from_secs(1);
/// How much later than the deadline an error may arrive on a busy machine.
const GRACE: Duration = Duration::from_millis(500);
/// Questions to the minority.
const QUESTIONS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_followers_answers_that_it_cannot_be_fresh() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    let leader = cluster.leader().await?;
    let followers = cluster.followers().await?;
    for follower in &followers {
        cluster.pause(*follower)?;
    }
    assert_cut_off(&cluster.node(leader).client_within(DEADLINE)?).await?;
    for follower in &followers {
        cluster.resume(*follower)?;
    }
    assert_works(&cluster, &followers).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_alone_answers_that_it_cannot_be_fresh() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    let leader = cluster.leader().await?;
    let followers = cluster.followers().await?;
    let (alone, killed) = (followers[0], [leader, followers[1]]);
    for id in killed {
        cluster.kill(id)?;
    }
    assert_cut_off(&cluster.node(alone).client_within(DEADLINE)?).await?;
    for id in killed {
        cluster.restart_unready(id)?;
    }
    assert_works(&cluster, &killed).await?;
    cluster.finish()
}

/// A leader that was frozen while another took over does not know it, and must not answer from what it knew.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_frozen_never_says_what_was_true_before() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    for round in 0..3 {
        let document = format!("plan-{round}");
        cluster.client_of_all()?.create_grant(may_view("alice", &document)).await?;
        assert_allowed(&cluster, &views("alice", &document)).await;
        let frozen = cluster.leader().await?;
        cluster.pause(frozen)?;
        let others = cluster.client_of_all()?;
        others.revoke_grants(requests::revoke(&document)).await?;
        cluster.resume(frozen)?;
        let client = cluster.client(frozen);
        wait::until_true("the node that was frozen to answer", PATIENCE, async || {
            let answer = client.check(views("alice", &document)).await;
            assert_ne!(answer.as_ref().map(v1::CheckResponse::decision), Ok(v1::Decision::Allow), "round {round}");
            Ok(answer.is_ok())
        })
        .await?;
    }
    cluster.agreed_hash().await?;
    cluster.finish()
}

/// Once the lease has run out, reads and writes end with an error in time; only whoever asks for it gets what the node has, with its age.
async fn assert_cut_off(client: &Client) -> anyhow::Result<()> {
    wait::until_true("the lease to run out", PATIENCE, async || match client.check(views("alice", "plan")).await {
        // Nothing can be revoked meanwhile.
        Ok(answer) => {
            assert_eq!(answer.decision(), v1::Decision::Allow);
            Ok(false)
        }
        Err(_) => Ok(true),
    })
    .await?;
    for _ in 0..QUESTIONS {
        let error = within_deadline(client.check(views("alice", "plan"))).await;
        assert_eq!((error.kind(), error.reason()), (Kind::Unavailable, "NOT_FRESH"), "{error}");
    }
    let error = within_deadline(client.list_grants(v1::ListGrantsRequest::default())).await;
    assert_eq!((error.kind(), error.reason()), (Kind::Unavailable, "NOT_FRESH"), "{error}");
    let error = within_deadline(client.create_grant(may_view("alice", "draft"))).await;
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(["NO_LEADER", "OUTCOME_UNKNOWN"].contains(&error.reason()), "{error:?}");

    let any_age = requests::question_of_any_age("user:alice", "view", "document:plan");
    let mut ages = Vec::new();
    for _ in 0..QUESTIONS {
        let answer = client.check(any_age.clone()).await?;
        assert_eq!(answer.decision(), v1::Decision::Allow);
        ages.push(answer.evaluation.map_or(0, |evaluation| evaluation.age_ms));
    }
    let waited = u64::try_from((DEADLINE * 2).as_millis())?;
    assert!(ages.iter().all(|age| *age >= waited), "nothing was proved for so long, and the ages are {ages:?}");
    Ok(())
}

async fn within_deadline<T: std::fmt::Debug>(call: impl Future<Output = Result<T, Error>>) -> Error {
    let started = Instant::now();
    let error = call.await.expect_err("a node without a majority cannot answer");
    assert!(started.elapsed() < DEADLINE + GRACE, "{:?} is too late for {error}", started.elapsed());
    error
}

/// The cluster goes on as if nothing had been.
async fn assert_works(cluster: &Cluster, returned: &[u64]) -> anyhow::Result<()> {
    let question = views("alice", "plan");
    for id in returned {
        wait::until_true(&format!("node {id} to answer"), PATIENCE, async || {
            Ok(cluster.client(*id).check(question.clone()).await.is_ok())
        })
        .await?;
    }
    cluster.client_of_all()?.revoke_grants(requests::revoke("plan")).await?;
    assert_denied(cluster, &question).await;
    cluster.agreed_hash().await?;
    Ok(())
}
