//! A write that is answered where it was taken (R5b).

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use portcullis_machine::Command;
use portcullis_machine::command::{ConfigureLeases, CreateTenant};
use portcullis_model::NodeId;
use portcullis_storage::codec;

use super::wires::{Cluster, envelope, until};
use crate::peer::{ReadIndexAnswer, Request, Response};
use crate::{Ack, Application, LeaseStatus};

const TICKET: [u8; 16] = [7; 16];

/// Has leases last for longer than any of the tests.
async fn lengthen_leases(cluster: &Cluster) {
    let length = Some(Duration::from_secs(30));
    cluster.write(&[1], Command::ConfigureLeases(ConfigureLeases { length, ..<_>::default() })).await;
    until("leases of the new length", || cluster.nodes.values().all(|node| node.lease_status().left.as_secs() > 20))
        .await;
}

fn tenant(id: &str) -> Command {
    Command::CreateTenant(CreateTenant { id: id.parse().unwrap() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_once_every_holder_has_it_as_the_leader_will() {
    let cluster = Cluster::start().await;
    let (leader, gateway) = (&cluster.nodes[&1], &cluster.nodes[&2]);
    cluster.until_everybody_holds_a_lease().await;
    let (_, peer) = gateway.leader().unwrap();
    lengthen_leases(&cluster).await;
    // What node 3 registers is heard by the gateway alone.
    cluster.wires.cut(3, 1);
    let mut writes = Vec::new();
    for ticket in [[1; 16], [2; 16]] {
        let awaited = gateway.await_direct(&peer, ticket).expect("they are in different regions");
        let leader = Arc::clone(leader);
        let proposed = async move {
            let envelope = envelope(tenant("a"));
            leader.propose(&envelope, Ack::Everywhere, Some((NodeId(2), ticket))).await.unwrap()
        };
        writes.push((awaited, tokio::spawn(proposed)));
    }
    let mut answers = Vec::new();
    for (awaited, _) in &mut writes {
        let direct = awaited.answered().await;
        let index = direct.reply.revision.0;
        for (id, node) in &cluster.nodes {
            let LeaseStatus { registered, visible, .. } = node.lease_status();
            assert!(registered >= index && visible < index, "node {id}: {registered}, {visible}, {index}");
        }
        answers.push(direct.reply);
    }
    // The second finds what the first has made, which nobody may show yet.
    assert_ne!(answers[0].result.is_ok(), answers[1].result.is_ok(), "{answers:?}");

    cluster.wires.mend(3, 1);
    for ((_, proposed), answer) in writes.into_iter().zip(answers) {
        assert_eq!(proposed.await.unwrap().reply, answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_never_answers_because_a_lease_must_have_run_out() {
    let cluster = Cluster::start().await;
    let (leader, gateway) = (&cluster.nodes[&1], &cluster.nodes[&2]);
    cluster.until_everybody_holds_a_lease().await;
    let (_, peer) = gateway.leader().unwrap();
    cluster.wires.part(1, 3);
    cluster.wires.part(2, 3);
    let mut awaited = gateway.await_direct(&peer, TICKET).unwrap();
    let envelope = envelope(tenant("a"));
    // The leader waits until the lease of node 3 has run out, and answers.
    leader.propose(&envelope, Ack::Everywhere, Some((NodeId(2), TICKET))).await.unwrap().reply.result.unwrap();
    assert!(awaited.answered().now_or_never().is_none(), "node 3 may have renewed it since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_learns_of_the_commit_from_voters_and_whoever_reads_by_the_leader_waits_for_it() {
    let cluster = Cluster::start().await;
    let (leader, gateway) = (&cluster.nodes[&1], &cluster.nodes[&2]);
    cluster.until_everybody_holds_a_lease().await;
    let (_, peer) = gateway.leader().unwrap();
    lengthen_leases(&cluster).await;
    // What followers have stored is not heard by the leader.
    let before = leader.status().last_log.unwrap();
    cluster.wires.stall(1, 2, before);
    cluster.wires.stall(1, 3, before);
    let mut awaited = gateway.await_direct(&peer, TICKET).unwrap();
    let proposed = tokio::spawn({
        let leader = Arc::clone(leader);
        async move { leader.propose(&envelope(tenant("a")), Ack::Everywhere, Some((NodeId(2), TICKET))).await }
    });
    let answer = awaited.answered().await.reply;
    let index = answer.revision.0;
    assert!(cluster.nodes.values().all(|node| node.lease_status().visible < index), "nobody may show it yet");

    let fresh = fresh_by_the_leader(&cluster).await;
    assert!(fresh >= index, "a node without a lease would read at {fresh} what was answered at {index}");
    for follower in [2, 3] {
        cluster.wires.release(1, follower);
    }
    assert_eq!(proposed.await.unwrap().unwrap().reply, answer);
}

/// Up to where the leader tells others to read.
async fn fresh_by_the_leader(cluster: &Cluster) -> u64 {
    let nothing: Application = Arc::new(|_, _| std::future::ready(Vec::new()).boxed());
    let answer = cluster.nodes[&1].answer(NodeId(3), &codec::encode(&Request::ReadIndex), &nothing).await.unwrap();
    match codec::decode(&answer).unwrap() {
        Response::ReadIndex(ReadIndexAnswer::Index(index)) => index,
        other => panic!("the leader does not know: {other:?}"),
    }
}
