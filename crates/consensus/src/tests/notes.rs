//! Notes about leases: who may say what.

use std::sync::Arc;

use portcullis_lease::Release;
use portcullis_model::NodeId;
use portcullis_storage::codec;

use super::wires::{Cluster, until};
use crate::leases::Note;

/// The first start of a node's process.
const FIRST_INCARNATION: u64 = 1;

fn release(node: u64) -> Vec<u8> {
    codec::encode(&Note::Release(Release { node, incarnation: FIRST_INCARNATION, up_to: u64::MAX }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_speaks_for_itself_only() {
    let cluster = Cluster::start().await;
    let leader = Arc::clone(&cluster.nodes[&1]);
    let holds = || leader.lease_status().sessions.iter().any(|(node, _)| *node == 1);
    until("the leader's own lease", holds).await;
    leader.receive(NodeId(3), &release(1)).unwrap();
    assert!(holds(), "node 3 gave back the lease of node 1");
    leader.receive(NodeId(1), &release(1)).unwrap();
    assert!(!holds(), "a lease that was given back counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_note_is_refused() {
    let cluster = Cluster::start().await;
    let refused = cluster.nodes[&1].receive(NodeId(2), b"no note");
    assert!(refused.is_err());
}
