//! A node that is too far behind is sent a snapshot, also while the others go on writing.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, FuturesUnordered};
use futures::{StreamExt, TryStreamExt};
use portcullis_client::{Client, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, wait};

use crate::asking::{assert_allowed, assert_denied, grant_ids, make_viewer, may_view, views};

/// Entries between two snapshots.
const EVERY: &str = "200";
/// Writes at a time that a node misses, until the others have cut off their logs behind it.
const MISSED: usize = 500;
/// Writes that are under way at a time.
const UNDER_WAY: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_missed_much_catches_up_by_snapshot_under_writes() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with(3, &["--snapshot-every", EVERY]).await?;
    make_viewer(cluster.client(1)).await?;
    let behind = cluster.followers().await?[0];
    cluster.client(behind).create_grant(may_view("alice", "early")).await?;
    let generation = generation(&cluster, behind)?;
    let last = cluster.node(behind).gauge("portcullis_raft_last_log_index").await?;
    cluster.kill(behind)?;

    let all = cluster.client_of_all()?;
    let mut missed = 0;
    wait::until_true("the log to be cut off", PATIENCE, async || {
        write_many(&all, missed..missed + MISSED).await?;
        missed += MISSED;
        let purged = cluster.up().into_iter().map(|id| cluster.node(id).gauge("portcullis_raft_purged_index"));
        let purged: Vec<u64> = purged.collect::<FuturesUnordered<_>>().try_collect().await?;
        Ok(purged.iter().all(|purged| *purged > last))
    })
    .await?;
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
        assert_eq!(listed, 1 + missed + written, "at node {id}");
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

async fn write_many(client: &Client, range: Range<usize>) -> anyhow::Result<()> {
    stream::iter(range)
        .map(anyhow::Ok)
        .try_for_each_concurrent(UNDER_WAY, async |nth| {
            client.create_grant(may_view("alice", &format!("missed-{nth}"))).await?;
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
