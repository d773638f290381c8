//! What the answers of `authzed.api.v1` were put together from, and when they end.

use std::fmt::Write as _;

use anyhow::Context as _;
use portcullis_tests::{Cluster, requests};
use portcullis_wire::authzed::{self as wire, v1};
use tonic::Code;
use v1::check_debug_trace::{Permissionship, Resolution};
use v1::check_permission_response::Permissionship as Answer;
use v1::relationship_update::Operation::Create;

use crate::authzed::{filter, question, reading, services, told};

const SCHEMA: &str = "
    use expiration
    caveat in_office(ip ipaddress) { ip.in_cidr('10.0.0.0/8') }
    definition user {}
    definition group { relation member: user | group#member }
    definition folder {
        relation parent: folder
        relation viewer: user | group#member
        permission view = viewer + parent->view
    }
    definition document {
        relation parent: folder
        relation viewer: user | user with in_office | user with expiration
        permission view = viewer + parent->view
    }
";

/// 2100-01-01T00:00:00Z.
const END: i64 = 4_102_444_800;

/// A trace as people would write it.
fn drawn(trace: &v1::CheckDebugTrace, depth: usize) -> String {
    let resource = trace.resource.clone().unwrap_or_default();
    let mark = match trace.result() {
        Permissionship::HasPermission => "yes",
        Permissionship::NoPermission => "no",
        Permissionship::ConditionalPermission => "depends",
        Permissionship::Unspecified => "undecided",
    };
    let name = format!("{}:{} {}", resource.object_type, resource.object_id, trace.permission);
    let mut text = format!("{}{mark} {name}{}", "  ".repeat(depth), trace.source);
    if let Some(caveat) = &trace.caveat_evaluation_info {
        let missing = caveat.partial_caveat_info.clone().unwrap_or_default().missing_required_context;
        let _ = write!(text, " [{} {:?} {missing:?}]", caveat.caveat_name, caveat.result());
    }
    text.push('\n');
    match trace.resolution.as_ref() {
        Some(Resolution::SubProblems(below)) => text.extend(below.traces.iter().map(|one| drawn(one, depth + 1))),
        Some(Resolution::WasCachedResult(true)) => text.push_str("cached\n"),
        Some(Resolution::WasCachedResult(false)) | None => {}
    }
    text
}

async fn prepared() -> anyhow::Result<Cluster> {
    let cluster = Cluster::start(3).await?;
    let mut first = services(&cluster, 1).await?;
    first.write_schema(SCHEMA).await?;
    let relationships = [
        "document:plan#parent@folder:q3",
        "document:plan#viewer@user:bob[in_office]",
        "document:plan#viewer@user:carol[expiration:2100-01-01T00:00:00Z]",
        "folder:q3#viewer@group:eng#member",
        "group:eng#member@user:alice",
    ];
    first.write(&relationships.map(|one| (Create, one))).await?;
    cluster.client(2).create_role(requests::role("reader", ["document#view"])).await?;
    cluster.client(2).create_grant(requests::grant("g1", "user:dave", "reader", "document:plan")).await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_says_what_an_answer_was_put_together_from() -> anyhow::Result<()> {
    let cluster = prepared().await?;
    let context = |ip: &str| Some(wire::struct_of(&format!(r#"{{"ip":"{ip}"}}"#).parse().unwrap()));
    for (subject, context, answer, expected) in [
        (
            "user:alice",
            None,
            Answer::HasPermission,
            "yes document:plan view\n  no document:plan viewer\n  yes folder:q3 view\n    yes folder:q3 viewer\n      \
             yes group:eng member\n",
        ),
        (
            "user:bob",
            None,
            Answer::ConditionalPermission,
            "depends document:plan view [ MissingSomeContext [\"ip\"]]\n  depends document:plan viewer \
             [in_office MissingSomeContext [\"ip\"]]\n  no folder:q3 view\n    no folder:q3 viewer\n",
        ),
        (
            "user:bob",
            context("10.1.1.1"),
            Answer::HasPermission,
            "yes document:plan view\n  yes document:plan viewer [in_office True []]\n",
        ),
        (
            "user:bob",
            context("11.1.1.1"),
            Answer::NoPermission,
            "no document:plan view\n  no document:plan viewer [in_office False []]\n  no folder:q3 view\n    \
             no folder:q3 viewer\n",
        ),
        (
            "user:dave",
            None,
            Answer::HasPermission,
            "yes document:plan view\n  no document:plan viewer\n  no folder:q3 view\n    no folder:q3 viewer\n  \
             yes document:plan readerportcullis:grant/g1\n",
        ),
    ] {
        let asked = question(subject, "view", "document:plan");
        let asked = v1::CheckPermissionRequest { with_tracing: true, context, ..asked };
        for node in 1..=3 {
            let answered =
                services(&cluster, node).await?.permissions.check_permission(asked.clone()).await?.into_inner();
            assert_eq!(answered.permissionship(), answer, "{subject}");
            let debug = answered.debug_trace.context("a trace")?;
            assert!(debug.schema_used.contains("definition document"), "{}", debug.schema_used);
            assert_eq!(drawn(&debug.check.context("a check")?, 0), expected, "{subject}");
        }
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_when_it_may_end_by_itself() -> anyhow::Result<()> {
    let cluster = prepared().await?;
    let mut first = services(&cluster, 1).await?;
    let asked = question("user:carol", "view", "document:plan");
    for with_tracing in [false, true] {
        let asked = v1::CheckPermissionRequest { with_tracing, ..asked.clone() };
        let answered = first.permissions.check_permission(asked).await?.into_inner();
        assert_eq!(answered.optional_expires_at.map(|end| end.seconds), Some(END));
        assert_eq!(answered.debug_trace.is_some(), with_tracing);
    }
    for subject in ["user:alice", "user:stranger"] {
        let asked = v1::CheckPermissionRequest { with_tracing: true, ..question(subject, "view", "document:plan") };
        assert_eq!(
            first.permissions.check_permission(asked).await?.into_inner().optional_expires_at,
            None,
            "{subject}"
        );
    }
    let read = first.read(reading(filter("document"))).await?;
    let ends = read.iter().filter_map(|read| read.relationship.as_ref()?.optional_expires_at);
    assert_eq!(ends.map(|end| end.seconds).collect::<Vec<_>>(), [END]);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_no_client_could_read_is_refused() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let mut services = services(&cluster, 1).await?;
    services.write_schema(SCHEMA).await?;
    let mut relationships: Vec<String> = (0..48).map(|n| format!("folder:f{}#parent@folder:f{n}", n + 1)).collect();
    relationships.push("folder:f0#viewer@user:alice".to_owned());
    services.write(&relationships.iter().map(|one| (Create, one.as_str())).collect::<Vec<_>>()).await?;
    let asked = |folder| question("user:alice", "view", folder);
    let traced = |folder| v1::CheckPermissionRequest { with_tracing: true, ..asked(folder) };
    let answered = services.permissions.check_permission(traced("folder:f42")).await?.into_inner();
    let drawn = drawn(&answered.debug_trace.and_then(|debug| debug.check).context("a trace")?, 0);
    assert_eq!(drawn.lines().filter(|line| line.trim_start().starts_with("yes folder:")).count(), 44, "{drawn}");
    assert_eq!(services.check(asked("folder:f48")).await?, Answer::HasPermission);
    let refused = services.permissions.check_permission(traced("folder:f48")).await.unwrap_err();
    assert_eq!(told(&refused), (Code::ResourceExhausted, "TRACE_TOO_LARGE".to_owned()), "{refused}");
    let item = v1::CheckBulkPermissionsRequestItem::default();
    let bulk = v1::CheckBulkPermissionsRequest { items: vec![item], with_tracing: true, ..<_>::default() };
    let refused = services.permissions.check_bulk_permissions(bulk).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("with_tracing"), "{refused}");
    cluster.finish()
}
