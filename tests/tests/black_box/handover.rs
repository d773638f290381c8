//! Leadership moves on request, and before a leader stops; nobody who writes has to know.

use std::time::{Duration, Instant};

use portcullis_client::v1;
use portcullis_tests::Cluster;

use crate::asking::make_viewer;
use crate::writers::Writers;

/// How long a node may take to stop in order.
const STOP: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn leadership_moves_to_whom_it_is_given() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let writers = Writers::start(&cluster.client_of_all()?);
    writers.go_on().await?;
    let leader = cluster.leader().await?;
    let followers = cluster.followers().await?;

    let to = followers[0];
    let moved = cluster.client(followers[1]).transfer_leader(v1::TransferLeaderRequest { to }).await?;
    assert_eq!((moved.leader, cluster.leader().await?), (to, to));
    writers.go_on().await?;

    let moved = cluster.client(to).transfer_leader(v1::TransferLeaderRequest { to: 0 }).await?;
    assert_ne!(moved.leader, to);
    assert_eq!(cluster.leader().await?, moved.leader);
    writers.go_on().await?;

    let nobody = cluster.client(leader).transfer_leader(v1::TransferLeaderRequest { to: 9 }).await.unwrap_err();
    assert_eq!(nobody.reason(), "CLUSTER_CHANGE_REFUSED", "{nobody}");
    assert_eq!(cluster.leader().await?, moved.leader, "a refused transfer moves nothing");
    writers.stop().await.assert_all_there(&cluster).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over_first() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let writers = Writers::start(&cluster.client_of_all()?);
    writers.go_on().await?;
    // The second time, the node to hand over to may be the one that was just restarted.
    for _ in 0..2 {
        let leader = cluster.leader().await?;
        let told = Instant::now();
        let status = cluster.terminate(leader).await?;
        let stopped = told.elapsed();
        assert!(status.success(), "node {leader} ended with {status}");
        assert!(stopped < STOP, "stopping took {stopped:?}");
        let kept = cluster.node(leader).log().contains("leadership was not handed over");
        assert!(!kept, "node {leader} stopped as the leader");
        assert_ne!(cluster.leader().await?, leader);
        writers.go_on().await?;
        cluster.restart(leader).await?;
    }
    writers.stop().await.assert_all_there(&cluster).await?;
    cluster.agreed_hash().await?;
    cluster.finish()
}
