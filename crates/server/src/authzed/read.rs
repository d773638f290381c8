//! Reading relationships.

use futures::stream::{self, StreamExt, TryStreamExt};
use portcullis_model::{RelationName, TenantId, Tuple, TupleFilter, limit};
use portcullis_node::Freshness;
use portcullis_schema::Schema;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Code, Response, Status};

use super::{error, freshness};
use crate::call::Call;
use crate::lookup::Stream;
use crate::reading::{Place, Reading, cursor_behind};

pub(super) async fn relationships(
    call: Call<v1::ReadRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::ReadRelationshipsResponse>>, Status> {
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
    let from = from(message.consistency.as_ref(), message.optional_cursor.as_ref())?;
    let most = match message.optional_limit {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    };
    let reading = Reading::begin(call.with(()), tenant, filter, from, most, limit::PAGE_DEFAULT).await?;
    let token = reading.token;
    let pages = reading.pages().map_ok(move |tuples| {
        let one = move |tuple: Tuple| {
            Ok(v1::ReadRelationshipsResponse {
                read_at: Some(wire::zed_token(token.group, token.revision)),
                relationship: Some(wire::relationship(&tuple)),
                after_result_cursor: Some(wire::cursor(cursor_behind(token, &tuple))),
            })
        };
        stream::iter(tuples.into_iter().map(one))
    });
    Ok(Response::new(pages.try_flatten().boxed()))
}

/// Where a reading begins.
pub(super) fn from(consistency: Option<&v1::Consistency>, cursor: Option<&v1::Cursor>) -> Result<Place, Status> {
    let Some(cursor) = cursor else { return Ok(Place::First(freshness(consistency)?)) };
    Place::parse(&cursor.token).map_err(|problem| error::status(Code::InvalidArgument, "INVALID_CURSOR", problem))
}

/// Refuses a filter that names what the schema does not have.
///
/// The schema that this node shows may be older than one that was acknowledged elsewhere, so nothing is refused before it was
/// proved fresh.
pub(super) async fn check_filter<T>(call: &Call<T>, tenant: &TenantId, filter: &TupleFilter) -> Result<(), Status> {
    if is_known(call.node.schema_shown(tenant).as_ref(), filter).is_ok() {
        return Ok(());
    }
    call.standing(Freshness::Linearizable).await?;
    is_known(call.node.schema_shown(tenant).as_ref(), filter)
}

fn is_known(schema: Option<&Schema>, filter: &TupleFilter) -> Result<(), Status> {
    match (&filter.resource_type, &filter.relation) {
        (Some(object_type), Some(relation)) => error::check_member(schema, object_type, relation.as_str())?,
        (Some(object_type), None) => error::check_type(schema, object_type)?,
        (None, _) => {}
    }
    if let Some(subject) = &filter.subject {
        let relation: Option<&RelationName> = subject.relation.as_ref().and_then(Option::as_ref);
        error::check_kind(schema, &subject.object_type, relation)?;
    }
    Ok(())
}
