//! A write whose outcome is unknown is sent again under its key, and happens once.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};
use portcullis_client::v1;
use portcullis_tests::{Cluster, requests};

use crate::asking::{VIEWER, grant_ids, make_viewer};

/// Writes that are under way when the leader dies.
const WRITES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_sent_to_every_node_under_one_key_happens_once() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let request = keyed("key-1");
    let sent = (0..9).map(|nth| cluster.client(1 + nth % 3).create_grant(request.clone()));
    let answers = try_join_all(sent).await?;
    let ids: BTreeSet<String> = answers.iter().map(id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let tokens: BTreeSet<String> =
        answers.iter().filter_map(|answer| Some(answer.position.as_ref()?.token.clone())).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(grant_ids(cluster.client(2), v1::GrantFilter::default()).await?, Vec::from_iter(ids));

    // A refusal is remembered too, and a key stands for one request.
    let missing = v1::CreateGrantRequest { role: "editor".to_owned(), ..keyed("key-2") };
    for node in 1..=3 {
        let refused = cluster.client(node).create_grant(missing.clone()).await.unwrap_err();
        assert_eq!(refused.reason(), "ROLE_NOT_FOUND");
    }
    cluster.client(1).create_role(requests::role("editor", ["document#edit"])).await?;
    let refused = cluster.client(2).create_grant(missing).await.unwrap_err();
    assert_eq!(refused.reason(), "ROLE_NOT_FOUND", "the outcome under the key stays what it was");
    let other = v1::CreateGrantRequest { scope: "document:other".to_owned(), ..keyed("key-1") };
    let refused = cluster.client(3).create_grant(other).await.unwrap_err();
    assert_eq!(refused.reason(), "IDEMPOTENCY_KEY_REUSED");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_repeated_around_the_death_of_the_leader_happen_once() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let leader = cluster.leader().await?;
    let followers = cluster.followers().await?;
    let [first, second] = [0, 1].map(|nth| cluster.client(followers[nth]).clone());
    let sending = tokio::spawn({
        let first = first.clone();
        async move { join_all((0..WRITES).map(|nth| first.create_grant(keyed(&format!("key-{nth}"))))).await }
    });
    // Some are acknowledged, some are under way.
    let seen = second.clone();
    portcullis_tests::wait::until_true("the first of the writes", portcullis_tests::cluster::PATIENCE, async || {
        Ok(!grant_ids(&seen, v1::GrantFilter::default()).await?.is_empty())
    })
    .await?;
    cluster.kill(leader)?;
    let sent = sending.await?;
    let again = try_join_all((0..WRITES).map(|nth| second.create_grant(keyed(&format!("key-{nth}"))))).await?;
    for (nth, (before, after)) in sent.iter().zip(&again).enumerate() {
        if let Ok(before) = before {
            assert_eq!(id(before), id(after), "write {nth}");
        }
    }
    let found: BTreeSet<String> = grant_ids(&second, v1::GrantFilter::default()).await?.into_iter().collect();
    assert_eq!(found, again.iter().map(id).collect());
    assert_eq!(found.len(), WRITES);
    cluster.restart(leader).await?;
    cluster.agreed_hash().await?;
    cluster.finish()
}

/// A grant whose id the cluster makes, so that doing it twice would make two.
fn keyed(key: &str) -> v1::CreateGrantRequest {
    let options = requests::under_key(key);
    v1::CreateGrantRequest { options, ..requests::grant("", "user:alice", VIEWER, "document:plan") }
}

fn id(answer: &v1::CreateGrantResponse) -> String {
    answer.grant.as_ref().map(|grant| grant.id.clone()).unwrap_or_default()
}
