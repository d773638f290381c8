//! The execution in which openraft's own read index serves a stale read, against our Confirm rounds.
//!
//! Nodes 2 and 3 acknowledge an entry A of leader 1, and the answers stall. 1 is cut off; 2 or 3 is elected and
//! acknowledges a newer write. A read starts at 1. Then the old answer of 3 arrives, so 1 commits A and tells 2, and then that
//! of 2. An answer that was given before the read began must not count as proof that 1 still led when it began, so 1 has to
//! refuse. Nodes that use openraft's read index, and send to 2 before 2 has answered, serve it, or the execution would show nothing.

use std::sync::Arc;
use std::time::Duration;

use portcullis_lease::{Fault, Faults};
use portcullis_machine::Command;
use portcullis_machine::command::CreateTenant;
use tokio::time::Instant;

use super::wires::{Cluster, PATIENCE, envelope, until};
use crate::{Ack, ReadError};

fn tenant(id: &str) -> Command {
    Command::CreateTenant(CreateTenant { id: id.parse().unwrap() })
}

/// Until when a read may try that is expected to fail.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

/// What a read at the old leader came to, and the write that it must not miss.
async fn read_while_answers_stall(cluster: &Cluster, is_pipelined: bool) -> (Result<(), ReadError>, u64) {
    let (wires, old) = (Arc::clone(&cluster.wires), Arc::clone(&cluster.nodes[&1]));
    old.wait_fresh(Instant::now() + PATIENCE).await.unwrap();
    let before = old.status().last_log.unwrap();

    wires.stall(1, 2, before);
    wires.stall(1, 3, before);
    let a = tokio::spawn({
        let old = Arc::clone(&old);
        async move { old.propose(&envelope(tenant("a")), Ack::Everywhere, None).await }
    });
    for id in [2, 3] {
        let follower = Arc::clone(&cluster.nodes[&id]);
        until("the followers have A", || follower.status().last_log > Some(before)).await;
    }
    wires.part(1, 2);
    wires.part(1, 3);
    let b = cluster.write(&[2, 3], tenant("b")).await;

    // The read begins here, after the newer write was acknowledged.
    let read = tokio::spawn({
        let old = Arc::clone(&old);
        async move { old.wait_fresh(soon()).await }
    });
    // It has reached the leader when that has sent more than one heartbeat since.
    let sent = wires.heartbeats(1, 2);
    until("heartbeats", || wires.heartbeats(1, 2) > sent + 2).await;
    wires.release(1, 3);
    until("the old leader commits A", || old.status().applied > Some(before)).await;
    if is_pipelined {
        until("it tells the other follower", || wires.is_followed(1, 2)).await;
    }
    wires.release(1, 2);
    let served = read.await.unwrap();
    a.abort();
    (served, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_from_before_a_read_prove_nothing() {
    let cluster = Cluster::start().await;
    let (refused, b) = read_while_answers_stall(&cluster, false).await;
    assert!(matches!(refused, Err(ReadError::DeadlineExceeded(_))), "the old leader served a read: {refused:?}");

    // Whoever is with the majority serves it, and has seen the write.
    let new = &cluster.nodes[&3];
    new.wait_fresh(Instant::now() + PATIENCE).await.unwrap();
    assert!(new.status().applied >= Some(b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_read_index_takes_them_for_proof() {
    let cluster = Cluster::start_broken_by(Faults::plant(Fault::ReadIndexOfRaft)).await;
    let (served, b) = read_while_answers_stall(&cluster, true).await;
    assert!(served.is_ok(), "the old leader refused: {served:?}");
    assert!(cluster.nodes[&1].status().applied < Some(b), "what the old leader serves is not stale");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_refuses_within_the_deadline() {
    let cluster = Cluster::start().await;
    cluster.nodes[&3].wait_fresh(Instant::now() + PATIENCE).await.unwrap();
    cluster.wires.part(1, 3);
    cluster.wires.part(2, 3);
    let deadline = soon();
    assert!(matches!(cluster.nodes[&3].wait_fresh(deadline).await, Err(ReadError::DeadlineExceeded(_))));
    assert!(Instant::now() < deadline + Duration::from_secs(2), "the deadline was not kept");
    cluster.nodes[&2].wait_fresh(Instant::now() + PATIENCE).await.unwrap();
}
