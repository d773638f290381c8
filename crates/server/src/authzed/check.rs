//! Checks.

use std::sync::Arc;

use portcullis_eval::Step;
use portcullis_model::{TenantId, limit};
use portcullis_node::{Answer, CheckError, DecideError, Decision, Freshness, Question, Served, Traced};
use portcullis_schema::Schema;
use portcullis_wire::authzed::{self as wire, v1};
use portcullis_wire::{FieldError, wire_timestamp};
use tonic::{Code, Response, Status};
use v1::check_bulk_permissions_pair::Response as Pair;
use v1::check_permission_response::Permissionship;

use super::{error, freshness, token, trace};
use crate::call::Call;
use crate::{emission, meter};

pub(super) async fn one(
    call: Call<v1::CheckPermissionRequest>,
    tenant: TenantId,
) -> Result<Response<v1::CheckPermissionResponse>, Status> {
    let message = &call.message;
    let question = Question {
        subject: field(wire::subject("subject", message.subject.as_ref()))?,
        permission: field(portcullis_wire::field("permission", &message.permission))?,
        resource: field(wire::object("resource", message.resource.as_ref()))?,
        context: field(wire::context("context", message.context.as_ref()))?,
    };
    let freshness = freshness(message.consistency.as_ref())?;
    let Answered { answer, served, step } = decide(&call, freshness, &tenant, &question, message.with_tracing).await?;
    check_known(served.schema(&tenant), &question)?;
    let expires = step.as_ref().filter(|_| answer.is_guarded()).and_then(|step| step.expires);
    let traced = step.filter(|_| message.with_tracing);
    let mut response = Response::new(v1::CheckPermissionResponse {
        checked_at: token(&call.node, &served),
        permissionship: permissionship(&answer).into(),
        partial_caveat_info: missing(&answer),
        debug_trace: traced.map(|step| trace::debug(served.schema(&tenant), message.subject.as_ref(), &step)),
        optional_expires_at: expires.map(wire_timestamp),
    });
    if answer.is_guarded() {
        let (node, deadline, decided) = (call.node, call.deadline, [(question, answer.decision)]);
        emission::guard(&mut response, move || node.still_allows(&served, &tenant, &decided, deadline));
    }
    Ok(response)
}

/// An answer, and what it was put together from where that is asked for or says when the answer ends.
struct Answered {
    answer: Answer,
    served: Served,
    step: Option<Step>,
}

async fn decide<T>(
    call: &Call<T>,
    freshness: Freshness,
    tenant: &TenantId,
    question: &Question,
    with_tracing: bool,
) -> Result<Answered, Status> {
    let told = |error: &DecideError| call.hinted(error::decide(&call.node, tenant, error));
    if !with_tracing {
        let answered = call.node.check(freshness, tenant, question, call.deadline).await;
        meter::decided(&answered);
        let (answer, served) = answered.map_err(|error| told(&error))?;
        if !answer.ends || !answer.is_guarded() {
            return Ok(Answered { answer, served, step: None });
        }
    }
    let traced = call.node.trace(freshness, tenant, question, call.deadline).await;
    let (Traced { answer, step, truncated }, served) = traced.map_err(|error| told(&error))?;
    if truncated && with_tracing {
        return Err(too_large());
    }
    Ok(Answered { answer, served, step: Some(step).filter(|_| !truncated) })
}

fn too_large() -> Status {
    let message = "the trace has more than 1,000 steps, or more than 45 within each other: ask without `with_tracing`, or about a \
                   part of the permission";
    crate::error::status(Code::ResourceExhausted, "TRACE_TOO_LARGE", message.to_owned())
}

