//! A tenant with a schema, on three nodes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_client::{Kind, v1};
use portcullis_model::Timestamp;
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use v1::Decision::{Allow, Conditional, Deny};
use v1::relationship_update::Operation::{self, Delete, Touch};

use crate::asking::{assert_allowed, assert_denied};
use crate::shell::{Ran, run_in};

const SCHEMA: &str = "
    use expiration
    caveat from_office(ip ipaddress, office string) { ip.in_cidr(office) }
    definition user {}
    definition group { relation member: user | group#member }
    definition folder {
        relation parent: folder
        relation viewer: user | group#member | user with from_office | user with expiration
        permission view = viewer + parent->view
    }
    definition document {
        relation parent: folder
        relation banned: user
        permission view = parent->view - banned
    }
";

pub(crate) async fn write_schema(cluster: &Cluster, node: u64, schema: &str) -> Result<(), portcullis_client::Error> {
    let request = v1::WriteSchemaRequest { schema: schema.to_owned(), ..v1::WriteSchemaRequest::default() };
    cluster.client(node).write_schema(request).await.map(|_| ())
}

pub(crate) fn updates(operation: Operation, relationships: &[&str]) -> v1::WriteRelationshipsRequest {
    let update = |relationship: &&str| v1::RelationshipUpdate {
        operation: operation.into(),
        relationship: (*relationship).to_owned(),
    };
    let updates = relationships.iter().map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

async fn touch(cluster: &Cluster, node: u64, relationships: &[&str]) -> anyhow::Result<()> {
    cluster.client(node).write_relationships(updates(Touch, relationships)).await?;
    Ok(())
}

fn with_context(question: v1::CheckRequest, context: &str) -> v1::CheckRequest {
    let item = question.item.map(|item| v1::CheckItem { context: context.to_owned(), ..item });
    v1::CheckRequest { item, ..question }
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_computed_at_every_node_and_survive_restarts() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    write_schema(&cluster, 2, SCHEMA).await?;
    touch(
        &cluster,
        3,
        &[
            "group:eng#member@user:alice",
            "group:all#member@group:eng#member",
            "folder:root#viewer@group:all#member",
            "folder:q3#parent@folder:root",
            "document:plan#parent@folder:q3",
        ],
    )
    .await?;
    let alice = requests::question("user:alice", "view", "document:plan");
    assert_allowed(&cluster, &alice).await;
    assert_denied(&cluster, &requests::question("user:bob", "view", "document:plan")).await;

    // Who is banned is denied at every node once the write has returned, and an early answer would be too early.
    let early = v1::WriteRelationshipsRequest {
        options: Some(v1::WriteOptions { ack: v1::Ack::Quorum.into(), ..v1::WriteOptions::default() }),
        ..updates(Touch, &["document:plan#banned@user:alice"])
    };
    let refused = cluster.client(1).write_relationships(early).await.expect_err("it takes something away");
    assert_eq!(refused.reason(), "ACK_TOO_EARLY", "{refused}");
    for node in [1, 2, 3] {
        touch(&cluster, node, &["document:plan#banned@user:alice"]).await?;
        assert_denied(&cluster, &alice).await;
        cluster.client(node).write_relationships(updates(Delete, &["document:plan#banned@user:alice"])).await?;
        assert_allowed(&cluster, &alice).await;
    }

    for node in [1, 2, 3] {
        cluster.kill(node)?;
    }
    for node in [1, 2, 3] {
        cluster.restart_unready(node)?;
    }
    for node in [1, 2, 3] {
        cluster.until_ready(node).await?;
    }
    assert_allowed(&cluster, &alice).await;
    let read = cluster.client(3).read_schema(v1::ReadSchemaRequest::default()).await?;
    assert_eq!(read.schema, SCHEMA);
    cluster.agreed_hash().await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_ends_count_at_every_node() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    write_schema(&cluster, 1, SCHEMA).await?;
    touch(&cluster, 2, &[r#"folder:q3#viewer@user:alice[from_office:{"office":"10.0.0.0/8"}]"#]).await?;
    let alice = requests::question("user:alice", "view", "folder:q3");
    for node in [1, 2, 3] {
        let client = cluster.client(node);
        let asked = client.check(alice.clone()).await?;
        assert_eq!((asked.decision(), asked.missing), (Conditional, vec!["ip".to_owned()]));
        for (context, decision) in [
            (r#"{"ip": "10.1.2.3"}"#, Allow),
            (r#"{"ip": "192.0.2.1"}"#, Deny),
            // What the relationship says counts more.
            (r#"{"ip": "192.0.2.1", "office": "192.0.2.0/24"}"#, Deny),
        ] {
            let answer = client.check(with_context(alice.clone(), context)).await?;
            assert_eq!(answer.decision(), decision, "{context} at node {node}");
        }
        let wrong = client.check(with_context(alice.clone(), r#"{"ip": 7}"#)).await.expect_err("no address");
        assert_eq!(wrong.reason(), "CAVEAT_EVALUATION_FAILED", "{wrong}");
    }
    let explained = v1::ExplainRequest { item: alice.item.clone(), ..v1::ExplainRequest::default() };
    let why = cluster.client(2).explain(explained).await?;
    assert_eq!((why.decision(), why.missing), (Conditional, vec!["ip".to_owned()]));
    assert!(why.steps.iter().any(|step| step.contains("folder:q3#viewer has user:alice")), "{:?}", why.steps);

    let end = now().plus_ms(2_000);
    touch(&cluster, 3, &[&format!("folder:q3#viewer@user:bob[expiration:{end}]")]).await?;
    let bob = requests::question("user:bob", "view", "folder:q3");
    wait::until_true("every node to deny", PATIENCE, async || {
        let sent = now();
        let answers = cluster.ask(&bob).await;
        let allowed = answers.iter().any(|(_, answer)| *answer == Ok(Allow));
        assert!(!allowed || sent < end, "at {sent}, from {end} on: {answers:?}");
        Ok(answers.iter().all(|(_, answer)| *answer == Ok(Deny)))
    })
    .await?;
    assert!(now() >= end.minus_ms(1_000), "it ended much too early");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_and_changes_nothing() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let none = cluster.client(1).read_schema(v1::ReadSchemaRequest::default()).await.expect_err("there is none");
    assert_eq!((none.kind(), none.reason()), (Kind::NotFound, "SCHEMA_NOT_FOUND"));
    write_schema(&cluster, 1, SCHEMA).await?;
    touch(&cluster, 1, &["group:eng#member@user:alice"]).await?;
    let parens = format!(
        "definition user {{}} definition a {{ permission p = {}nil{} }}",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    for (schema, reason) in [
        ("definition user {} definition group { relation member: nobody }", "SCHEMA_INVALID"),
        (parens.as_str(), "SCHEMA_INVALID"),
        ("definition user {}", "SCHEMA_IN_USE"),
    ] {
        let refused = write_schema(&cluster, 1, schema).await.expect_err("it does not fit");
        assert_eq!(refused.reason(), reason, "{refused}");
    }
    for (relationship, reason) in [
        ("group:eng#member@folder:q3", "SUBJECT_NOT_ALLOWED"),
        ("group:eng#owner@user:alice", "RELATION_NOT_FOUND"),
        ("planet:mars#member@user:alice", "TYPE_NOT_FOUND"),
        ("folder:q3#view@user:alice", "NOT_A_RELATION"),
        (r#"folder:q3#viewer@user:alice[from_office:{"office":7}]"#, "CAVEAT_CONTEXT_INVALID"),
        ("folder:q3#viewer@user:alice[nowhere]", "SUBJECT_NOT_ALLOWED"),
    ] {
        let refused = cluster.client(1).write_relationships(updates(Touch, &[relationship])).await;
        assert_eq!(refused.expect_err("it does not fit").reason(), reason, "{relationship}");
    }
    let unknown = cluster.client(1).check(requests::question("user:alice", "burn", "folder:q3")).await;
    assert_eq!(unknown.expect_err("no such permission").reason(), "PERMISSION_NOT_FOUND");
    let read = cluster.client(1).read_schema(v1::ReadSchemaRequest::default()).await?;
    assert_eq!(read.schema, SCHEMA);
    cluster.finish()
}

/// The commands, as somebody at a terminal would type them.
#[tokio::test(flavor = "multi_thread")]
async fn commands_write_read_compare_and_check() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let endpoint = cluster.node(1).client_address.clone();
    let run =
        async |args: &[&str]| -> anyhow::Result<Ran> { run_in(&[("PORTCULLIS_ENDPOINT", &endpoint)], args).await };
    let (old, new) = (file("old.zed", SCHEMA)?, file("new.zed", &SCHEMA.replace("- banned", ""))?);
    run(&["schema", "read"]).await?.assert_refused(&["has no schema", "`schema write`"]);
    assert!(run(&["schema", "write", &old]).await?.done().starts_with("written at revision "));
    assert_eq!(run(&["schema", "read"]).await?.done().trim(), SCHEMA.trim());
    assert_eq!(run(&["schema", "diff", &old]).await?.done().trim(), "nothing would change");
    let change = run(&["schema", "diff", &new]).await?.done();
    assert!(change.contains("document") && change.contains("view"), "{change}");
    let printed = run(&["schema", "fmt", &old]).await?.done();
    let canonical = file("canonical.zed", &printed)?;
    assert_eq!(run(&["schema", "fmt", &canonical]).await?.done(), printed);
    run(&["schema", "lint", &old]).await?.done();
    let bad = file("bad.zed", "definition user {\n relation a: b }")?;
    run(&["schema", "write", &bad]).await?.assert_refused(&["`b` is not defined", "line 2, column 14"]);
    let long = file("long.zed", &"/".repeat(10_000_000))?;
    run(&["schema", "write", &long]).await?.assert_refused(&["10000000 bytes long: the most is 4194304"]);
    run(&["schema", "fmt", "/nowhere.zed"]).await?.assert_refused(&["`/nowhere.zed` cannot be read"]);

    let relationship = r#"folder:q3#viewer@user:alice[from_office:{"office":"10.0.0.0/8"}]"#;
    run(&["relationship", "create", relationship]).await?.done();
    assert_eq!(run(&["relationship", "read", "folder"]).await?.done().trim(), relationship);
    let check = ["check", "user:alice", "view", "folder:q3"];
    let conditional = run(&check).await?;
    assert_eq!(conditional.status, Some(3), "{conditional:?}");
    assert!(conditional.stdout.starts_with("CONDITIONAL (missing: ip)"), "{conditional:?}");
    let allowed = run(&[&check[..], &["--context", r#"{"ip":"10.0.0.1"}"#, "--explain"]].concat()).await?.done();
    assert!(allowed.starts_with("ALLOW") && allowed.contains("folder:q3#view holds"), "{allowed}");
    run(&[&check[..], &["--context", "{"]].concat()).await?.assert_refused(&["the context is not JSON"]);
    let looked = run(&["lookup", "permissions", "user:alice", "folder:q3"]).await?.done();
    assert_eq!(looked.trim(), "view (missing: ip)");
    run(&["relationship", "create", "folder:q3#viewer@user:bob[c:7]"]).await?.assert_refused(&["not a JSON object"]);
    cluster.finish()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
