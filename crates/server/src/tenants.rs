//! `portcullis.v1.Tenants`.

use std::sync::Arc;

use portcullis_machine::Outcome;
use portcullis_model::TenantId;
use portcullis_node::{Action, Node};
use portcullis_wire::v1::tenants_server::Tenants;
use portcullis_wire::{self as wire, v1};
use tonic::{Request, Response, Status};

use crate::call::{Call, position};
use crate::error;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Tenants for Service {
    async fn create_tenant(
        &self,
        request: Request<v1::CreateTenantRequest>,
    ) -> Result<Response<v1::CreateTenantResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let id: TenantId = wire::field("id", &call.message.id).map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(TenantId::system(), options.as_ref(), Action::CreateTenant(id)).await?;
        let position = Some(position(&self.node, &written));
        let Outcome::Tenant(tenant) = written.outcome else { return Err(error::unexpected(&written.outcome)) };
        Ok(Response::new(v1::CreateTenantResponse { tenant: Some(wire::wire_tenant(&tenant)), position }))
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Result<Response<v1::ListTenantsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let message = &call.message;
        let (most, after) = wire::page(message.page_size, &message.page_token).map_err(error::field)?;
        let source = call.source_of_now(message.consistency.as_ref()).await?;
        let read = call.node.tenants(&source, after.as_deref(), most).map_err(|error| error::view(&error))?;
        Ok(Response::new(v1::ListTenantsResponse {
            tenants: read.found.items.iter().map(wire::wire_tenant).collect(),
            next_page_token: wire::page_token(read.found.next.as_deref()),
            position: Some(wire::position(call.node.group_id(), read.revision)),
        }))
    }

    async fn delete_tenant(
        &self,
        request: Request<v1::DeleteTenantRequest>,
    ) -> Result<Response<v1::DeleteTenantResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let id: TenantId = wire::field("id", &call.message.id).map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(TenantId::system(), options.as_ref(), Action::DeleteTenant(id)).await?;
        Ok(Response::new(v1::DeleteTenantResponse { position: Some(position(&self.node, &written)) }))
    }
}
