//! `portcullis.v1.Schemas`.

use std::sync::Arc;

use portcullis_node::{Action, Node};
use portcullis_wire::v1::schemas_server::Schemas;
use portcullis_wire::{self as wire, v1};
use tonic::{Request, Response, Status};

use crate::call::{Call, position};
use crate::error;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Schemas for Service {
    async fn write_schema(
        &self,
        request: Request<v1::WriteSchemaRequest>,
    ) -> Result<Response<v1::WriteSchemaResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let options = call.message.options.clone();
        let action = Action::WriteSchema(call.message.schema.clone());
        let written = call.write(tenant, options.as_ref(), action).await?;
        Ok(Response::new(v1::WriteSchemaResponse { position: Some(position(&self.node, &written)) }))
    }

    async fn read_schema(
        &self,
        request: Request<v1::ReadSchemaRequest>,
    ) -> Result<Response<v1::ReadSchemaResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let source = call.source(call.message.consistency.as_ref()).await?;
        let read = call.node.schema(&source, &tenant).map_err(|error| error::view(&error))?;
        let schema = read.found.ok_or_else(|| {
            let problem = format!("tenant `{tenant}` has no schema: write one with `schema write`");
            error::not_found("SCHEMA_NOT_FOUND", problem)
        })?;
        Ok(Response::new(v1::ReadSchemaResponse {
            schema: schema.text,
            version: schema.written.0,
            position: Some(wire::position(call.node.group_id(), read.revision)),
        }))
    }
}
