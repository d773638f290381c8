//! `portcullis.v1.Grants`.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_machine::Outcome;
use portcullis_machine::command::End;
use portcullis_model::{GrantId, limit};
use portcullis_node::{Action, Node};
use portcullis_wire::v1::create_grant_request::Until;
use portcullis_wire::v1::grants_server::Grants;
use portcullis_wire::{self as wire, FieldError, v1};
use tonic::{Request, Response, Status};

use crate::call::{Call, position};
use crate::error;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Grants for Service {
    async fn create_grant(
        &self,
        request: Request<v1::CreateGrantRequest>,
    ) -> Result<Response<v1::CreateGrantResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let action = create(&call.message).map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), action).await?;
        let position = Some(position(&self.node, &written));
        let Outcome::Grant(grant) = written.outcome else { return Err(error::unexpected(&written.outcome)) };
        Ok(Response::new(v1::CreateGrantResponse { grant: Some(wire::wire_grant(&grant)), position }))
    }

    async fn get_grant(&self, request: Request<v1::GetGrantRequest>) -> Result<Response<v1::GetGrantResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let id: GrantId = wire::field("id", &call.message.id).map_err(error::field)?;
        let source = call.source(call.message.consistency.as_ref()).await?;
        let read = call.node.grant(&source, &tenant, &id).map_err(|error| error::view(&error))?;
        let grant = read.found.ok_or_else(|| {
            error::not_found("GRANT_NOT_FOUND", format!("grant `{id}` does not exist: see `grants list`"))
        })?;
        let position = Some(wire::position(call.node.group_id(), read.revision));
        Ok(Response::new(v1::GetGrantResponse { grant: Some(wire::wire_grant(&grant)), position }))
    }

    async fn list_grants(
        &self,
        request: Request<v1::ListGrantsRequest>,
    ) -> Result<Response<v1::ListGrantsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let message = &call.message;
        let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
        let filter = wire::grant_filter(message.filter.as_ref()).map_err(error::field)?;
        let (most, after) = wire::page(message.page_size, &message.page_token).map_err(error::field)?;
        let source = call.source(message.consistency.as_ref()).await?;
        let read = call.node.grants(&source, &tenant, (&filter, message.active_only), after.as_deref(), most);
        let read = read.map_err(|error| error::view(&error))?;
        Ok(Response::new(v1::ListGrantsResponse {
            grants: read.found.items.iter().map(wire::wire_grant).collect(),
            next_page_token: wire::page_token(read.found.next.as_deref()),
            position: Some(wire::position(call.node.group_id(), read.revision)),
        }))
    }

    async fn revoke_grants(
        &self,
        request: Request<v1::RevokeGrantsRequest>,
    ) -> Result<Response<v1::RevokeGrantsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let given = &call.message.ids;
        if given.is_empty() {
            return Err(error::invalid("ids", "there is none: give at least one grant id"));
        }
        if given.len() > limit::UPDATES_MAX {
            return Err(error::too_many("grant ids", given.len(), limit::UPDATES_MAX));
        }
        let ids: BTreeSet<GrantId> = wire::fields("ids", given).map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), Action::RevokeGrants(ids)).await?;
        let position = Some(position(&self.node, &written));
        Ok(Response::new(v1::RevokeGrantsResponse { ids: revoked(written.outcome)?, position }))
    }

    async fn revoke_grants_by_filter(
        &self,
        request: Request<v1::RevokeGrantsByFilterRequest>,
    ) -> Result<Response<v1::RevokeGrantsByFilterResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let filter = wire::grant_filter(call.message.filter.as_ref()).map_err(error::field)?;
        if filter.is_everything() {
            return Err(error::invalid("filter", "it selects every grant: give a subject, a role or a scope"));
        }
        let options = call.message.options.clone();
        let written = call.write(tenant, options.as_ref(), Action::RevokeByFilter(filter)).await?;
        let position = Some(position(&self.node, &written));
        Ok(Response::new(v1::RevokeGrantsByFilterResponse { ids: revoked(written.outcome)?, position }))
    }
}

fn create(message: &v1::CreateGrantRequest) -> Result<Action, FieldError> {
    Ok(Action::CreateGrant {
        id: wire::optional("id", &message.id)?,
        subject: wire::field("subject", &message.subject)?,
        role: wire::field("role", &message.role)?,
        scope: wire::field("scope", &message.scope)?,
        start: message.start.as_ref().map(|start| wire::timestamp("start", start)).transpose()?,
        end: match &message.until {
            None => End::Never,
            Some(Until::End(end)) => End::At(wire::timestamp("end", end)?),
            Some(Until::Duration(duration)) => End::After(wire::duration_ms("duration", duration)?),
        },
    })
}

fn revoked(outcome: Outcome) -> Result<Vec<String>, Status> {
    match outcome {
        Outcome::Grants(ids) => Ok(ids.iter().map(ToString::to_string).collect()),
        other => Err(error::unexpected(&other)),
    }
}
