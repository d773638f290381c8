//! Whatever dies, and however often: nothing that was acknowledged is lost.

use portcullis_tests::Cluster;

use crate::asking::make_viewer;
use crate::writers::Writers;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_nodes_are_killed() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let writers = Writers::start(&cluster.client_of_all()?);
    writers.go_on().await?;

    let leader = cluster.leader().await?;
    cluster.kill(leader)?;
    writers.go_on().await?;
    assert_ne!(cluster.leader().await?, leader);
    cluster.restart(leader).await?;
    writers.go_on().await?;

    let follower = cluster.followers().await?[0];
    cluster.kill(follower)?;
    writers.go_on().await?;
    cluster.restart(follower).await?;
    writers.go_on().await?;

    let acknowledged = writers.stop().await;
    acknowledged.assert_all_there(&cluster).await?;
    let before = cluster.agreed_hash().await?;

    for id in 1..=3 {
        cluster.kill(id)?;
    }
    for id in 1..=3 {
        cluster.restart_unready(id)?;
    }
    for id in 1..=3 {
        cluster.until_ready(id).await?;
    }
    acknowledged.assert_all_there(&cluster).await?;
    let after = cluster.agreed_hash().await?;
    assert!(after.0 >= before.0, "{before:?} became {after:?}");
    cluster.finish()
}
