//! A node that is too far behind is sent a snapshot, also while the others go on writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use portcullis_client::{Client, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, wait};

use crate::asking::{assert_allowed, assert_denied, grant_ids, make_viewer, may_view, views};

/// Entries between two snapshots.
const EVERY: &str = "200";
/// Entries that a node misses: the log is cut off in steps of 1,024, and not before a snapshot.
const MISSED: usize = 2_500;
/// Writes that are under way at a time.
const UNDER_WAY: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_missed_much_catches_up_by_snapshot_under_writes() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with(3, &["--snapshot-every", EVERY]).await?;
    make_viewer(cluster.client(1)).await?;
    let behind = cluster.followers().await?[0];
    cluster.client(behind).create_grant(may_view("alice", "early")).await?;
    let generation = generation(&cluster, behind)?;
    cluster.kill(behind)?;

    let all = cluster.client_of_all()?;
    write_many(&all, "missed", MISSED).await?;
    all.revoke_grants(portcullis_tests::requests::revoke("early")).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write_on(all.clone(), Arc::clone(&stop)));
    cluster.restart(behind).await?;
    assert_ne!(self::generation(&cluster, behind)?, generation, "the node was not sent a snapshot");
    assert_denied(&cluster, &views("alice", "early")).await;

    cluster.add_node(4, 1).await?;
    cluster.until_ready(4).await?;
    assert_ne!(self::generation(&cluster, 4)?, generation, "the new node was not sent a snapshot");
    assert_denied(&cluster, &views("alice", "early")).await;
    assert_allowed(&cluster, &views("alice", "missed-0")).await;
    cluster.promote(4).await?;

    stop.store(true, Ordering::SeqCst);
    let written = writing.await??;
    cluster.agreed_hash().await?;
    for id in cluster.up() {
        let listed = grant_ids(cluster.client(id), v1::GrantFilter::default()).await?.len();
        assert_eq!(listed, 1 + MISSED + written, "at node {id}");
    }

    // What came by snapshot is on disk like the rest.
    cluster.kill(behind)?;
    cluster.restart(behind).await?;
    cluster.agreed_hash().await?;
    cluster.finish()
}

/// Which copy of the state a node has: a snapshot that is installed makes a new one.
fn generation(cluster: &Cluster, id: u64) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(cluster.node(id).data_dir.join("state/GENERATION"))?)
}

async fn write_many(client: &Client, name: &str, count: usize) -> anyhow::Result<()> {
    stream::iter(0..count)
        .map(anyhow::Ok)
        .try_for_each_concurrent(UNDER_WAY, async |nth| {
            client.create_grant(may_view("alice", &format!("{name}-{nth}"))).await?;
            Ok(())
        })
        .await
}

/// Writes until told to stop, but at least a little.
async fn write_on(client: Client, stop: Arc<AtomicBool>) -> anyhow::Result<usize> {
    let mut written = 0;
    while !stop.load(Ordering::SeqCst) {
        client.create_grant(may_view("alice", &format!("later-{written}"))).await?;
        written += 1;
    }
    Ok(written)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_follows_without_being_promoted() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(1).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.add_node(2, 1).await?;
    cluster.until_ready(2).await?;
    cluster.client(2).create_grant(may_view("bob", "plan")).await?;
    assert_allowed(&cluster, &views("bob", "plan")).await;

    // It does not vote, so the cluster goes on without it and not without the other.
    cluster.kill(2)?;
    cluster.client(1).create_grant(may_view("bob", "draft")).await?;
    cluster.restart(2).await?;
    assert_allowed(&cluster, &views("bob", "draft")).await;
    cluster.kill(1)?;
    let asked = cluster.node(2).client_within(std::time::Duration::from_secs(1))?;
    wait::until_true("the learner to refuse", PATIENCE, async || {
        Ok(asked.check(views("bob", "plan")).await.is_err_and(|error| error.reason() == "NOT_FRESH"))
    })
    .await?;
    cluster.finish()
}
