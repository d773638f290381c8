//! Real handshakes, in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use portcullis_model::{ClusterId, NodeId};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::*;
use crate::authority::{NODE_VALID, found, issue};
use crate::{Applicant, ClusterKey, NodeName, Papers};

const CLUSTER: ClusterId = ClusterId([1; 16]);

fn now() -> SystemTime {
    SystemTime::now()
}

/// A cluster whose first node is the founder, and what lets others in.
struct Cluster {
    first: Papers,
}

impl Cluster {
    fn new(cluster: ClusterId) -> Self {
        Self { first: Papers::found(cluster, NodeId(1), &["127.0.0.1".to_owned()], now()).unwrap() }
    }

    fn admit(&self, node: u64, at: SystemTime) -> Papers {
        let (authority, key) = (self.first.founding.as_ref().unwrap(), &self.first.cluster_key);
        let (applicant, name) =
            (Applicant::new().unwrap(), NodeName { cluster: self.first.name.cluster, node: NodeId(node) });
        let certificate = issue(authority, key, name, &[], &applicant.request, at).unwrap();
        applicant.admitted(name, certificate, std::slice::from_ref(authority), key.clone())
    }
}

fn everyone() -> Members {
    Arc::new(|_| true)
}

/// Lets two ends talk until both are content, or one is not.
fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<(), String> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| format!("the server: {}", explain(&error)))?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| format!("the client: {}", explain(&error)))?;
    }
    Ok(())
}

/// One node calls another, which it takes for node `expected`.
fn call(from: &Papers, to: &Papers, expected: u64, members: Members) -> Result<(), String> {
    let server = Credentials::new(to.clone()).unwrap().accept_peers(members).unwrap();
    let client = Credentials::new(from.clone()).unwrap().connect_peer(NodeId(expected)).unwrap();
    handshake(&client, &server)
}

#[track_caller]
fn assert_refused(result: Result<(), String>, why: &str) {
    let refused = result.expect_err("it was let through");
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn nodes_of_a_cluster_talk_to_each_other() {
    let cluster = Cluster::new(CLUSTER);
    let second = cluster.admit(2, now());
    call(&second, &cluster.first, 1, everyone()).unwrap();
    call(&cluster.first, &second, 2, everyone()).unwrap();
}

#[test]
fn a_node_of_another_cluster_is_refused_by_either_end() {
    let (ours, theirs) = (Cluster::new(CLUSTER), Cluster::new(ClusterId([2; 16])));
    assert_refused(call(&theirs.admit(2, now()), &ours.first, 1, everyone()), "UnknownIssuer");
    // Even where somebody has made the two trust the same authority.
    let mut mixed = ours.first.clone();
    mixed.authorities = [ours.first.authorities.clone(), theirs.first.authorities.clone()].concat();
    let mut stranger = theirs.admit(2, now());
    stranger.authorities = mixed.authorities.iter().rev().cloned().collect();
    mixed.authorities.reverse();
    assert_refused(call(&stranger, &mixed, 1, everyone()), "another cluster");
    assert_refused(call(&mixed, &stranger, 2, everyone()), "another cluster");
}

#[test]
fn a_node_that_was_removed_is_refused_whatever_its_certificate_says() {
    let cluster = Cluster::new(CLUSTER);
    let second = cluster.admit(2, now());
    let removed = Arc::new(AtomicU64::new(0));
    let members: Members = Arc::new({
        let removed = Arc::clone(&removed);
        move |node| node.0 != removed.load(Ordering::SeqCst)
    });
    let server = Credentials::new(cluster.first.clone()).unwrap().accept_peers(members).unwrap();
    let client = Credentials::new(second).unwrap().connect_peer(NodeId(1)).unwrap();
    handshake(&client, &server).unwrap();
    removed.store(2, Ordering::SeqCst);
    // By the same ends, which could resume what they had.
    assert_refused(handshake(&client, &server), "node 2 is not a member");
}

#[test]
fn who_answers_has_to_be_who_was_called() {
    let cluster = Cluster::new(CLUSTER);
    let (second, third) = (cluster.admit(2, now()), cluster.admit(3, now()));
    assert_refused(call(&second, &third, 1, everyone()), "node 3 answers where node 1 was to be");
}

#[test]
fn a_certificate_counts_from_its_beginning_to_its_end() {
    let cluster = Cluster::new(CLUSTER);
    let day = Duration::from_hours(24);
    let over = cluster.admit(2, now() - NODE_VALID - day);
    assert_refused(call(&over, &cluster.first, 1, everyone()), "certificate expired");
    assert_refused(call(&cluster.first, &over, 2, everyone()), "certificate expired");
    let early = cluster.admit(2, now() + day);
    assert_refused(call(&early, &cluster.first, 1, everyone()), "certificate not valid yet");
}

#[test]
fn who_shows_no_certificate_is_refused() {
    let cluster = Cluster::new(CLUSTER);
    let credentials = Credentials::new(cluster.first.clone()).unwrap();
    let server = credentials.accept_peers(everyone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut client = builder.with_root_certificates(credentials.held().roots.clone()).with_no_client_auth();
    client.alpn_protocols = vec![H2.to_vec()];
    let client = Arc::new(client);
    assert_refused(handshake(&client, &server), "sent no certificates");
    // Clients are asked for none, and see a certificate for the host that they asked for.
    handshake(&client, &credentials.accept_clients().unwrap()).unwrap();
}

#[test]
fn nothing_older_than_tls_1_3_is_spoken() {
    let cluster = Cluster::new(CLUSTER);
    let credentials = Credentials::new(cluster.first).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS12]);
    let client = builder.unwrap().with_root_certificates(credentials.held().roots.clone()).with_no_client_auth();
    let client = Arc::new(client);
    for server in [credentials.accept_peers(everyone()), credentials.accept_clients(), credentials.accept_http()] {
        assert_refused(handshake(&client, &server.unwrap()), "incompatible");
    }
}

