//! Lookups.

use std::collections::VecDeque;

use futures::stream::{self, StreamExt};
use portcullis_model::{ObjectKey, TenantId};
use portcullis_node::{Beginning, Cursor, Found, Sought, Who};
use portcullis_schema::Schema;
use portcullis_wire::authzed::{self as wire, v1};
use portcullis_wire::{FieldError, field as parse};
use tonic::{Response, Status};
use v1::LookupPermissionship;
use v1::lookup_subjects_request::WildcardOption;

use super::{error, freshness, token};
use crate::call::Call;
use crate::lookup::{Stream, Under};

pub(super) async fn resources(
    call: Call<v1::LookupResourcesRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::LookupResourcesResponse>>, Status> {
    let message = &call.message;
    let sought = Sought::Resources {
        subject: field(wire::subject("subject", message.subject.as_ref()))?,
        permission: field(parse("permission", &message.permission))?,
        object_type: field(parse("resource_object_type", &message.resource_object_type))?,
        context: field(wire::context("context", message.context.as_ref()))?,
    };
    let from = (message.consistency.as_ref(), message.optional_cursor.as_ref());
    let under = begin(&call, tenant, sought, from, message.optional_limit).await?;
    Ok(Response::new(answers(under, |under, found| {
        let id = found.who.one()?;
        let (permissionship, partial_caveat_info) = said(found.missing.iter());
        Some(v1::LookupResourcesResponse {
            looked_up_at: token(&under.node, under.lookup.served()),
            resource_object_id: id.to_string(),
            permissionship: permissionship.into(),
            partial_caveat_info,
            after_result_cursor: Some(wire::cursor(under.cursor_behind(id))),
        })
    })))
}

pub(super) async fn subjects(
    call: Call<v1::LookupSubjectsRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::LookupSubjectsResponse>>, Status> {
    let message = &call.message;
    let relation = wire::subject_relation("optional_subject_relation", &message.optional_subject_relation);
    let sought = Sought::Subjects {
        permission: field(parse("permission", &message.permission))?,
        resource: field(wire::object("resource", message.resource.as_ref()))?,
        subject_type: field(parse("subject_object_type", &message.subject_object_type))?,
        subject_relation: field(relation)?,
        context: field(wire::context("context", message.context.as_ref()))?,
    };
    let with_wildcards = message.wildcard_option() != WildcardOption::ExcludeWildcards;
    let from = (message.consistency.as_ref(), message.optional_cursor.as_ref());
    let under = begin(&call, tenant, sought, from, message.optional_concrete_limit).await?;
    Ok(Response::new(answers(under, move |under, found| match &found.who {
        Who::One(id) => Some(subject(under, resolved(id.as_str(), found.missing.iter()), Vec::new(), Some(id))),
        Who::Anyone { .. } if !with_wildcards => None,
        Who::Anyone { excluded } => {
            let excluded = excluded.iter().map(|(id, missing)| resolved(id.as_str(), missing.iter())).collect();
            Some(subject(under, resolved("*", found.missing.iter()), excluded, None))
        }
    })))
}

/// A subject in the form of today and in that of before, which older clients read.
#[expect(deprecated, reason = "older clients read them")]
fn subject(
    under: &Under,
    subject: v1::ResolvedSubject,
    excluded: Vec<v1::ResolvedSubject>,
    behind: Option<&ObjectKey>,
) -> v1::LookupSubjectsResponse {
    v1::LookupSubjectsResponse {
        looked_up_at: token(&under.node, under.lookup.served()),
        subject_object_id: subject.subject_object_id.clone(),
        excluded_subject_ids: excluded.iter().map(|one| one.subject_object_id.clone()).collect(),
        permissionship: subject.permissionship,
        partial_caveat_info: subject.partial_caveat_info.clone(),
        subject: Some(subject),
        excluded_subjects: excluded,
        after_result_cursor: behind.map(|id| wire::cursor(under.cursor_behind(id))),
    }
}

fn resolved(id: &str, missing: impl Iterator<Item = impl ToString>) -> v1::ResolvedSubject {
    let (permissionship, partial_caveat_info) = said(missing);
    v1::ResolvedSubject { subject_object_id: id.to_owned(), permissionship: permissionship.into(), partial_caveat_info }
}

fn said(missing: impl Iterator<Item = impl ToString>) -> (LookupPermissionship, Option<v1::PartialCaveatInfo>) {
    let partial = wire::partial(missing);
    match partial {
        None => (LookupPermissionship::HasPermission, None),
        Some(partial) => (LookupPermissionship::ConditionalPermission, Some(partial)),
    }
}

async fn begin<T>(
    call: &Call<T>,
    tenant: TenantId,
    sought: Sought,
    (consistency, cursor): (Option<&v1::Consistency>, Option<&v1::Cursor>),
    most: u32,
) -> Result<Under, Status> {
    let beginning = match cursor {
        None => Beginning::First(freshness(consistency)?),
        Some(cursor) => {
            Beginning::Behind(Cursor::parse(&cursor.token, &tenant, &sought).map_err(|error| error::cursor(&error))?)
        }
    };
    let most = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
    let under = Under::begin_at(call, tenant.clone(), sought, beginning, most, |decided| {
        error::decide(&call.node, &tenant, decided)
    });
    let under = under.await?;
    check_known(under.lookup.served().schema(&tenant), under.sought())?;
    Ok(under)
}

fn check_known(schema: Option<&Schema>, sought: &Sought) -> Result<(), Status> {
    match sought {
        Sought::Resources { subject, permission, object_type, .. } => {
            error::check_member(schema, object_type, permission.as_str())?;
            error::check_subject(schema, subject)
        }
        Sought::Subjects { permission, resource, subject_type, subject_relation, .. } => {
            error::check_member(schema, &resource.object_type, permission.as_str())?;
            error::check_kind(schema, subject_type, subject_relation.as_ref())
        }
    }
}

/// The answers, one a message. They may have to wait until a slow caller takes them, so each is looked at again when it is
/// asked for (R7).
fn answers<T, F>(under: Under, answer: F) -> Stream<T>
where
    T: Send + 'static,
    F: Fn(&Under, &Found) -> Option<T> + Send + 'static,
{
    let next = async |(mut under, mut waiting, answer): (Under, VecDeque<Found>, F)| loop {
        let Some(found) = waiting.pop_front() else {
            match under.found().await? {
                Some(found) => waiting.extend(found),
                None => return Ok::<_, Status>(None),
            }
            continue;
        };
        under.check_may_leave(&found)?;
        if let Some(said) = answer(&under, &found) {
            return Ok(Some((said, (under, waiting, answer))));
        }
    };
    stream::try_unfold((under, VecDeque::new(), answer), next).boxed()
}

fn field<T>(field: Result<T, FieldError>) -> Result<T, Status> {
    field.map_err(crate::error::field)
}
