//! How leases are granted is configured for the whole cluster, while it runs.

use std::time::Duration;

use portcullis_client::{Client, Kind, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};

fn millis(ms: u64) -> Option<portcullis_wire::Duration> {
    Duration::from_millis(ms).try_into().ok()
}

/// How long leases last where something is looked at while a holder is gone, and how much of it is left to begin with.
const LONG_MS: u64 = 30_000;
const LEFT_MIN: Duration = Duration::from_secs(25);

/// Has leases last for so long that much can be looked at while one of a node that is gone is left.
pub(crate) async fn lengthen_leases(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client(cluster.leader().await?);
    client.set_lease_config(v1::SetLeaseConfigRequest { length: millis(LONG_MS), ..<_>::default() }).await?;
    wait::until_true("leases of the new length", PATIENCE, async || {
        let status = client.status(v1::StatusRequest {}).await?;
        let is_long = |lease: &v1::Lease| lease.seconds_left > LEFT_MIN.as_secs_f64();
        Ok(status.nodes.iter().all(|node| node.lease.as_ref().is_some_and(is_long)))
    })
    .await
}

/// These nodes.
fn only(nodes: &[u64]) -> v1::LeaseRoster {
    v1::LeaseRoster { all: false, nodes: nodes.to_vec() }
}

async fn config(client: &Client) -> anyhow::Result<v1::LeaseConfig> {
    Ok(client.get_lease_config(v1::GetLeaseConfigRequest::default()).await?.config.unwrap_or_default())
}

async fn lease(client: &Client, node: u64) -> anyhow::Result<v1::Lease> {
    let status = client.status(v1::StatusRequest {}).await?;
    Ok(status.nodes.into_iter().find(|member| member.id == node).and_then(|member| member.lease).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_lease_counts_for_new_leaders_once_it_is_settled() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client_of_all()?;
    let first = config(&client).await?;
    assert_eq!((first.length, first.renewal, first.lag), (millis(2_000), millis(100), millis(500)));
    assert_eq!((first.drift_ppm, first.changed_at, first.settled), (10_000, 0, true));

    let shorter = v1::SetLeaseConfigRequest { length: millis(600), renewal: millis(50), ..<_>::default() };
    let set = client.set_lease_config(shorter).await?;
    let (set, position) = (set.config.unwrap_or_default(), set.position.unwrap_or_default());
    assert_eq!((set.length, set.lag, set.settled), (millis(600), millis(500), false), "what was left out stays");
    assert_eq!(set.changed_at, position.revision);
    // Another leader waits anew, and says it in its turn.
    let to = cluster.followers().await?[0];
    client.transfer_leader(v1::TransferLeaderRequest { to }).await?;
    wait::until_true("the leases to be settled", PATIENCE, async || Ok(config(&client).await?.settled)).await?;
    let leader = cluster.leader().await?;
    wait::until_true("leases of the new length", PATIENCE, async || {
        let left = lease(cluster.client(leader), leader).await?.seconds_left;
        Ok(left > 0.0 && left <= 0.6)
    })
    .await?;

    // The cluster goes on, leader killed or not, and all of it is still there after a restart.
    make_viewer(&client).await?;
    client.create_grant(may_view("alice", "plan")).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.kill(leader)?;
    client.revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.restart(leader).await?;
    let kept = config(cluster.client(leader)).await?;
    assert_eq!((kept.length, kept.settled, kept.changed_at), (millis(600), true, set.changed_at));
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_off_the_roster_answers_without_a_lease() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client_of_all()?;
    make_viewer(&client).await?;
    client.create_grant(may_view("alice", "plan")).await?;
    let (leader, off) = (cluster.leader().await?, cluster.followers().await?[0]);
    let on: Vec<u64> = cluster.up().into_iter().filter(|node| *node != off).collect();
    client.set_lease_config(v1::SetLeaseConfigRequest { roster: Some(only(&on)), ..<_>::default() }).await?;
    let asked = cluster.client(leader);
    let refused = wait::until("the node to lose its lease", PATIENCE, async || {
        Ok(Some(lease(asked, off).await?).filter(|lease| !lease.held && !lease.reason.is_empty()))
    })
    .await?;
    assert_eq!(refused.reason, format!("node {off} is not on the lease roster"));
    // It asks the leader instead, and is as fresh.
    assert_allowed(&cluster, &views("alice", "plan")).await;
    client.revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;

    let everyone = Some(v1::LeaseRoster { all: true, nodes: Vec::new() });
    client.set_lease_config(v1::SetLeaseConfigRequest { roster: everyone, ..<_>::default() }).await?;
    wait::until_true("the node to hold a lease", PATIENCE, async || Ok(lease(asked, off).await?.held)).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_changes_nothing() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let removed = cluster.followers().await?[0];
    cluster.client_of_all()?.remove_node(v1::RemoveNodeRequest { id: removed }).await?;
    cluster.kill(removed)?;
    let leader = cluster.leader().await?;
    let client = cluster.client(leader);
    let before = config(client).await?;
    let nothing = v1::SetLeaseConfigRequest::default;
    let both = v1::LeaseRoster { all: true, nodes: vec![1] };
    let negative = portcullis_wire::Duration { seconds: -1, nanos: 0 };
    for (request, said) in [
        (
            v1::SetLeaseConfigRequest { length: millis(199), ..nothing() },
            "twice the renewal interval 100ms; give at least 200ms",
        ),
        (v1::SetLeaseConfigRequest { renewal: millis(1_001), ..nothing() }, "give at least 2.002s"),
        (v1::SetLeaseConfigRequest { length: millis(60_001), ..nothing() }, "lease length 60.001s is longer than 60s"),
        (v1::SetLeaseConfigRequest { renewal: millis(0), ..nothing() }, "renewal interval 0ns is below 1ms"),
        (v1::SetLeaseConfigRequest { lag: millis(0), ..nothing() }, "lag 0ns is below 1ms"),
        (v1::SetLeaseConfigRequest { length: Some(negative), ..nothing() }, "-1 s 0 ns is not a duration"),
        (
            v1::SetLeaseConfigRequest { drift_ppm: Some(199), ..nothing() },
            "199 parts per million is outside 200 to 100000",
        ),
        (v1::SetLeaseConfigRequest { drift_ppm: Some(100_001), ..nothing() }, "outside 200 to 100000"),
        (v1::SetLeaseConfigRequest { roster: Some(only(&[])), ..nothing() }, "the roster names no node"),
        (v1::SetLeaseConfigRequest { roster: Some(both), ..nothing() }, "either all members or some nodes"),
    ] {
        let error = client.set_lease_config(request.clone()).await.expect_err("it makes no sense");
        assert_eq!(error.kind(), Kind::Invalid, "{request:?}: {error}");
        assert!(error.to_string().contains(said), "{request:?}: {error}");
    }
    for (node, said) in [(9, "no node joined under this id"), (removed, "it was removed; leave it out")] {
        let request = v1::SetLeaseConfigRequest { roster: Some(only(&[leader, node])), ..nothing() };
        let error = client.set_lease_config(request).await.expect_err("it makes no sense");
        let begin = format!("node {node} cannot be on the roster");
        assert!(error.to_string().contains(&begin) && error.to_string().contains(said), "{error}");
    }
    assert_eq!(config(client).await?, before);
    cluster.finish()
}
