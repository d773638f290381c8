//! What `authzed.api.v1` says is no older than what was acknowledged, however slowly it is read, and by whichever node.

use std::time::Duration;

use anyhow::Context as _;
use futures::stream::{Stream, StreamExt};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, wait};
use portcullis_wire::authzed::v1::permissions_service_client::PermissionsServiceClient;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use v1::relationship_update::Operation::{Create, Delete};

use crate::authzed::{SCHEMA, filter, reading, services, told};

/// How many a lookup finds: fewer than a node looks for in one go.
const FOUND: usize = 200;
/// How long their ids are, so that most of them have to wait in the node until a caller takes them.
const ID_BYTES: usize = 900;
/// How much a node may send to a slow caller before that takes some of it, in bytes.
const WINDOW: u32 = 1_024;
/// How long a node that is alone is asked.
const SHORT: Duration = Duration::from_secs(1);

fn id(nth: usize) -> String {
    format!("{nth:0>ID_BYTES$}")
}

/// Takes the first answer, has what the last one rests on taken away, and takes the others.
async fn read_slowly<T>(
    mut answers: impl Stream<Item = Result<T, Status>> + Unpin,
    take_away: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<T>, Status)> {
    let first = answers.next().await.context("an answer")??;
    take_away().await?;
    let mut taken = vec![first];
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => taken.push(answer),
            Err(status) => return Ok((taken, status)),
        }
    }
    anyhow::bail!("it found {} of {FOUND}, and ended as if that were all", taken.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_slow_caller_is_not_told_once_it_is_taken_away() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let mut writer = services(&cluster, 2).await?;
    writer.write_schema(SCHEMA).await?;
    let of_alice = |nth: usize| format!("document:{}#viewer@user:alice", id(nth));
    let of_plan = |nth: usize| format!("document:plan#viewer@user:{}", id(nth));
    let relationships: Vec<String> = (0..FOUND).flat_map(|nth| [of_alice(nth), of_plan(nth)]).collect();
    let created: Vec<_> = relationships.iter().map(|one| (Create, one.as_str())).collect();
    writer.write(&created).await?;

    let node = Endpoint::from_shared(format!("http://{}", cluster.node(1).client_address))?;
    let slow = node.initial_stream_window_size(WINDOW).connect().await?;
    let mut slow: PermissionsServiceClient<Channel> = PermissionsServiceClient::new(slow);
    let all_but_the_last: Vec<String> = (0..FOUND - 1).map(id).collect();

    let request = v1::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject: Some(wire::subject_reference(&"user:alice".parse()?)),
        ..v1::LookupResourcesRequest::default()
    };
    let answers = slow.lookup_resources(request).await?.into_inner();
    let take_away = async || Ok(writer.write(&[(Delete, &of_alice(FOUND - 1))]).await.map(|_| ())?);
    let (taken, status) = read_slowly(answers, take_away).await?;
    let taken: Vec<String> = taken.into_iter().map(|answer| answer.resource_object_id).collect();
    assert!(taken == all_but_the_last, "{} of {FOUND} were told", taken.len());
    assert_eq!(told(&status), (Code::Unavailable, "ANSWER_CHANGING".to_owned()), "{status}");

    let request = v1::LookupSubjectsRequest {
        resource: Some(wire::object_reference(&"document:plan".parse()?)),
        permission: "view".to_owned(),
        subject_object_type: "user".to_owned(),
        ..v1::LookupSubjectsRequest::default()
    };
    let answers = slow.lookup_subjects(request).await?.into_inner();
    let take_away = async || Ok(writer.write(&[(Delete, &of_plan(FOUND - 1))]).await.map(|_| ())?);
    let (taken, status) = read_slowly(answers, take_away).await?;
    let taken = taken.into_iter().map(|answer| answer.subject.unwrap_or_default().subject_object_id);
    let taken: Vec<String> = taken.collect();
    assert!(taken == all_but_the_last, "{} of {FOUND} were told", taken.len());
    assert_eq!(told(&status), (Code::Unavailable, "ANSWER_CHANGING".to_owned()), "{status}");
    cluster.finish()
}

/// A node that was away while the schema was written, and cannot reach those who know it, shows none. It cannot know that
/// names are wrong, and must not say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_not_refused_by_a_schema_that_is_older_than_what_was_acknowledged() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let leader = cluster.leader().await?;
    let followers = cluster.followers().await?;
    let (behind, others) = (followers[0], [leader, followers[1]]);
    cluster.kill(behind)?;
    let mut knows = services(&cluster, leader).await?;
    knows.write_schema(SCHEMA).await?;
    knows.write(&[(Create, "document:plan#viewer@user:alice")]).await?;
    for id in others {
        cluster.pause(id)?;
    }
    cluster.restart_unready(behind)?;
    let mut asked =
        wait::until("the node to listen", PATIENCE, async || Ok(services(&cluster, behind).await.ok())).await?;

    let viewers = v1::RelationshipFilter { optional_relation: "viewer".to_owned(), ..filter("document") };
    let read = reading(viewers.clone());
    let export = v1::ExportBulkRelationshipsRequest {
        optional_relationship_filter: Some(viewers.clone()),
        ..v1::ExportBulkRelationshipsRequest::default()
    };
    let delete = v1::DeleteRelationshipsRequest {
        relationship_filter: Some(viewers),
        ..v1::DeleteRelationshipsRequest::default()
    };
    let service = || asked.permissions.clone();
    assert_not_fresh("read", async || service().read_relationships(soon(read.clone())).await.map(|_| ())).await?;
    assert_not_fresh("export", async || service().export_bulk_relationships(soon(export.clone())).await.map(|_| ()))
        .await?;
    assert_not_fresh("delete", async || service().delete_relationships(soon(delete.clone())).await.map(|_| ())).await?;

    for id in others {
        cluster.resume(id)?;
    }
    cluster.until_ready(behind).await?;
    assert_eq!(asked.read(read).await?.len(), 1);
    let unknown = asked.read(reading(filter("folder"))).await.unwrap_err();
    assert_eq!(told(&unknown), (Code::FailedPrecondition, "UNKNOWN_DEFINITION".to_owned()));
    asked.permissions.delete_relationships(delete).await?;
    cluster.finish()
}

/// Asks until the node says something, and holds it to that. A call that the caller's own timer ended says nothing.
async fn assert_not_fresh(what: &str, ask: impl AsyncFn() -> Result<(), Status>) -> anyhow::Result<()> {
    let status = wait::until(&format!("the node to refuse to {what}"), PATIENCE, async || {
        let status = ask().await.expect_err("a node that is alone knows nothing");
        Ok(Some(status).filter(|status| status.code() != Code::Cancelled))
    })
    .await?;
    assert_eq!(told(&status), (Code::Unavailable, "NOT_FRESH".to_owned()), "{what}: {status}");
    Ok(())
}

/// A request that is answered in a moment or not at all.
fn soon<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(SHORT);
    request
}
