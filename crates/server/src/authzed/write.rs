//! Writing relationships.

use std::collections::BTreeSet;

use portcullis_consensus::Ack;
use portcullis_machine::command::{DeleteTuples, Update};
use portcullis_machine::{Precondition, Target};
use portcullis_model::{Context, TenantId, TupleFilter, limit};
use portcullis_node::{Action, Draft, Written};
use portcullis_wire::FieldError;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Code, Response, Status};
use v1::delete_relationships_response::DeletionProgress;
use v1::precondition::Operation as Expected;
use v1::relationship_update::Operation;

use super::read::check_filter;
use super::{error, token_at};
use crate::call::Call;
use crate::meter;
use crate::relationships::counts;

pub(super) async fn relationships(
    call: Call<v1::WriteRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<v1::WriteRelationshipsResponse>, Status> {
    let message = &call.message;
    if message.updates.len() > limit::UPDATES_MAX {
        let message =
            format!("{} updates given, the most is {}: split the call", message.updates.len(), limit::UPDATES_MAX);
        return Err(error::status(Code::InvalidArgument, "TOO_MANY_UPDATES_IN_REQUEST", message));
    }
    let parse = |(nth, given)| update(given).map_err(|error| error.within(&format!("updates[{nth}]")));
    let updates: Result<Vec<Update>, FieldError> = message.updates.iter().enumerate().map(parse).collect();
    let updates = updates.map_err(crate::error::field)?;
    let mut named = BTreeSet::new();
    if let Some(twice) = updates.iter().map(Update::relationship).find(|relationship| !named.insert(*relationship)) {
        let message = format!("`{twice}` is updated more than once: give one update of each relationship");
        return Err(error::status(Code::InvalidArgument, "UPDATES_ON_SAME_RELATIONSHIP", message));
    }
    let preconditions = preconditions(&message.optional_preconditions)?;
    let metadata = metadata(message.optional_transaction_metadata.as_ref())?;
    let action = Action::WriteRelationships(updates).annotated(metadata);
    let written = carry_out(&call, tenant, preconditions, action).await?;
    Ok(Response::new(v1::WriteRelationshipsResponse { written_at: token_at(&call.node, written.revision) }))
}

pub(super) async fn delete(
    call: Call<v1::DeleteRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<v1::DeleteRelationshipsResponse>, Status> {
    let message = &call.message;
    let filter = wire::filter("relationship_filter", message.relationship_filter.as_ref());
    let filter = filter.map_err(crate::error::field)?;
    if filter == TupleFilter::default() {
        return Err(crate::error::invalid(
            "relationship_filter",
            "it selects every relationship: give at least one part",
        ));
    }
    check_filter(&call, &tenant, &filter).await?;
    let (most, partly) = (message.optional_limit, message.optional_allow_partial_deletions);
    let most = if most == 0 { limit::ENDED_BY_FILTER_MAX as u64 } else { u64::from(most) };
    let preconditions = preconditions(&message.optional_preconditions)?;
    let metadata = metadata(message.optional_transaction_metadata.as_ref())?;
    let action = Action::DeleteTuples(DeleteTuples { filter, most, partly }).annotated(metadata);
    let written = carry_out(&call, tenant, preconditions, action).await?;
    let (_, deleted, more) = counts(&written.outcome)?;
    let progress = if more { DeletionProgress::Partial } else { DeletionProgress::Complete };
    Ok(Response::new(v1::DeleteRelationshipsResponse {
        deleted_at: token_at(&call.node, written.revision),
        deletion_progress: progress.into(),
        relationships_deleted_count: deleted,
    }))
}

/// Carries out a write, under a name of its own, so that it may be tried again while a leader is elected.
pub(super) async fn carry_out<T>(
    call: &Call<T>,
    tenant: TenantId,
    preconditions: Vec<Precondition>,
    action: Action,
) -> Result<Written, Status> {
    let draft = Draft {
        tenant,
        actor: call.actor.clone(),
        reason: None,
        idempotency_key: Some(call.node.new_key()),
        preconditions,
        ack: Ack::Everywhere,
        action,
    };
    let begun = tokio::time::Instant::now();
    let written = call.node.write(draft, call.deadline).await;
    meter::wrote(&written, begun.elapsed());
    written.map_err(|error| call.hinted(error::write(&error)))
}

fn update(given: &v1::RelationshipUpdate) -> Result<Update, FieldError> {
    let tuple = wire::tuple("relationship", given.relationship.as_ref())?;
    match given.operation() {
        Operation::Create => Ok(Update::create(tuple)),
        Operation::Touch => Ok(Update::touch(tuple)),
        Operation::Delete => Ok(Update::Delete(tuple.relationship)),
        Operation::Unspecified => {
            Err(FieldError::new("operation", "it is not an operation: give create, touch or delete"))
        }
    }
}

fn preconditions(given: &[v1::Precondition]) -> Result<Vec<Precondition>, Status> {
    if given.len() > limit::UPDATES_MAX {
        let message = format!("{} preconditions given, the most is {}", given.len(), limit::UPDATES_MAX);
        return Err(error::status(Code::InvalidArgument, "TOO_MANY_PRECONDITIONS_IN_REQUEST", message));
    }
    let parse =
        |(nth, given)| precondition(given).map_err(|error| error.within(&format!("optional_preconditions[{nth}]")));
    let parsed: Result<_, FieldError> = given.iter().enumerate().map(parse).collect();
    parsed.map_err(crate::error::field)
}

fn precondition(given: &v1::Precondition) -> Result<Precondition, FieldError> {
    let filter = wire::filter("filter", given.filter.as_ref())?;
    if filter == TupleFilter::default() {
        return Err(FieldError::new("filter", "it matches any relationship: give at least one part"));
    }
    let target = Target::tuples(filter);
    match given.operation() {
        Expected::MustMatch => Ok(Precondition::Exists(target)),
        Expected::MustNotMatch => Ok(Precondition::Missing(target)),
        Expected::Unspecified => {
            Err(FieldError::new("operation", "it is not an operation: say that it must match, or must not"))
        }
    }
}

fn metadata(given: Option<&wire::Struct>) -> Result<Context, Status> {
    wire::context("optional_transaction_metadata", given)
        .map_err(|error| error::status(Code::InvalidArgument, "TRANSACTION_METADATA_TOO_LARGE", error.to_string()))
}
