//! What validation files say, asked through `authzed.api.v1` by a client that is not ours: of every node, what the files assert
//! and whatever else can be asked; and lookups find what checks allow, all at once and two at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use futures::TryStreamExt;
use portcullis_client::v1 as own;
use portcullis_model::{Context, ObjectKey, RelationName, Subject, TypeName};
use portcullis_tests::Cluster;
use portcullis_wire::authzed::v1::check_bulk_permissions_pair::Response as Pair;
use portcullis_wire::authzed::v1::check_permission_response::Permissionship;
use portcullis_wire::authzed::v1::permissions_service_client::PermissionsServiceClient;
use portcullis_wire::authzed::v1::schema_service_client::SchemaServiceClient;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::Request;
use tonic::transport::Channel;

use crate::conformance::{Answer, FOLDER, File, Question, World, files, ours, question};

/// How many checks a call makes.
const BATCH: usize = 1_000;
/// How many differences of one file are shown.
const SHOWN_MAX: usize = 10;

/// A tenant, as the nodes show it.
struct Asked {
    tenant: String,
    nodes: Vec<PermissionsServiceClient<Channel>>,
}

/// What lookups are about: a resource and a permission, or a kind of subjects.
type Kind = (TypeName, Option<RelationName>);

impl Asked {
    fn request<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("portcullis-tenant", self.tenant.parse()?);
        Ok(request)
    }

    async fn write(
        &self,
        schemas: &mut SchemaServiceClient<Channel>,
        file: &File,
        world: &World,
    ) -> anyhow::Result<()> {
        let schema = file.schema.clone();
        schemas.write_schema(self.request(v1::WriteSchemaRequest { schema })?).await?;
        let update = |tuple| v1::RelationshipUpdate {
            operation: v1::relationship_update::Operation::Touch.into(),
            relationship: Some(wire::relationship(tuple)),
        };
        let message = v1::WriteRelationshipsRequest {
            updates: world.tuples.iter().map(update).collect(),
            ..v1::WriteRelationshipsRequest::default()
        };
        self.nodes[0].clone().write_relationships(self.request(message)?).await?;
        Ok(())
    }

    /// What one node says to one question.
    async fn one(&self, node: usize, question: &Question) -> anyhow::Result<Answer> {
        let item = item(question)?;
        let message = v1::CheckPermissionRequest {
            resource: item.resource,
            permission: item.permission,
            subject: item.subject,
            context: item.context,
            ..v1::CheckPermissionRequest::default()
        };
        let answer = self.nodes[node].clone().check_permission(self.request(message)?).await?.into_inner();
        Ok(said(answer.permissionship(), answer.partial_caveat_info))
    }

    /// What one node says, question by question.
    async fn many(&self, node: usize, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for questions in questions.chunks(BATCH) {
            let items = questions.iter().map(item).collect::<anyhow::Result<_>>()?;
            let message = v1::CheckBulkPermissionsRequest { items, ..v1::CheckBulkPermissionsRequest::default() };
            let answered = self.nodes[node].clone().check_bulk_permissions(self.request(message)?).await?.into_inner();
            answers.extend(answered.pairs.into_iter().map(|pair| match pair.response {
                Some(Pair::Item(item)) => said(item.permissionship(), item.partial_caveat_info),
                Some(Pair::Error(_)) | None => Answer::Error,
            }));
        }
        Ok(answers)
    }

    /// The resources that a subject has a permission on, by their ids, so many at a time.
    async fn resources(
        &self,
        node: usize,
        (subject, permission, object_type): (&Subject, &str, &TypeName),
        limit: u32,
    ) -> anyhow::Result<BTreeMap<String, Answer>> {
        let mut found = BTreeMap::new();
        let mut message = v1::LookupResourcesRequest {
            resource_object_type: object_type.to_string(),
            permission: permission.to_owned(),
            subject: Some(wire::subject_reference(subject)),
            optional_limit: limit,
            ..v1::LookupResourcesRequest::default()
        };
        loop {
            let stream = self.nodes[node].clone().lookup_resources(self.request(message.clone())?).await?;
            let page: Vec<v1::LookupResourcesResponse> = stream.into_inner().try_collect().await?;
            let Some(last) = page.last() else { return Ok(found) };
            ensure!(limit == 0 || page.len() <= limit as usize, "{} of {limit}", page.len());
            message.optional_cursor.clone_from(&last.after_result_cursor);
            for one in page {
                let answer = looked_up(one.permissionship(), one.partial_caveat_info.clone());
                let is_new = found.insert(one.resource_object_id.clone(), answer).is_none();
                ensure!(is_new, "{} comes twice", one.resource_object_id);
            }
        }
    }

    /// What a lookup says of these subjects, wildcards counted in, so many at a time.
    async fn subjects(
        &self,
        node: usize,
        (resource, permission, kind): (&portcullis_model::Object, &str, &Kind),
        of: &BTreeSet<ObjectKey>,
        limit: u32,
    ) -> anyhow::Result<BTreeMap<String, Answer>> {
        let mut found = BTreeMap::new();
        let mut message = v1::LookupSubjectsRequest {
            resource: Some(wire::object_reference(resource)),
            permission: permission.to_owned(),
            subject_object_type: kind.0.to_string(),
            optional_subject_relation: kind.1.as_ref().map(ToString::to_string).unwrap_or_default(),
            optional_concrete_limit: limit,
            ..v1::LookupSubjectsRequest::default()
        };
        let mut anyone = None;
        while anyone.is_none() {
            let stream = self.nodes[node].clone().lookup_subjects(self.request(message.clone())?).await?;
            let page: Vec<v1::LookupSubjectsResponse> = stream.into_inner().try_collect().await?;
            let Some(last) = page.last() else { break };
            message.optional_cursor.clone_from(&last.after_result_cursor);
            for one in page {
                let subject = one.subject.context("a subject")?;
                let answer = looked_up(subject.permissionship(), subject.partial_caveat_info.clone());
                if subject.subject_object_id == "*" {
                    let excluded = one.excluded_subjects.into_iter().map(|one| one.subject_object_id);
                    anyone = Some((answer, excluded.collect::<BTreeSet<String>>()));
                } else {
                    found.insert(subject.subject_object_id, answer);
                }
            }
        }
        if let Some((answer, excluded)) = anyone {
            let others = of.iter().map(ToString::to_string).filter(|id| !excluded.contains(id));
            others.for_each(|id| _ = found.entry(id).or_insert_with(|| answer.clone()));
        }
        // A userset is in itself, also where nothing mentions it.
        found.retain(|id, _| of.iter().any(|one| one.as_str() == id));
        Ok(found)
    }
}

