//! `portcullis.v1.Roles`.

use std::sync::Arc;

use portcullis_machine::Outcome;
use portcullis_model::RoleId;
use portcullis_node::{Action, Node};
use portcullis_wire::v1::roles_server::Roles;
use portcullis_wire::{self as wire, v1};
use tonic::{Request, Response, Status};

use crate::call::{Call, position};
use crate::error;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Roles for Service {
    async fn create_role(
        &self,
        request: Request<v1::CreateRoleRequest>,
    ) -> Result<Response<v1::CreateRoleResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let action = Action::CreateRole {
            id: wire::field("id", &call.message.id).map_err(error::field)?,
            permissions: wire::fields("permissions", &call.message.permissions).map_err(error::field)?,
            inherits: wire::fields("inherits", &call.message.inherits).map_err(error::field)?,
        };
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), action).await?;
        let position = Some(position(&self.node, &written));
        Ok(Response::new(v1::CreateRoleResponse { role: Some(role(written.outcome)?), position }))
    }

    async fn get_role(&self, request: Request<v1::GetRoleRequest>) -> Result<Response<v1::GetRoleResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let id: RoleId = wire::field("id", &call.message.id).map_err(error::field)?;
        let source = call.source(call.message.consistency.as_ref()).await?;
        let read = call.node.role(&source, &tenant, &id).map_err(|error| error::view(&error))?;
        let role = read.found.ok_or_else(|| {
            error::not_found("ROLE_NOT_FOUND", format!("role `{id}` does not exist: see `role list`"))
        })?;
        let position = Some(wire::position(call.node.group_id(), read.revision));
        Ok(Response::new(v1::GetRoleResponse { role: Some(wire::wire_role(&role)), position }))
    }

    async fn list_roles(
        &self,
        request: Request<v1::ListRolesRequest>,
    ) -> Result<Response<v1::ListRolesResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let message = &call.message;
        let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
        let (most, after) = wire::page(message.page_size, &message.page_token).map_err(error::field)?;
        let source = call.source(message.consistency.as_ref()).await?;
        let read = call.node.roles(&source, &tenant, after.as_deref(), most).map_err(|error| error::view(&error))?;
        Ok(Response::new(v1::ListRolesResponse {
            roles: read.found.items.iter().map(wire::wire_role).collect(),
            next_page_token: wire::page_token(read.found.next.as_deref()),
            position: Some(wire::position(call.node.group_id(), read.revision)),
        }))
    }

    async fn update_role(
        &self,
        request: Request<v1::UpdateRoleRequest>,
    ) -> Result<Response<v1::UpdateRoleResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let action = Action::UpdateRole {
            id: wire::field("id", &call.message.id).map_err(error::field)?,
            permissions: wire::fields("permissions", &call.message.permissions).map_err(error::field)?,
            inherits: wire::fields("inherits", &call.message.inherits).map_err(error::field)?,
        };
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), action).await?;
        let position = Some(position(&self.node, &written));
        Ok(Response::new(v1::UpdateRoleResponse { role: Some(role(written.outcome)?), position }))
    }

    async fn delete_role(
        &self,
        request: Request<v1::DeleteRoleRequest>,
    ) -> Result<Response<v1::DeleteRoleResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let action = Action::DeleteRole(wire::field("id", &call.message.id).map_err(error::field)?);
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), action).await?;
        Ok(Response::new(v1::DeleteRoleResponse { position: Some(position(&self.node, &written)) }))
    }
}

fn role(outcome: Outcome) -> Result<v1::Role, Status> {
    match outcome {
        Outcome::Role(role) => Ok(wire::wire_role(&role)),
        other => Err(error::unexpected(&other)),
    }
}