pub(super) async fn many(
    call: Call<v1::CheckBulkPermissionsRequest>,
    tenant: TenantId,
) -> Result<Response<v1::CheckBulkPermissionsResponse>, Status> {
    let items = &call.message.items;
    if items.len() > limit::BATCH_CHECKS_MAX {
        return Err(crate::error::too_many("checks", items.len(), limit::BATCH_CHECKS_MAX));
    }
    if call.message.with_tracing {
        return Err(crate::error::invalid("with_tracing", "checks are traced one at a time: call `CheckPermission`"));
    }
    let parse = |(nth, item)| self::item(item).map_err(|error| error.within(&format!("items[{nth}]")));
    let questions: Vec<Question> = field(items.iter().enumerate().map(parse).collect())?;
    let freshness = freshness(call.message.consistency.as_ref())?;
    let answered = call.node.check_all(freshness, &tenant, &questions, call.deadline).await;
    let (answers, served) = answered.map_err(|error| call.hinted(error::decide(&call.node, &tenant, &error)))?;
    meter::served(served.by);
    answers.iter().for_each(meter::checked);
    let schema = served.schema(&tenant);
    let pair = |(item, (question, answer)): (&v1::CheckBulkPermissionsRequestItem, _)| {
        let answer: &Result<Answer, CheckError> = answer;
        let answer = answer.as_ref().map_err(|error| error::check(&call.node, &tenant, error));
        let answer = answer.and_then(|answer| check_known(schema, question).map(|()| answer));
        let response = match answer {
            Ok(answer) => Pair::Item(v1::CheckBulkPermissionsResponseItem {
                permissionship: permissionship(answer).into(),
                partial_caveat_info: missing(answer),
                debug_trace: None,
            }),
            Err(status) => failed(&status),
        };
        v1::CheckBulkPermissionsPair { request: Some(item.clone()), response: Some(response) }
    };
    let pairs = items.iter().zip(questions.iter().zip(&answers)).map(pair).collect();
    let checked_at = token(&call.node, &served);
    let mut response = Response::new(v1::CheckBulkPermissionsResponse { checked_at, pairs });
    let decided = questions.into_iter().zip(answers).filter_map(|(question, answer)| Some((question, answer.ok()?)));
    let decided = decided.filter(|(_, answer)| answer.is_guarded());
    let decided: Arc<[_]> = decided.map(|(question, answer)| (question, answer.decision)).collect();
    let (node, deadline) = (call.node, call.deadline);
    emission::guard(&mut response, move || node.still_allows(&served, &tenant, &decided, deadline));
    Ok(response)
}

fn item(item: &v1::CheckBulkPermissionsRequestItem) -> Result<Question, FieldError> {
    Ok(Question {
        subject: wire::subject("subject", item.subject.as_ref())?,
        permission: portcullis_wire::field("permission", &item.permission)?,
        resource: wire::object("resource", item.resource.as_ref())?,
        context: wire::context("context", item.context.as_ref())?,
    })
}

/// Refuses what the schema does not have. The permission is known to whoever had an answer, unless a role names it only.
fn check_known(schema: Option<&Schema>, question: &Question) -> Result<(), Status> {
    error::check_member(schema, &question.resource.object_type, question.permission.as_str())?;
    error::check_subject(schema, &question.subject)
}

fn field<T>(field: Result<T, FieldError>) -> Result<T, Status> {
    field.map_err(crate::error::field)
}

fn permissionship(answer: &Answer) -> Permissionship {
    match answer.decision {
        Decision::Allow => Permissionship::HasPermission,
        Decision::Deny => Permissionship::NoPermission,
        Decision::Conditional(_) => Permissionship::ConditionalPermission,
    }
}

fn missing(answer: &Answer) -> Option<v1::PartialCaveatInfo> {
    match &answer.decision {
        Decision::Conditional(missing) => wire::partial(missing.iter()),
        Decision::Allow | Decision::Deny => None,
    }
}

/// The error of one question of many.
#[expect(clippy::default_trait_access, reason = "its type has no name outside the crate of the messages")]
fn failed(status: &Status) -> Pair {
    let mut answered = Pair::Error(Default::default());
    if let Pair::Error(error) = &mut answered {
        error.code = status.code() as i32;
        status.message().clone_into(&mut error.message);
    }
    answered
}
