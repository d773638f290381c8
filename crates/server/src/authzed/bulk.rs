//! Relationships in bulk.

use futures::stream::{StreamExt, TryStreamExt};
use portcullis_machine::command::Update;
use portcullis_model::{Context, TenantId, limit};
use portcullis_wire::FieldError;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Response, Status, Streaming};

use super::{error, read};
use crate::bulk::{Import, pieces};
use crate::call::Call;
use crate::lookup::Stream;
use crate::reading::{Reading, cursor_behind};

/// How many relationships a message of an export holds unless its caller says otherwise.
const EXPORTED: usize = 1_000;

/// Creates all relationships of a stream, so many at a time; each of these writes is carried out as a whole.
pub(super) async fn import(
    call: Call<Streaming<v1::ImportBulkRelationshipsRequest>>,
    tenant: TenantId,
) -> Result<Response<v1::ImportBulkRelationshipsResponse>, Status> {
    let (call, messages) = call.split();
    let import = Import { tenant, reason: None, metadata: Context::default(), key: None };
    let writes = messages.map(|message| {
        let updates = creations(&message?.relationships).map_err(crate::error::field)?;
        Ok::<_, Status>(pieces(&updates))
    });
    let mut written = Box::pin(import.carry_out(call, writes.try_flatten(), error::write));
    let mut num_loaded = 0;
    loop {
        match written.try_next().await {
            Ok(Some((count, _))) => num_loaded += count as u64,
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

fn creations(given: &[v1::Relationship]) -> Result<Vec<Update>, FieldError> {
    let create = |(nth, given)| Ok(Update::create(wire::tuple(&format!("relationships[{nth}]"), Some(given))?));
    given.iter().enumerate().map(create).collect()
}

/// Reads all relationships as they were at one revision.
pub(super) async fn export(
    call: Call<v1::ExportBulkRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::ExportBulkRelationshipsResponse>>, Status> {
    let message = &call.message;
    let filter = wire::filter("optional_relationship_filter", message.optional_relationship_filter.as_ref());
    let filter = filter.map_err(crate::error::field)?;
    read::check_filter(&call, &tenant, &filter).await?;
    let from = read::from(message.consistency.as_ref(), message.optional_cursor.as_ref())?;
    // Here it is the size of a message that is limited, and not of the whole.
    let most = usize::try_from(message.optional_limit).unwrap_or(usize::MAX);
    let piece = if most == 0 { EXPORTED } else { most.min(limit::PAGE_MAX) };
    let reading = Reading::begin(call.with(()), tenant, filter, from, usize::MAX, piece).await?;
    let token = reading.token;
    let messages = reading.pages().map_ok(move |tuples| v1::ExportBulkRelationshipsResponse {
        after_result_cursor: tuples.last().map(|last| wire::cursor(cursor_behind(token, last))),
        relationships: tuples.iter().map(wire::relationship).collect(),
    });
    Ok(Response::new(messages.boxed()))
}
