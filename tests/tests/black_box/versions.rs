//! Nodes of different versions in one cluster.

use anyhow::Context;
use portcullis_client::v1;
use portcullis_storage::{codec, log};
use portcullis_tests::Cluster;

use crate::asking::{assert_allowed, make_viewer, may_view, views};

/// The exit status of a node that cannot go on.
const FAILED: i32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_too_little_is_not_let_in() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let request = v1::JoinRequest {
        id: 2,
        peer: "127.0.0.1:1".to_owned(),
        client: "127.0.0.1:2".to_owned(),
        command_version: 0,
        ..v1::JoinRequest::default()
    };
    let refused = cluster.client(1).join(request).await.unwrap_err();
    assert_eq!(refused.reason(), "CLUSTER_CHANGE_REFUSED", "{refused}");
    let says =
        "node 2 carries out commands up to version 0, and the cluster is at version 4: upgrade the node's binary";
    assert!(refused.to_string().contains(says), "{refused}");
    let status = cluster.client(1).status(v1::StatusRequest {}).await?;
    assert_eq!(status.nodes.len(), 1, "{status:?}");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_at_a_command_that_it_does_not_know() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(1).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.kill(1)?;
    append_newer(&cluster)?;
    cluster.restart_unready(1)?;
    assert_eq!(cluster.until_ended(1).await?.code(), Some(FAILED));
    let log = cluster.node(1).log();
    let says = "a command of version 5, and this build knows versions up to 4: upgrade this node's binary";
    assert!(log.contains(says), "{log}");
    cluster.dismiss();
    Ok(())
}

/// Appends to a node's log what a newer leader would: a command of which this build knows nothing but its version.
fn append_newer(cluster: &Cluster) -> anyhow::Result<()> {
    /// The second kind of payload of an entry is a command.
    #[derive(serde::Serialize)]
    enum Payload {
        #[expect(dead_code, reason = "it holds the place of the first kind")]
        Blank,
        Command(Vec<u8>),
    }
    let folder = cluster.node(1).data_dir.join("log");
    let log = log::Log::open(&folder, &log::Options::default(), log::Owner { group: 1, node: 1 })?;
    let last = log.bounds().last.context("the log is empty")?;
    let mut command = codec::encode(&5_u32);
    command.extend([0xff; 40]);
    let payload = codec::encode(&Payload::Command(command)).into();
    let entry = log::Entry { id: log::LogId { index: last.index + 1, ..last }, payload };
    let (sender, written) = std::sync::mpsc::channel();
    log.append(vec![entry], Box::new(move |result| sender.send(result).unwrap_or_default()));
    written.recv()??;
    Ok(())
}
