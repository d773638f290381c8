//! What a node says about itself, and what it refuses when its disk is nearly full.

use portcullis_client::v1;
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};

use crate::asking::{assert_denied, make_viewer, may_view, views};

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_refuses_grants_and_takes_revocations() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(1).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;

    // No disk has so much to spare, and no state fits into nothing.
    cluster.kill(1)?;
    cluster.set_flags(1, &["--disk-reserve-mib", "1000000000000", "--memory-budget-mib", "0"]);
    cluster.restart(1).await?;
    let client = cluster.client(1);
    let refused = wait::until("a grant to be refused", PATIENCE, async || {
        Ok(client.create_grant(requests::grant("", "user:bob", "viewer", "document:plan")).await.err())
    })
    .await?;
    assert_eq!(refused.reason(), "DISK_RESERVE", "{refused}");
    assert!(refused.to_string().contains("node 1 has"), "{refused}");
    let role = client.create_role(requests::role("editor", ["document#edit"])).await;
    assert_eq!(role.map_err(|error| error.reason().to_owned()).err().as_deref(), Some("DISK_RESERVE"));

    let status = client.status(v1::StatusRequest {}).await?;
    let alarms = &status.nodes[0].alarms;
    for name in ["DISK_RESERVE", "MEMORY_BUDGET"] {
        assert!(alarms.iter().any(|alarm| alarm.starts_with(name)), "{name} in {alarms:?}");
    }
    assert_eq!(cluster.node(1).gauge("portcullis_alarms").await?, 2);

    client.revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_nothing_keeps_right_is_an_alarm_and_may_be_required_to_be() -> anyhow::Result<()> {
    // No clock is right to the millisecond, whatever keeps it, and some machines do not say.
    let require = ["--clock-sync", "require", "--max-clock-error-ms", "0"];
    let cluster = Cluster::start_with(1, &require).await?;
    wait::until_true("the clock to be doubted", PATIENCE, async || {
        let (status, body) = cluster.node(1).http("/readyz").await?;
        Ok(status == 503 && body.starts_with("CLOCK_"))
    })
    .await?;
    // It answers all the same.
    make_viewer(cluster.client(1)).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_alive_before_it_is_ready() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(2).await?;
    assert_eq!(cluster.node(2).http("/livez").await?, (200, "ok\n".to_owned()));
    assert_eq!(cluster.node(2).http("/readyz").await?, (200, "ok\n".to_owned()));
    assert_eq!(cluster.node(2).http("/nosuch").await?.0, 404);
    let (_, metrics) = cluster.node(2).http("/metrics").await?;
    for name in ["portcullis_raft_term", "portcullis_visible_revision", "portcullis_resident_bytes"] {
        assert!(metrics.contains(&format!("{name}{{group=\"1\"}} ")), "{name} in {metrics}");
    }
    make_viewer(cluster.client(2)).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    let (_, metrics) = cluster.node(2).http("/metrics").await?;
    for line in [
        "portcullis_checks_total{group=\"1\",result=\"deny\"} 1\n",
        "portcullis_writes_total{group=\"1\",result=\"done\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // One of two is no majority.
    cluster.kill(1)?;
    assert_eq!(cluster.node(2).http("/livez").await?, (200, "ok\n".to_owned()));
    wait::until_true("the lease to run out", PATIENCE, async || Ok(cluster.node(2).http("/readyz").await?.0 == 503))
        .await?;
    cluster.finish()
}