fn item(question: &Question) -> anyhow::Result<v1::CheckBulkPermissionsRequestItem> {
    let context: Option<Context> =
        Some(&question.context).filter(|text| !text.is_empty()).map(|text| text.parse()).transpose()?;
    Ok(v1::CheckBulkPermissionsRequestItem {
        resource: Some(wire::object_reference(&question.resource)),
        permission: question.permission.to_string(),
        subject: Some(wire::subject_reference(&question.subject)),
        context: context.as_ref().map(wire::struct_of),
    })
}

fn said(permissionship: Permissionship, partial: Option<v1::PartialCaveatInfo>) -> Answer {
    match permissionship {
        Permissionship::HasPermission => Answer::Allow,
        Permissionship::NoPermission => Answer::Deny,
        Permissionship::ConditionalPermission => {
            Answer::Conditional(partial.map(|partial| partial.missing_required_context).unwrap_or_default())
        }
        Permissionship::Unspecified => Answer::Error,
    }
}

fn looked_up(permissionship: v1::LookupPermissionship, partial: Option<v1::PartialCaveatInfo>) -> Answer {
    match permissionship {
        v1::LookupPermissionship::HasPermission => Answer::Allow,
        v1::LookupPermissionship::ConditionalPermission => said(Permissionship::ConditionalPermission, partial),
        v1::LookupPermissionship::Unspecified => Answer::Error,
    }
}

/// The kind of a subject, and its id.
fn kind(subject: &Subject) -> (Kind, ObjectKey) {
    match subject {
        Subject::Object(object) => ((object.object_type.clone(), None), object.key.clone()),
        Subject::Userset { object, relation } => {
            ((object.object_type.clone(), Some(relation.clone())), object.key.clone())
        }
        Subject::Wildcard(_) => unreachable!("wildcards are not asked about"),
    }
}

