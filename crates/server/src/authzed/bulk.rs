//! Relationships in bulk.

use futures::stream::{self, StreamExt, TryStreamExt};
use portcullis_machine::command::Update;
use portcullis_model::{TenantId, limit};
use portcullis_node::Action;
use portcullis_wire::FieldError;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Response, Status, Streaming};

use super::read::{Reading, cursor_behind};
use super::write::carry_out;
use crate::call::Call;
use crate::lookup::Stream;

/// How many writes of an import are under way at a time.
const UNDER_WAY_MAX: usize = 8;
/// How many relationships a message of an export holds.
const EXPORTED: usize = 1_000;

/// Creates all relationships of a stream, so many at a time; each of these writes is carried out as a whole.
pub(super) async fn import(
    call: Call<Streaming<v1::ImportBulkRelationshipsRequest>>,
    tenant: TenantId,
) -> Result<Response<v1::ImportBulkRelationshipsResponse>, Status> {
    let (call, messages) = call.split();
    let parts = messages.map(|message| {
        let parts = parts(&message?.relationships).map_err(crate::error::field)?;
        Ok::<_, Status>(stream::iter(parts.into_iter().map(Ok)))
    });
    let written = parts.try_flatten().map_ok(|updates: Vec<Update>| {
        let count = updates.len() as u64;
        let written = carry_out(&call, tenant.clone(), Vec::new(), Action::WriteRelationships(updates));
        async move { written.await.map(|_| count) }
    });
    let mut written = written.try_buffer_unordered(UNDER_WAY_MAX);
    let mut num_loaded = 0;
    loop {
        match written.try_next().await {
            Ok(Some(count)) => num_loaded += count,
            Ok(None) => return Ok(Response::new(v1::ImportBulkRelationshipsResponse { num_loaded })),
            Err(status) => return Err(so_far(&status, num_loaded)),
        }
    }
}

/// An error that says how much was done before it.
fn so_far(status: &Status, num_loaded: u64) -> Status {
    let message = format!(
        "{}; at least {num_loaded} relationships are written, {} at a time",
        status.message(),
        limit::UPDATES_MAX
    );
    let details = status.details().to_vec().into();
    Status::with_details_and_metadata(status.code(), message, details, status.metadata().clone())
}

fn parts(given: &[v1::Relationship]) -> Result<Vec<Vec<Update>>, FieldError> {
    let create = |(nth, given)| Ok(Update::create(wire::tuple(&format!("relationships[{nth}]"), Some(given))?));
    let updates: Vec<Update> = given.iter().enumerate().map(create).collect::<Result<_, FieldError>>()?;
    Ok(updates.chunks(limit::UPDATES_MAX).map(<[Update]>::to_vec).collect())
}

/// Reads all relationships as they were at one revision.
pub(super) async fn export(
    call: Call<v1::ExportBulkRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::ExportBulkRelationshipsResponse>>, Status> {
    let message = &call.message;
    let filter = wire::filter("optional_relationship_filter", message.optional_relationship_filter.as_ref());
    let filter = filter.map_err(crate::error::field)?;
    let from = (message.consistency.as_ref(), message.optional_cursor.as_ref());
    // Here it is the size of a message that is limited, and not of the whole.
    let most = usize::try_from(message.optional_limit).unwrap_or(usize::MAX);
    let piece = if most == 0 { EXPORTED } else { most.min(limit::PAGE_MAX) };
    let reading = Reading::begin(call.with(()), tenant, filter, from, 0, piece).await?;
    let token = reading.token;
    let messages = reading.pages().map_ok(move |tuples| v1::ExportBulkRelationshipsResponse {
        after_result_cursor: tuples.last().map(|last| wire::cursor(cursor_behind(token, last))),
        relationships: tuples.iter().map(wire::relationship).collect(),
    });
    Ok(Response::new(messages.boxed()))
}
