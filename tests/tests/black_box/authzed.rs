//! `authzed.api.v1`, called by a client that is not ours.

use anyhow::Context as _;
use futures::{TryStreamExt, stream};
use portcullis_tests::Cluster;
use portcullis_wire::authzed::v1::permissions_service_client::PermissionsServiceClient;
use portcullis_wire::authzed::v1::schema_service_client::SchemaServiceClient;
use portcullis_wire::authzed::v1::watch_service_client::WatchServiceClient;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use v1::check_permission_response::Permissionship::{self, ConditionalPermission, HasPermission, NoPermission};
use v1::relationship_update::Operation::{self, Create, Delete, Touch};

pub(crate) const SCHEMA: &str = "
    caveat in_office(ip ipaddress) { ip.in_cidr('10.0.0.0/8') }
    definition user {}
    /** A group. */
    definition group { relation member: user | group#member }
    definition document {
        relation viewer: user | group#member | user with in_office
        relation banned: user
        permission view = viewer - banned
    }
";

/// The services of one node.
pub(crate) struct Services {
    pub(crate) permissions: PermissionsServiceClient<Channel>,
    schemas: SchemaServiceClient<Channel>,
    watches: WatchServiceClient<Channel>,
}

pub(crate) async fn services(cluster: &Cluster, node: u64) -> anyhow::Result<Services> {
    let address = format!("http://{}", cluster.node(node).client_address);
    Ok(Services {
        permissions: PermissionsServiceClient::connect(address.clone()).await?,
        schemas: SchemaServiceClient::connect(address.clone()).await?,
        watches: WatchServiceClient::connect(address).await?,
    })
}

impl Services {
    pub(crate) async fn write_schema(&mut self, schema: &str) -> Result<(), Status> {
        self.schemas.write_schema(v1::WriteSchemaRequest { schema: schema.to_owned() }).await.map(|_| ())
    }

    pub(crate) async fn write(&mut self, updates: &[(Operation, &str)]) -> Result<v1::ZedToken, Status> {
        let written = self.permissions.write_relationships(writing(updates)).await?;
        Ok(written.into_inner().written_at.unwrap())
    }

    pub(crate) async fn check(&mut self, question: v1::CheckPermissionRequest) -> Result<Permissionship, Status> {
        Ok(self.permissions.check_permission(question).await?.into_inner().permissionship())
    }

    pub(crate) async fn read(
        &mut self,
        request: v1::ReadRelationshipsRequest,
    ) -> Result<Vec<v1::ReadRelationshipsResponse>, Status> {
        self.permissions.read_relationships(request).await?.into_inner().try_collect().await
    }
}

fn update(operation: Operation, relationship: &str) -> v1::RelationshipUpdate {
    v1::RelationshipUpdate {
        operation: operation.into(),
        relationship: Some(wire::relationship(&relationship.parse().unwrap())),
    }
}

fn writing(updates: &[(Operation, &str)]) -> v1::WriteRelationshipsRequest {
    let updates = updates.iter().map(|(operation, relationship)| update(*operation, relationship)).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

pub(crate) fn question(subject: &str, permission: &str, resource: &str) -> v1::CheckPermissionRequest {
    v1::CheckPermissionRequest {
        resource: Some(wire::object_reference(&resource.parse().unwrap())),
        permission: permission.to_owned(),
        subject: Some(wire::subject_reference(&subject.parse().unwrap())),
        ..v1::CheckPermissionRequest::default()
    }
}

pub(crate) fn filter(resource_type: &str) -> v1::RelationshipFilter {
    v1::RelationshipFilter { resource_type: resource_type.to_owned(), ..v1::RelationshipFilter::default() }
}

pub(crate) fn reading(filter: v1::RelationshipFilter) -> v1::ReadRelationshipsRequest {
    v1::ReadRelationshipsRequest { relationship_filter: Some(filter), ..v1::ReadRelationshipsRequest::default() }
}

fn texts<'a>(read: impl IntoIterator<Item = &'a v1::ReadRelationshipsResponse>) -> Vec<String> {
    let text = |one: &v1::ReadRelationshipsResponse| wire::tuple("", one.relationship.as_ref()).unwrap().to_string();
    read.into_iter().map(text).collect()
}

/// The code of an error, and its reason without what all have in common.
pub(crate) fn told(status: &Status) -> (Code, String) {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason.trim_start_matches("ERROR_REASON_").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_seen_at_every_node_and_told_to_those_who_watch() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let mut first = services(&cluster, 1).await?;
    first.write_schema(SCHEMA).await?;
    let watching = v1::WatchRequest {
        optional_object_types: vec!["document".to_owned()],
        optional_update_kinds: vec![
            v1::WatchKind::IncludeRelationshipUpdates.into(),
            v1::WatchKind::IncludeCheckpoints.into(),
        ],
        ..v1::WatchRequest::default()
    };
    let mut watch = services(&cluster, 3).await?.watches.watch(watching).await?.into_inner();
    let begun = watch.try_next().await?.context("a checkpoint")?;
    assert!(begun.is_checkpoint);

    let mut metadata = wire::Struct::default();
    metadata.fields.extend(wire::struct_of(&r#"{"by":"sync"}"#.parse()?).fields);
    let updates = [(Create, "document:plan#viewer@group:eng#member"), (Touch, "group:eng#member@user:alice")];
    let request =
        v1::WriteRelationshipsRequest { optional_transaction_metadata: Some(metadata.clone()), ..writing(&updates) };
    let written_at = first.permissions.write_relationships(request).await?.into_inner().written_at;
    let fresh = v1::consistency::Requirement::AtLeastAsFresh(written_at.clone().context("a token")?);
    for node in 1..=3 {
        let mut services = services(&cluster, node).await?;
        let consistency = Some(v1::Consistency { requirement: Some(fresh.clone()) });
        let asked = v1::CheckPermissionRequest { consistency, ..question("user:alice", "view", "document:plan") };
        assert_eq!(services.check(asked).await?, HasPermission);
        assert_eq!(services.check(question("user:bob", "view", "document:plan")).await?, NoPermission);
    }
    let event = loop {
        let event = watch.try_next().await?.context("an event")?;
        if !event.is_checkpoint {
            break event;
        }
    };
    assert_eq!(event.updates, [update(Touch, "document:plan#viewer@group:eng#member")]);
    assert_eq!((event.changes_through, event.optional_transaction_metadata), (written_at, Some(metadata)));

    // Once a write has taken it away, no node says yes.
    first.write(&[(Delete, "group:eng#member@user:alice")]).await?;
    for node in 1..=3 {
        let answer = services(&cluster, node).await?.check(question("user:alice", "view", "document:plan")).await?;
        assert_eq!(answer, NoPermission);
    }
    first.write(&[(Touch, "document:plan#viewer@user:carol[in_office]")]).await?;
    let carol = question("user:carol", "view", "document:plan");
    assert_eq!(first.check(carol.clone()).await?, ConditionalPermission);
    let context = Some(wire::struct_of(&r#"{"ip":"10.1.1.1"}"#.parse()?));
    assert_eq!(first.check(v1::CheckPermissionRequest { context, ..carol }).await?, HasPermission);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn relationships_are_read_exported_and_deleted_by_parts() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let mut first = services(&cluster, 1).await?;
    let mut second = services(&cluster, 2).await?;
    first.write_schema(SCHEMA).await?;
    let relationships = |from: u32, to: u32| -> Vec<v1::Relationship> {
        let one = |n| wire::relationship(&format!("document:d{n:05}#viewer@user:u{}", n % 7).parse().unwrap());
        (from..to).map(one).collect()
    };
    let messages = vec![relationships(0, 1_500), relationships(1_500, 2_500)].into_iter();
    let messages = messages.map(|relationships| v1::ImportBulkRelationshipsRequest { relationships });
    let imported = first.permissions.import_bulk_relationships(stream::iter(messages)).await?;
    assert_eq!(imported.into_inner().num_loaded, 2_500);
    let again = v1::ImportBulkRelationshipsRequest { relationships: relationships(2_499, 2_501) };
    let refused = first.permissions.import_bulk_relationships(stream::iter([again])).await.unwrap_err();
    assert_eq!(told(&refused).0, Code::AlreadyExists);
    assert!(refused.message().contains("document:d02499#viewer@user:u0"), "{refused}");

    let exported = second.permissions.export_bulk_relationships(v1::ExportBulkRelationshipsRequest::default()).await?;
    let exported: Vec<_> = exported.into_inner().try_collect().await?;
    assert_eq!(exported.iter().map(|message| message.relationships.len()).sum::<usize>(), 2_500);

    // Page by page, from what was there when the first was read.
    let of_u3 = v1::SubjectFilter {
        subject_type: "user".to_owned(),
        optional_subject_id: "u3".to_owned(),
        ..v1::SubjectFilter::default()
    };
    let of_u3 = v1::RelationshipFilter { optional_subject_filter: Some(of_u3), ..filter("document") };
    let page = v1::ReadRelationshipsRequest { optional_limit: 2, ..reading(of_u3.clone()) };
    let read = first.read(page.clone()).await?;
    assert_eq!(texts(&read), ["document:d00003#viewer@user:u3", "document:d00010#viewer@user:u3"]);
    first.write(&[(Delete, "document:d00017#viewer@user:u3")]).await?;
    let cursor = read[1].after_result_cursor.clone();
    let next = second.read(v1::ReadRelationshipsRequest { optional_cursor: cursor, ..page }).await?;
    assert_eq!(texts(&next), ["document:d00017#viewer@user:u3", "document:d00024#viewer@user:u3"]);
    assert_eq!(next[0].read_at, read[0].read_at);

    let prefix =
        |prefix: &str| v1::RelationshipFilter { optional_resource_id_prefix: prefix.to_owned(), ..filter("document") };
    let delete = v1::DeleteRelationshipsRequest {
        relationship_filter: Some(prefix("d001")),
        optional_limit: 60,
        ..v1::DeleteRelationshipsRequest::default()
    };
    let refused = second.permissions.delete_relationships(delete.clone()).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE".to_owned()));
    let partly = v1::DeleteRelationshipsRequest { optional_allow_partial_deletions: true, ..delete };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let deleted = second.permissions.delete_relationships(partly.clone()).await?.into_inner();
        seen.push((deleted.relationships_deleted_count, deleted.deletion_progress().as_str_name()));
    }
    assert_eq!(seen, [(60, "DELETION_PROGRESS_PARTIAL"), (40, "DELETION_PROGRESS_COMPLETE")]);
    assert_eq!(first.read(reading(prefix("d001"))).await?, []);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_as_clients_of_spicedb_know_it() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let mut services = services(&cluster, 1).await?;
    assert_eq!(services.schemas.read_schema(v1::ReadSchemaRequest {}).await.unwrap_err().code(), Code::NotFound);
    let nothing = services.check(question("user:alice", "view", "document:plan")).await.unwrap_err();
    assert_eq!(told(&nothing), (Code::FailedPrecondition, "UNKNOWN_DEFINITION".to_owned()));
    services.write_schema(SCHEMA).await?;
    assert_eq!(services.schemas.read_schema(v1::ReadSchemaRequest {}).await?.into_inner().schema_text, SCHEMA);
    services.write(&[(Create, "document:plan#viewer@user:alice")]).await?;

    for (updates, code, reason) in [
        (&[(Create, "document:plan#viewer@user:alice")][..], Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP"),
        (&[(Touch, "document:plan#view@user:alice")], Code::InvalidArgument, "CANNOT_UPDATE_PERMISSION"),
        (&[(Touch, "document:plan#owner@user:alice")], Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION"),
        (&[(Touch, "folder:q3#viewer@user:alice")], Code::FailedPrecondition, "UNKNOWN_DEFINITION"),
        (&[(Touch, "document:plan#viewer@group:eng")], Code::InvalidArgument, "INVALID_SUBJECT_TYPE"),
        (&[(Touch, "document:plan#viewer@user:*")], Code::InvalidArgument, "INVALID_SUBJECT_TYPE"),
        (
            &[(Touch, "document:plan#viewer@user:bob"), (Delete, "document:plan#viewer@user:bob")],
            Code::InvalidArgument,
            "UPDATES_ON_SAME_RELATIONSHIP",
        ),
    ] {
        let refused = services.write(updates).await.unwrap_err();
        assert_eq!(told(&refused), (code, reason.to_owned()), "{refused}");
    }
    for (schema, reason) in [("definition user {", "SCHEMA_PARSE_ERROR"), ("definition user {}", "SCHEMA_TYPE_ERROR")] {
        let refused = services.write_schema(schema).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, reason.to_owned()), "{refused}");
    }
    for (asked, code, reason) in [
        (question("user:alice", "burn", "document:plan"), Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION"),
        (question("user:alice", "view", "folder:q3"), Code::FailedPrecondition, "UNKNOWN_DEFINITION"),
        (question("robot:r", "view", "document:plan"), Code::FailedPrecondition, "UNKNOWN_DEFINITION"),
        (
            question("group:eng#owner", "view", "document:plan"),
            Code::FailedPrecondition,
            "UNKNOWN_RELATION_OR_PERMISSION",
        ),
        (question("user:*", "view", "document:plan"), Code::InvalidArgument, ""),
    ] {
        let refused = services.check(asked).await.unwrap_err();
        assert_eq!(told(&refused), (code, reason.to_owned()), "{refused}");
    }
    let cursor = Some(v1::Cursor { token: "abc".to_owned() });
    let page = v1::ReadRelationshipsRequest { optional_cursor: cursor, ..reading(filter("document")) };
    let refused = services.read(page).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "INVALID_CURSOR".to_owned()));
    let token = v1::consistency::Requirement::AtExactSnapshot(v1::ZedToken { token: "GhUKEzE2".to_owned() });
    let consistency = Some(v1::Consistency { requirement: Some(token) });
    let asked = v1::CheckPermissionRequest { consistency, ..question("user:alice", "view", "document:plan") };
    let refused = services.check(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");

    let must_match = v1::Precondition {
        operation: v1::precondition::Operation::MustMatch.into(),
        filter: Some(v1::RelationshipFilter { optional_resource_id: "spec".to_owned(), ..filter("document") }),
    };
    let request = v1::WriteRelationshipsRequest {
        optional_preconditions: vec![must_match],
        ..writing(&[(Touch, "document:plan#viewer@user:bob")])
    };
    let refused = services.permissions.write_relationships(request).await.unwrap_err();
    assert_eq!(told(&refused), (Code::FailedPrecondition, "WRITE_OR_DELETE_PRECONDITION_FAILURE".to_owned()));
    assert_eq!(texts(&services.read(reading(filter("document"))).await?), ["document:plan#viewer@user:alice"]);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_reflected_and_permissions_expanded() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let mut services = services(&cluster, 1).await?;
    services.write_schema(SCHEMA).await?;
    services
        .write(&[(Create, "document:plan#viewer@group:eng#member"), (Create, "document:plan#banned@user:eve")])
        .await?;

    let reflected = services.schemas.reflect_schema(v1::ReflectSchemaRequest::default()).await?.into_inner();
    let names: Vec<&str> = reflected.definitions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((names, reflected.caveats.len()), (vec!["user", "group", "document"], 1));
    assert!(reflected.definitions[1].comment.contains("A group."), "{:?}", reflected.definitions[1]);
    let filter = v1::ReflectionSchemaFilter { optional_definition_name_filter: "doc".to_owned(), ..Default::default() };
    let request = v1::ReflectSchemaRequest { optional_filters: vec![filter], ..Default::default() };
    let reflected = services.schemas.reflect_schema(request).await?.into_inner();
    assert_eq!((reflected.definitions.len(), reflected.caveats.len()), (1, 0));

    let names = |references: Vec<v1::ReflectionRelationReference>| -> Vec<String> {
        references.iter().map(|one| format!("{}#{}", one.definition_name, one.relation_name)).collect()
    };
    let request = v1::ComputablePermissionsRequest {
        definition_name: "group".to_owned(),
        relation_name: "member".to_owned(),
        ..Default::default()
    };
    let computable = services.schemas.computable_permissions(request).await?.into_inner();
    assert_eq!(names(computable.permissions), ["document#view"]);
    let request = v1::DependentRelationsRequest {
        definition_name: "document".to_owned(),
        permission_name: "view".to_owned(),
        ..Default::default()
    };
    let dependent = services.schemas.dependent_relations(request).await?.into_inner();
    assert_eq!(names(dependent.relations), ["document#banned", "document#viewer", "group#member"]);

    let comparison_schema = SCHEMA.replace("viewer - banned", "viewer");
    let request = v1::DiffSchemaRequest { comparison_schema, ..Default::default() };
    let diffs = services.schemas.diff_schema(request).await?.into_inner().diffs;
    assert_eq!(diffs.len(), 1, "{diffs:?}");

    let request = v1::ExpandPermissionTreeRequest {
        resource: Some(wire::object_reference(&"document:plan".parse()?)),
        permission: "view".to_owned(),
        ..Default::default()
    };
    let tree = services.permissions.expand_permission_tree(request).await?.into_inner().tree_root.context("a tree")?;
    let Some(v1::permission_relationship_tree::TreeType::Intermediate(set)) = tree.tree_type else {
        panic!("{tree:?}")
    };
    assert_eq!(set.operation(), v1::algebraic_subject_set::Operation::Exclusion);
    let relations: Vec<&str> = set.children.iter().map(|child| child.expanded_relation.as_str()).collect();
    assert_eq!(relations, ["viewer", "banned"]);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_know_the_key_is_turned_away() -> anyhow::Result<()> {
    let cluster = Cluster::start_with(1, &["--authzed-key", "sesame"]).await?;
    let mut services = services(&cluster, 1).await?;
    for (given, expected) in [
        (None, Code::Unauthenticated),
        (Some("Basic sesame"), Code::Unauthenticated),
        (Some("Bearer sesam"), Code::PermissionDenied),
        (Some("Bearer sesame"), Code::NotFound),
    ] {
        let mut request = Request::new(v1::ReadSchemaRequest {});
        if let Some(given) = given {
            request.metadata_mut().insert("authorization", given.parse()?);
        }
        assert_eq!(services.schemas.read_schema(request).await.unwrap_err().code(), expected, "{given:?}");
    }
    let refused = services.watches.watch(v1::WatchRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    cluster.finish()
}