#[test]
fn an_authority_is_replaced_while_nodes_talk() {
    let cluster = Cluster::new(CLUSTER);
    let (first, second) = (cluster.first.clone(), cluster.admit(2, now()));
    let key: &ClusterKey = &first.cluster_key;
    let old = first.founding.clone().unwrap();
    let new = found(CLUSTER, key, Some(&old), now()).unwrap();
    let both = [old.clone(), new.clone()];
    // One has heard of the new one, the other has not, and has to be told over this very connection.
    let renewed = first.renewed(&both, &[], now()).unwrap().unwrap();
    call(&renewed, &second, 2, everyone()).unwrap();
    call(&second, &renewed, 1, everyone()).unwrap();
    let second = second.renewed(&both, &[], now()).unwrap().unwrap();
    call(&renewed, &second, 2, everyone()).unwrap();
    call(&second, &renewed, 1, everyone()).unwrap();
    // The old one does not count once it is dropped.
    let alone = renewed.renewed(&both[1..], &[], now()).unwrap().unwrap();
    call(&second, &alone, 1, everyone()).unwrap();
    assert_refused(call(&cluster.admit(3, now()), &alone, 1, everyone()), "UnknownIssuer");
    assert_eq!(alone.renewed(&both[1..], &[], now()).unwrap(), None, "nothing has changed");
    let late = now() + NODE_VALID;
    assert!(alone.renewed(&both[1..], &[], late).unwrap().is_some(), "its time is over");
    assert!(alone.renewed(&both[1..], &["node.example".to_owned()], now()).unwrap().is_some(), "a host is new");
}

#[test]
fn papers_are_read_as_they_were_written_and_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Papers::read(folder.path()).unwrap(), None);
    let papers = Cluster::new(CLUSTER).first;
    papers.write(folder.path()).unwrap();
    assert_eq!(Papers::read(folder.path()).unwrap(), Some(papers.clone()));
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls"), mode("tls/papers.json")), (0o700, 0o600));
    assert!(!format!("{papers:?}").contains(&format!("{:?}", papers.reveal_private())));
    std::fs::write(folder.path().join("tls/papers.json"), "{}").unwrap();
    assert!(Papers::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
}
