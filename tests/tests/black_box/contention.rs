//! Many who want the same thing at the same time.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};
use portcullis_client::{Client, v1};
use portcullis_tests::{Cluster, requests};

use crate::asking::{VIEWER, assert_allowed, assert_denied, make_viewer};

/// Writers that want the same grant id.
const CREATORS: u64 = 1_000;
/// Writers that change the same role. Each round one of them succeeds at least, so their work grows with the square.
const EDITORS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_who_create_one_grant_one_succeeds() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let create = async |nth: u64| {
        let subject = format!("user:u{nth}");
        let request = requests::grant("the-one", &subject, VIEWER, "document:plan");
        cluster.client(1 + nth % 3).create_grant(request).await.map(|_| subject)
    };
    let (mut winners, mut refused) = (Vec::new(), 0);
    for outcome in join_all((0..CREATORS).map(create)).await {
        match outcome {
            Ok(subject) => winners.push(subject),
            Err(error) => {
                assert_eq!(error.reason(), "GRANT_EXISTS", "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((winners.len(), refused), (1, CREATORS - 1));
    let id = "the-one".to_owned();
    let grant = cluster.client(2).get_grant(v1::GetGrantRequest { id, ..v1::GetGrantRequest::default() }).await?;
    assert_eq!(grant.grant.unwrap_or_default().subject, winners[0]);
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_grant_one_role_at_once_and_one_revocation_ends_all() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    make_viewer(cluster.client(1)).await?;
    let create = async |nth: u64| {
        let request = requests::grant("", &format!("user:u{nth}"), VIEWER, "document:plan");
        cluster.client(1 + nth % 3).create_grant(request).await
    };
    try_join_all((0..CREATORS).map(create)).await?;
    let everybody = requests::question("user:u999", "view", "document:plan");
    assert_allowed(&cluster, &everybody).await;
    let filter = Some(v1::GrantFilter { role: VIEWER.to_owned(), ..v1::GrantFilter::default() });
    let revoke = v1::RevokeGrantsByFilterRequest { filter, ..v1::RevokeGrantsByFilterRequest::default() };
    let ended = cluster.client(2).revoke_grants_by_filter(revoke).await?;
    assert_eq!(ended.ids.len(), usize::try_from(CREATORS)?);
    assert_denied(&cluster, &everybody).await;
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_of_a_role_is_lost_when_many_change_it() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    cluster.client(1).create_role(requests::role(VIEWER, [])).await?;
    let edits = (0..EDITORS).map(|nth| add_permission(cluster.client(1 + nth % 3), nth));
    let attempts: u64 = try_join_all(edits).await?.into_iter().sum();
    assert!(attempts > EDITORS, "nobody ever came second: the writers did not compete");
    let role = role(cluster.client(1)).await?;
    let expected: BTreeSet<String> = (0..EDITORS).map(permission).collect();
    assert_eq!(role.permissions.into_iter().collect::<BTreeSet<_>>(), expected);
    cluster.agreed_hash().await?;
    cluster.finish()
}

/// Reads the role and writes it with one permission more, on condition that nobody has changed it meanwhile. Returns how
/// many attempts that took.
async fn add_permission(client: &Client, nth: u64) -> anyhow::Result<u64> {
    for attempt in 1.. {
        let mut role = role(client).await?;
        role.permissions.push(permission(nth));
        let unchanged = v1::Precondition {
            target: Some(v1::precondition::Target::Role(VIEWER.to_owned())),
            expectation: v1::precondition::Expectation::AtRevision.into(),
            revision: role.modified_revision,
        };
        let update = v1::UpdateRoleRequest {
            id: VIEWER.to_owned(),
            permissions: role.permissions,
            options: Some(v1::WriteOptions { preconditions: vec![unchanged], ..v1::WriteOptions::default() }),
            ..v1::UpdateRoleRequest::default()
        };
        match client.update_role(update).await {
            Ok(_) => return Ok(attempt),
            Err(error) if error.reason() == "PRECONDITION_FAILED" => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("INVARIANT: the loop ends with an update")
}

async fn role(client: &Client) -> anyhow::Result<v1::Role> {
    let request = v1::GetRoleRequest { id: VIEWER.to_owned(), ..v1::GetRoleRequest::default() };
    Ok(client.get_role(request).await?.role.unwrap_or_default())
}

fn permission(nth: u64) -> String {
    format!("document#p{nth}")
}
