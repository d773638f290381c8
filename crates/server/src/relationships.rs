//! `portcullis.v1.Relationships`.

use std::sync::Arc;

use portcullis_machine::Outcome;
use portcullis_machine::command::{DeleteTuples, Update};
use portcullis_model::{Tuple, TupleFilter, limit};
use portcullis_node::{Action, Node};
use portcullis_wire::v1::relationship_update::Operation;
use portcullis_wire::v1::relationships_server::Relationships;
use portcullis_wire::{self as wire, FieldError, v1};
use tonic::{Request, Response, Status, Streaming};

use crate::call::{Call, position};
use crate::lookup::Stream;
use crate::{bulk, error};

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Relationships for Service {
    type ImportRelationshipsStream = Stream<v1::ImportRelationshipsResponse>;
    type ExportRelationshipsStream = Stream<v1::ExportRelationshipsResponse>;

    async fn import_relationships(
        &self,
        request: Request<Streaming<v1::ImportRelationshipsRequest>>,
    ) -> Result<Response<Self::ImportRelationshipsStream>, Status> {
        bulk::import(Call::streamed(&self.node, request)?).await
    }

    async fn export_relationships(
        &self,
        request: Request<v1::ExportRelationshipsRequest>,
    ) -> Result<Response<Self::ExportRelationshipsStream>, Status> {
        bulk::export(Call::streamed(&self.node, request)?).await
    }

    async fn write_relationships(
        &self,
        request: Request<v1::WriteRelationshipsRequest>,
    ) -> Result<Response<v1::WriteRelationshipsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let given = &call.message.updates;
        if given.is_empty() {
            return Err(error::invalid("updates", "there is none: give at least one"));
        }
        if given.len() > limit::UPDATES_MAX {
            return Err(error::too_many("updates", given.len(), limit::UPDATES_MAX));
        }
        let parse = |(nth, given)| update(given).map_err(|error| error.within(&format!("updates[{nth}]")));
        let updates = given.iter().enumerate().map(parse).collect::<Result<_, _>>().map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), Action::WriteRelationships(updates)).await?;
        let position = Some(position(&self.node, &written));
        let (created, deleted, _) = counts(&written.outcome)?;
        Ok(Response::new(v1::WriteRelationshipsResponse { position, created, deleted }))
    }

    async fn delete_relationships(
        &self,
        request: Request<v1::DeleteRelationshipsRequest>,
    ) -> Result<Response<v1::DeleteRelationshipsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let filter = wire::relationship_filter(call.message.filter.as_ref()).map_err(error::field)?;
        if filter == TupleFilter::default() {
            return Err(error::invalid("filter", "it selects every relationship: give at least one part"));
        }
        let options = call.message.options.clone();
        let action = match (call.message.limit, call.message.allow_partial) {
            (0, false) => Action::delete(filter),
            (most, partly) => {
                let most = if most == 0 { limit::ENDED_BY_FILTER_MAX as u64 } else { u64::from(most) };
                Action::DeleteTuples(DeleteTuples { filter, most, partly })
            }
        };
        let written = call.write(tenant, options.as_ref(), action).await?;
        let position = Some(position(&self.node, &written));
        let (_, deleted, more) = counts(&written.outcome)?;
        Ok(Response::new(v1::DeleteRelationshipsResponse { position, deleted, more }))
    }

    async fn read_relationships(
        &self,
        request: Request<v1::ReadRelationshipsRequest>,
    ) -> Result<Response<v1::ReadRelationshipsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let message = &call.message;
        let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
        let filter = wire::relationship_filter(message.filter.as_ref()).map_err(error::field)?;
        let (most, after) = wire::page(message.page_size, &message.page_token).map_err(error::field)?;
        let source = call.source(message.consistency.as_ref()).await?;
        let read = call.node.relationships(&source, &tenant, &filter, after.as_deref(), most);
        let read = read.map_err(|error| error::view(&error))?;
        Ok(Response::new(v1::ReadRelationshipsResponse {
            relationships: read.found.items.iter().map(ToString::to_string).collect(),
            next_page_token: wire::page_token(read.found.next.as_deref()),
            position: Some(wire::position(call.node.group_id(), read.revision)),
        }))
    }
}

fn update(update: &v1::RelationshipUpdate) -> Result<Update, FieldError> {
    let tuple: Tuple = wire::field("relationship", &update.relationship)?;
    match Operation::try_from(update.operation) {
        Ok(Operation::Create) => Ok(Update::create(tuple)),
        Ok(Operation::Touch) => Ok(Update::touch(tuple)),
        Ok(Operation::Delete) => Ok(Update::Delete(tuple.relationship)),
        Ok(Operation::Unspecified) | Err(_) => {
            let problem = format!("`{}` is not an operation: see `RelationshipUpdate`", update.operation);
            Err(FieldError::new("operation", problem))
        }
    }
}

/// How many relationships were made and deleted, and whether more match.
pub(crate) fn counts(outcome: &Outcome) -> Result<(u64, u64, bool), Status> {
    match outcome {
        Outcome::Relationships { created, deleted } => Ok((*created, *deleted, false)),
        Outcome::Deleted { deleted, more } => Ok((0, *deleted, *more)),
        other => Err(error::unexpected(other)),
    }
}