/// Where the nodes differ from what a file asserts, and from what the evaluator says.
async fn differences(asked: &Asked, file: &File, world: &World, nth: usize) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    let asserted = [&file.assertions.allowed, &file.assertions.denied, &file.assertions.conditional];
    for (wanted, assertions) in asserted.into_iter().enumerate() {
        for assertion in assertions {
            let question = question(assertion)?;
            for node in 0..asked.nodes.len() {
                let answer = asked.one(node, &question).await?;
                let is_wanted = match answer {
                    Answer::Allow => wanted == 0,
                    Answer::Deny => wanted == 1,
                    Answer::Conditional(_) => wanted == 2,
                    Answer::Error => false,
                };
                if !is_wanted {
                    differences.push(format!("node {}: {assertion} is {answer:?}", node + 1));
                }
            }
        }
    }
    let questions = world.questions(&BTreeSet::from([String::new()]))?;
    let expected = questions.iter().map(|question| world.answer(question)).collect::<anyhow::Result<Vec<_>>>()?;
    let answers = asked.many(nth % asked.nodes.len(), &questions).await?;
    for ((question, answer), expected) in questions.iter().zip(answers).zip(&expected) {
        if answer != *expected {
            differences.push(format!("{question} is {answer:?}, in process {expected:?}"));
        }
    }
    differences.extend(lookups(asked, &questions, &expected, nth).await?);
    Ok(differences)
}

/// Where lookups differ from checks.
async fn lookups(
    asked: &Asked,
    questions: &[Question],
    expected: &[Answer],
    nth: usize,
) -> anyhow::Result<Vec<String>> {
    let (mut by_subject, mut by_resource) = (BTreeMap::new(), BTreeMap::new());
    let mut ids: BTreeMap<Kind, BTreeSet<ObjectKey>> = BTreeMap::new();
    for (question, answer) in questions.iter().zip(expected) {
        let Question { resource, permission, subject, .. } = question;
        let is_found = |answer: &&Answer| **answer != Answer::Deny;
        let found: &mut BTreeMap<String, Answer> =
            by_subject.entry((subject, permission, &resource.object_type)).or_default();
        found.extend(Some(answer).filter(is_found).map(|answer| (resource.key.to_string(), answer.clone())));
        let (kind, id) = kind(subject);
        let found: &mut BTreeMap<String, Answer> = by_resource.entry((resource, permission, kind.clone())).or_default();
        found.extend(Some(answer).filter(is_found).map(|answer| (id.to_string(), answer.clone())));
        ids.entry(kind).or_default().insert(id);
    }
    let mut differences = Vec::new();
    let node = (nth + 1) % asked.nodes.len();
    for limit in [0, 2] {
        for ((subject, permission, object_type), expected) in &by_subject {
            let found = asked.resources(node, (subject, permission.as_str(), object_type), limit).await;
            if differs(&found, expected) {
                differences
                    .push(format!("{subject} {permission} {object_type} by {limit}: {found:?}, not {expected:?}"));
            }
        }
        for ((resource, permission, kind), expected) in &by_resource {
            let found = asked.subjects(node, (resource, permission.as_str(), kind), &ids[kind], limit).await;
            if differs(&found, expected) {
                differences.push(format!("{permission} {resource} {kind:?} by {limit}: {found:?}, not {expected:?}"));
            }
        }
    }
    Ok(differences)
}

/// A lookup among whose candidates one cannot be checked has no answer either.
fn differs(found: &anyhow::Result<BTreeMap<String, Answer>>, expected: &BTreeMap<String, Answer>) -> bool {
    match found {
        Ok(found) => found != expected,
        Err(_) => !expected.values().any(|answer| *answer == Answer::Error),
    }
}

async fn assert_conforms(folder: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let address = format!("http://{}", cluster.node(id).client_address);
        nodes.push(PermissionsServiceClient::connect(address).await?);
    }
    let mut schemas = SchemaServiceClient::connect(format!("http://{}", cluster.node(2).client_address)).await?;
    let mut failed = Vec::new();
    for (nth, path) in files(folder).into_iter().enumerate() {
        let tenant = path.file_stem().and_then(|stem| stem.to_str()).context("the name is UTF-8")?.to_owned();
        cluster.client(1).create_tenant(own::CreateTenantRequest { id: tenant.clone(), ..Default::default() }).await?;
        let file = File::read(&path)?;
        let world = World::new(&file).with_context(|| path.display().to_string())?;
        let asked = Asked { tenant, nodes: nodes.clone() };
        asked.write(&mut schemas, &file, &world).await.with_context(|| path.display().to_string())?;
        let found = differences(&asked, &file, &world, nth).await.with_context(|| path.display().to_string())?;
        failed.extend(found.into_iter().take(SHOWN_MAX).map(|difference| format!("{}: {difference}", path.display())));
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_validation_files_hold_for_other_clients() -> anyhow::Result<()> {
    assert_conforms(&ours()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn further_validation_files_hold_for_other_clients() -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os(FOLDER) else {
        // Not by `eprintln`, which is not shown of tests that pass.
        writeln!(std::io::stderr(), "SKIPPED: further validation files: {FOLDER} does not name their folder")?;
        return Ok(());
    };
    assert_conforms(&Path::new(&folder).join("spicedb")).await
}
