//! Nodes that prove to each other who they are.

use std::process::ExitStatus;

use anyhow::Context;
use portcullis_client::v1;
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::asking::{assert_allowed, assert_denied, make_viewer, may_view, views};
use crate::shell::run_in;

/// The exit status of a node that is not let in.
const FAILED: i32 = 2;

/// Waits until a node has ended, and returns what it said last.
async fn last_words(cluster: &mut Cluster, id: u64) -> anyhow::Result<(ExitStatus, String)> {
    let ended = cluster.until_ended(id).await?;
    Ok((ended, cluster.node(id).log()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_made_by_tokens_and_a_revocation_counts_everywhere() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_proving(3).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(2).create_grant(may_view("alice", "plan")).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.client(3).revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    // A node that comes back is who it was.
    cluster.kill(2)?;
    cluster.restart(2).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_one_node_once() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_proving(1).await?;
    let token = cluster.client(1).create_join_token(v1::CreateJoinTokenRequest::default()).await?.token;
    cluster.launch_with_token(2, 1, &token)?;
    cluster.promote(2).await?;
    // Another that has found it comes too late, under another id and under the same.
    cluster.launch_with_token(3, 1, &token)?;
    let (status, said) = last_words(&mut cluster, 3).await?;
    assert_eq!(status.code(), Some(FAILED));
    assert!(said.contains("has let in node 2"), "{said}");
    assert!(!said.contains(&token), "the token is shown");
    let listed = cluster.client(1).list_join_tokens(v1::ListJoinTokensRequest {}).await?.join_tokens;
    assert_eq!(listed.iter().map(|token| token.used_by).collect::<Vec<_>>(), [2]);
    // One that repeats the request of node 2 word for word, but for the key that it wants a certificate for.
    let request = v1::JoinRequest {
        id: 2,
        peer: "127.0.0.1:1".to_owned(),
        client: "127.0.0.1:2".to_owned(),
        command_version: u32::MAX,
        idempotency_key: format!("join-{}-2", listed[0].id),
        certificate_request: portcullis_pki::Applicant::new()?.request,
        token: token.clone(),
        ..v1::JoinRequest::default()
    };
    let refused = cluster.client(1).join(request).await.unwrap_err();
    assert!(refused.to_string().contains("was used for another request"), "{refused}");

    // One that was revoked, one that was mistyped, and none.
    let revoked = cluster.client(1).create_join_token(v1::CreateJoinTokenRequest::default()).await?;
    let id = revoked.join_token.context("there is no token")?.id;
    cluster.client(1).revoke_join_token(v1::RevokeJoinTokenRequest { id, options: None }).await?;
    cluster.launch_with_token(4, 1, &revoked.token)?;
    assert!(last_words(&mut cluster, 4).await?.1.contains("or was revoked"));
    cluster.launch_with_token(5, 1, &token[..50])?;
    assert!(last_words(&mut cluster, 5).await?.1.contains("cut off or mistyped"));
    cluster.launch_flagged(6, Some(1), &["--tls"])?;
    assert!(last_words(&mut cluster, 6).await?.1.contains("there is no join token"));
    cluster.dismiss();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_is_talked_to_no_more() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_proving(3).await?;
    make_viewer(cluster.client(1)).await?;
    let leader = cluster.leader().await?;
    let removed = cluster.followers().await?[0];
    cluster.client(leader).remove_node(v1::RemoveNodeRequest { id: removed }).await?;
    cluster.client(leader).create_grant(may_view("alice", "plan")).await?;
    // It comes back with the certificate that it had, which is good for weeks.
    cluster.kill(removed)?;
    cluster.restart_unready(removed)?;
    let refused = format!("node {removed} is not a member");
    wait::until_true("the others to refuse it", PATIENCE, async || {
        Ok(cluster.up().into_iter().filter(|id| *id != removed).any(|id| cluster.node(id).log().contains(&refused)))
    })
    .await?;
    let asked = cluster.node(removed).client().check(views("alice", "plan")).await;
    assert!(asked.is_err(), "a node that was removed answered: {asked:?}");
    cluster.dismiss();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_replaced_while_the_cluster_works() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_proving(3).await?;
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    let old = cluster.client(1).list_authorities(v1::ListAuthoritiesRequest {}).await?.authorities;
    // A node that is down meanwhile is told by those that are not.
    let down = cluster.followers().await?[0];
    cluster.kill(down)?;
    let up = cluster.up();
    let client = cluster.client(up[0]).clone();
    let new = client.rotate_authority(v1::RotateAuthorityRequest { options: None }).await?;
    let new = new.authority.context("there is no authority")?;
    assert_ne!(new.fingerprint, old[0].fingerprint);
    until_known(&cluster, &up, 2).await?;
    cluster.restart(down).await?;
    until_known(&cluster, &[down], 2).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;

    let drop = v1::DropAuthorityRequest { fingerprint: old[0].fingerprint.clone(), options: None };
    cluster.client(up[0]).drop_authority(drop).await?;
    until_known(&cluster, &[1, 2, 3], 1).await?;
    for id in [1, 2, 3] {
        cluster.trust_what_is_known(id)?;
    }
    cluster.client(1).revoke_grants(requests::revoke("plan")).await?;
    assert_denied(&cluster, &views("alice", "plan")).await;
    for id in [1, 2, 3] {
        cluster.kill(id)?;
    }
    for id in [1, 2, 3] {
        cluster.restart_unready(id)?;
    }
    for id in [1, 2, 3] {
        cluster.until_ready(id).await?;
    }
    assert_denied(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

/// Waits until nodes know of so many authorities.
async fn until_known(cluster: &Cluster, nodes: &[u64], count: usize) -> anyhow::Result<()> {
    wait::until_true("nodes to have heard of authorities", PATIENCE, async || {
        let known = |id: &u64| std::fs::read_to_string(cluster.authorities(*id)).unwrap_or_default();
        Ok(nodes.iter().all(|id| known(id).matches("BEGIN CERTIFICATE").count() == count))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_without_tls() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_proving(1).await?;
    let address = cluster.node(1).client_address.clone();
    let authorities = cluster.authorities(1).display().to_string();
    let flags = ["--endpoint", &address, "--timeout", "2s", "cluster", "status"];
    let plain = run_in(&[], &flags).await?;
    plain.assert_refused(&["error:"]);
    let status = run_in(&[("PORTCULLIS_CA_FILE", &authorities)], &flags).await?.done();
    assert!(status.contains("LEADER"), "{status}");
    // An authority of somebody else.
    let other = tempfile::tempdir()?;
    let stranger = portcullis_pki::Papers::found(
        portcullis_model::ClusterId([7; 16]),
        portcullis_model::NodeId(1),
        &[],
        std::time::SystemTime::now(),
    )?;
    stranger.write(other.path())?;
    let stranger = other.path().join("tls/ca.crt").display().to_string();
    run_in(&[("PORTCULLIS_CA_FILE", &stranger)], &flags).await?.assert_refused(&["error:"]);
    let nothing = run_in(&[("PORTCULLIS_CA_FILE", "/nowhere")], &flags).await?;
    nothing.assert_refused(&["--ca-file: `/nowhere` cannot be read"]);
    // Not even what is wrong with it.
    let mut stream = TcpStream::connect(&address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|window| window == b"HTTP"), "{answer:?}");

    // What began with TLS goes on with it.
    cluster.kill(1)?;
    cluster.set_flags(1, &[]);
    cluster.restart_unready(1)?;
    let (status, said) = last_words(&mut cluster, 1).await?;
    assert_eq!(status.code(), Some(FAILED));
    assert!(said.contains("start it with `--tls`"), "{said}");
    cluster.dismiss();
    Ok(())
}
