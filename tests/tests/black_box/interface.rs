//! The interface as programs meet it: what no message can mean is refused by name, and what there is can be asked.

use std::time::Duration;

use portcullis_client::{Client, Error, Kind, v1};
use portcullis_model::{GroupId, Revision, Token};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use portcullis_wire::v1::authorization_client::AuthorizationClient;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ListServiceResponse, ServerReflectionRequest};

use crate::asking::{make_viewer, may_view, views};

/// A number that no enum has.
const NO_SUCH: i32 = 99;

fn write(operation: i32) -> v1::WriteRelationshipsRequest {
    let relationship = "group:eng#member@user:alice".to_owned();
    let updates = vec![v1::RelationshipUpdate { operation, relationship }];
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

fn grant_with(options: v1::WriteOptions) -> v1::CreateGrantRequest {
    v1::CreateGrantRequest { options: Some(options), ..may_view("alice", "plan") }
}

fn grant_until(until: v1::create_grant_request::Until) -> v1::CreateGrantRequest {
    v1::CreateGrantRequest { until: Some(until), ..may_view("alice", "plan") }
}

/// What a call with a field that makes no sense comes to, and what it has to say.
async fn senseless(client: &Client) -> Vec<(Error, [&'static str; 2])> {
    use v1::create_grant_request::Until;
    use v1::precondition::Target;
    let duration = |seconds, nanos| Until::Duration(portcullis_wire::Duration { seconds, nanos });
    let end = |seconds, nanos| Until::End(portcullis_wire::Timestamp { seconds, nanos });
    let mut refused = Vec::new();
    // Values that the enums do not have, and the one that means nothing.
    for (operation, says) in [(NO_SUCH, "`99` is not an operation"), (0, "`0` is not an operation")] {
        refused.push((client.write_relationships(write(operation)).await.unwrap_err(), [says, "updates[0].operation"]));
    }
    let ack = grant_with(v1::WriteOptions { ack: NO_SUCH, ..v1::WriteOptions::default() });
    refused.push((client.create_grant(ack).await.unwrap_err(), ["`99` is not known", "options.ack"]));
    for (expectation, says) in [(NO_SUCH, "`99` is not an expectation"), (0, "`0` is not an expectation")] {
        let target = Some(Target::Role("viewer".to_owned()));
        let precondition = v1::Precondition { target, expectation, revision: 0 };
        let options = v1::WriteOptions { preconditions: vec![precondition], ..v1::WriteOptions::default() };
        let field = "options.preconditions[0].expectation";
        refused.push((client.create_grant(grant_with(options)).await.unwrap_err(), [says, field]));
    }
    // Times that are none, and durations that are not above zero.
    for (until, says) in [
        (duration(-5, 0), ["-5 s 0 ns", "above zero"]),
        (duration(0, 999_999), ["0 s 999999 ns", "at least one millisecond"]),
        (end(0, -1), ["0 s -1 ns", "is not a time"]),
        (end(i64::MAX, 0), ["9223372036854775807 s", "before year 10000"]),
    ] {
        refused.push((client.create_grant(grant_until(until)).await.unwrap_err(), says));
    }
    // What is missing, malformed or too much.
    let none = v1::CheckRequest { item: None, ..views("alice", "plan") };
    refused.push((client.check(none).await.unwrap_err(), ["item", "there is none"]));
    let tenant = v1::CheckRequest { tenant: "a!b".to_owned(), ..views("alice", "plan") };
    refused.push((client.check(tenant).await.unwrap_err(), ["tenant", "`a!b`"]));
    let id = "x".repeat(1_025);
    let long = requests::grant(&id, "user:alice", "viewer", "document:plan");
    refused.push((client.create_grant(long).await.unwrap_err(), ["1025 bytes long", "the most is 1024"]));
    let page = v1::ListGrantsRequest { page_size: 10_001, ..v1::ListGrantsRequest::default() };
    refused.push((client.list_grants(page).await.unwrap_err(), ["`10001` is too large", "10000"]));
    let cursor = v1::ListGrantsRequest { page_token: "nonsense".to_owned(), ..v1::ListGrantsRequest::default() };
    refused.push((client.list_grants(cursor).await.unwrap_err(), ["`nonsense` is not a cursor", "page before"]));
    let mode = Some(v1::consistency::Mode::AtExact("nonsense".to_owned()));
    let past = v1::CheckRequest { consistency: Some(v1::Consistency { mode }), ..views("alice", "plan") };
    refused.push((client.check(past).await.unwrap_err(), ["consistency.at_exact", "`nonsense`"]));
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_message_can_mean_is_refused_by_name_and_changes_nothing() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client(1);
    make_viewer(client).await?;
    let before = cluster.agreed_hash().await?;
    for (error, says) in senseless(client).await {
        assert_eq!((error.kind(), error.reason()), (Kind::Invalid, "INVALID_FIELD"), "{error}");
        for part in says {
            assert!(error.to_string().contains(part), "`{part}` is not said in: {error}");
        }
    }
    assert_eq!(cluster.agreed_hash().await?, before);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let address = format!("http://{}", cluster.node(1).client_address);
    let channel = Endpoint::from_shared(address)?.connect().await?;
    let health = HealthClient::new(channel.clone());
    wait::until_true("health to be reported", PATIENCE, async || {
        let answer = health.clone().check(HealthCheckRequest::default()).await?.into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    })
    .await?;

    let mut reflection = ServerReflectionClient::new(channel);
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut answers = reflection.server_reflection_info(futures::stream::iter([request])).await?.into_inner();
    let answer = answers.message().await?.and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(ListServiceResponse { service })) = answer else {
        anyhow::bail!("no list of services: {answer:?}");
    };
    for name in ["Authorization", "Relationships", "Schemas", "Roles", "Grants", "Tenants", "Cluster"] {
        let name = format!("portcullis.v1.{name}");
        assert!(service.iter().any(|service| service.name == name), "{name} in {service:?}");
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_answer_says_who_leads() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let leader = cluster.leader().await?;
    for id in 1..=3 {
        let address = format!("http://{}", cluster.node(id).client_address);
        let mut client = AuthorizationClient::new(Endpoint::from_shared(address)?.connect().await?);
        // What no node has reached.
        let token = Token { group: GroupId::FIRST, revision: Revision(1_000_000) };
        let mode = Some(v1::consistency::Mode::AtLeastAsFresh(token.to_string()));
        let question = v1::CheckRequest { consistency: Some(v1::Consistency { mode }), ..views("alice", "plan") };
        let mut request = tonic::Request::new(question);
        request.set_timeout(Duration::from_millis(500));
        let refused = client.check(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable, "node {id}: {refused}");
        assert!(refused.message().contains("entry 1000000 was not visible here by the deadline"), "{refused}");
        let named = refused.metadata().get(portcullis_wire::LEADER_HEADER).and_then(|leader| leader.to_str().ok());
        assert_eq!(named, Some(cluster.node(leader).client_address.as_str()), "node {id}: {refused}");
    }
    cluster.finish()
}

/// A node that is cut off from the others can prove nothing, and says so to whoever asks for its health.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_is_not_healthy() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let address = format!("http://{}", cluster.node(1).client_address);
    let health = HealthClient::new(Endpoint::from_shared(address)?.connect().await?);
    for (status, name) in [(ServingStatus::Serving, "healthy"), (ServingStatus::NotServing, "not healthy")] {
        wait::until_true(name, PATIENCE, async || {
            let answer = health.clone().check(HealthCheckRequest::default()).await?.into_inner();
            Ok(answer.status() == status)
        })
        .await?;
        if status == ServingStatus::Serving {
            cluster.kill(2)?;
            cluster.kill(3)?;
        }
    }
    cluster.dismiss();
    Ok(())
}
