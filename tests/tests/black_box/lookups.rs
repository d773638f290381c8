//! Lookups, on three nodes and from a terminal.

use futures::TryStreamExt;
use portcullis_client::{Client, Kind, v1};
use portcullis_tests::{Cluster, requests};
use v1::relationship_update::Operation::{Delete, Touch};

use crate::schemas::{updates, write_schema};
use crate::shell::run_in;

const SCHEMA: &str = "
    caveat in_office(ip ipaddress) { ip.in_cidr('10.0.0.0/8') }
    definition user {}
    definition group { relation member: user | group#member }
    definition document {
        relation viewer: user | user:* | group#member | user with in_office
        relation banned: user
        permission view = viewer - banned
    }
";

fn resources(subject: &str) -> v1::LookupResourcesRequest {
    v1::LookupResourcesRequest {
        subject: subject.to_owned(),
        permission: "view".to_owned(),
        resource_type: "document".to_owned(),
        ..v1::LookupResourcesRequest::default()
    }
}

fn subjects(resource: &str, subject_type: &str) -> v1::LookupSubjectsRequest {
    v1::LookupSubjectsRequest {
        permission: "view".to_owned(),
        resource: resource.to_owned(),
        subject_type: subject_type.to_owned(),
        ..v1::LookupSubjectsRequest::default()
    }
}

/// What is found, the names of missing parameters behind it, and the last cursor.
async fn found(
    client: &Client,
    request: v1::LookupResourcesRequest,
) -> Result<(String, String), portcullis_client::Error> {
    let messages: Vec<_> = client.lookup_resources(request).await?.try_collect().await?;
    let cursor = messages.last().map(|last| last.next_page_token.clone()).unwrap_or_default();
    let found = messages.into_iter().flat_map(|message| message.resources).map(|one| {
        let missing = one.missing.iter().map(|name| format!("{name}?"));
        [one.resource.clone()].into_iter().chain(missing).collect::<Vec<_>>().join(" ")
    });
    Ok((found.collect::<Vec<_>>().join(", "), cursor))
}

async fn found_subjects(client: &Client, request: v1::LookupSubjectsRequest) -> anyhow::Result<String> {
    let messages: Vec<_> = client.lookup_subjects(request).await?.try_collect().await?;
    let one = |one: v1::FoundSubject| {
        let excluded = one.excluded.iter().map(|excluded| format!("-{}", excluded.subject));
        [one.subject.clone()].into_iter().chain(excluded).collect::<Vec<_>>().join(" ")
    };
    Ok(messages.into_iter().flat_map(|message| message.subjects).map(one).collect::<Vec<_>>().join(", "))
}

async fn prepare(cluster: &Cluster) -> anyhow::Result<()> {
    write_schema(cluster, 1, SCHEMA).await?;
    let relationships = [
        "document:a#viewer@user:alice",
        "document:b#viewer@group:eng#member",
        "document:c#viewer@user:*",
        "document:d#viewer@user:alice[in_office]",
        "document:e#viewer@user:alice",
        "document:e#banned@user:alice",
        "document:c#banned@user:bob",
        "group:eng#member@user:alice",
    ];
    cluster.client(1).write_relationships(updates(Touch, &relationships)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_are_fresh_at_every_node_and_go_on_where_they_stopped() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    prepare(&cluster).await?;
    for id in 1..=3 {
        let client = cluster.client(id);
        let (all, _) = found(client, resources("user:alice")).await?;
        assert_eq!(all, "document:a, document:b, document:c, document:d ip?");
        assert_eq!(found(client, resources("user:bob")).await?.0, "");
        assert_eq!(found(client, resources("group:eng#member")).await?.0, "document:b");
        assert_eq!(found_subjects(client, subjects("document:c", "user")).await?, "user:* -user:bob");
        assert_eq!(found_subjects(client, subjects("document:b", "user")).await?, "user:alice");
        assert_eq!(found_subjects(client, subjects("document:b", "group#member")).await?, "group:eng#member");
    }

    // Page by page, each at another node, and not from what has changed meanwhile.
    let first = v1::LookupResourcesRequest { page_size: 2, ..resources("user:alice") };
    let (page, cursor) = found(cluster.client(1), first.clone()).await?;
    assert_eq!(page, "document:a, document:b");
    cluster.client(3).write_relationships(updates(Delete, &["document:c#viewer@user:*"])).await?;
    assert_eq!(found(cluster.client(2), resources("user:alice")).await?.0, "document:a, document:b, document:d ip?");
    let next = v1::LookupResourcesRequest { page_token: cursor.clone(), ..first.clone() };
    let (page, cursor) = found(cluster.client(2), next).await?;
    assert_eq!(page, "document:c, document:d ip?");
    let last = v1::LookupResourcesRequest { page_token: cursor.clone(), ..first.clone() };
    assert_eq!(found(cluster.client(3), last).await?.0, "");

    let context = r#"{"ip": "10.1.2.3"}"#.to_owned();
    let in_office = v1::LookupResourcesRequest { context, ..resources("user:alice") };
    assert_eq!(found(cluster.client(1), in_office.clone()).await?.0, "document:a, document:b, document:d");

    // A cursor belongs to its question.
    for (page_token, other, says) in [
        (cursor.clone(), in_office, "is a cursor of another lookup"),
        (cursor.clone(), resources("user:bob"), "is a cursor of another lookup"),
        ("abc".to_owned(), first.clone(), "`abc` is not a cursor"),
        (format!("{}00", &cursor[..cursor.len() - 2]), first, "is a cursor of another lookup"),
    ] {
        let error = found(cluster.client(1), v1::LookupResourcesRequest { page_token, ..other }).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (Kind::Invalid, "CURSOR_INVALID"), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let unknown = v1::LookupResourcesRequest { permission: "burn".to_owned(), ..resources("user:alice") };
    assert_eq!(found(cluster.client(1), unknown).await.unwrap_err().reason(), "PERMISSION_NOT_FOUND");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_found_by_lookups_too() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    cluster.client(1).create_role(requests::role("viewer", ["document#view"])).await?;
    let relationships = ["group:eng#member@user:alice", "document:a#parent@folder:q3", "document:b#parent@folder:q3"];
    cluster.client(1).write_relationships(updates(Touch, &relationships)).await?;
    cluster.client(2).create_grant(requests::grant("g", "group:eng#member", "viewer", "folder:q3")).await?;
    for id in 1..=3 {
        assert_eq!(found(cluster.client(id), resources("user:alice")).await?.0, "document:a, document:b");
        assert_eq!(found_subjects(cluster.client(id), subjects("document:a", "user")).await?, "user:alice");
    }
    cluster.client(3).revoke_grants(requests::revoke("g")).await?;
    for id in 1..=3 {
        assert_eq!(found(cluster.client(id), resources("user:alice")).await?.0, "");
        assert_eq!(found_subjects(cluster.client(id), subjects("document:a", "user")).await?, "");
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_print_what_is_found() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    prepare(&cluster).await?;
    let environment = [("PORTCULLIS_ENDPOINT", cluster.node(1).client_address.as_str())];
    let run = async |args: &[&str]| run_in(&environment, args).await;
    let ran = run(&["lookup", "resources", "user:alice", "view", "document"]).await?;
    assert_eq!(ran.stdout, "document:a\ndocument:b\ndocument:c\ndocument:d (missing: ip)\n");
    let ran = run(&["lookup", "subjects", "view", "document:c", "user"]).await?;
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "user:* but not user:bob\n"));
    let ran = run(&["-o", "json", "lookup", "resources", "user:alice", "view", "document", "--limit", "1"]).await?;
    assert_eq!(ran.stdout, "{\"missing\":[],\"resource\":\"document:a\"}\n");
    let cursor = ran.stderr.split_whitespace().last().unwrap_or_default().to_owned();
    let ran = run(&["lookup", "resources", "user:alice", "view", "document", "--cursor", &cursor]).await?;
    assert_eq!(ran.stdout, "document:b\ndocument:c\ndocument:d (missing: ip)\n");
    run(&["lookup", "resources", "user:alice", "view", "document", "--cursor", "abc"])
        .await?
        .assert_refused(&["`abc` is not a cursor"]);
    run(&["lookup", "resources", "user:alice", "burn", "document"]).await?.assert_refused(&["document#burn"]);
    run(&["lookup", "subjects", "view", "document", "user"])
        .await?
        .assert_refused(&["`document` is not a valid object"]);
    cluster.finish()
}
