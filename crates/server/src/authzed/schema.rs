//! The service of schemas.

use portcullis_model::TenantId;
use portcullis_node::Action;
use portcullis_schema::{Schema, compile, diff};
use portcullis_wire::authzed::server::schema_service_server::SchemaService;
use portcullis_wire::authzed::v1;
use tonic::{Code, Request, Response, Status};

use super::write::carry_out;
use super::{Front, error, freshness, reflect, token_at};
use crate::call::Call;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SchemaService for Front {
    async fn read_schema(&self, request: Request<v1::ReadSchemaRequest>) -> Answer<v1::ReadSchemaResponse> {
        let (call, tenant) = self.call(request)?;
        let (text, read_at) = read(&call, None, &tenant).await?;
        let schema_text = text.ok_or_else(none)?;
        Ok(Response::new(v1::ReadSchemaResponse { schema_text, read_at }))
    }

    async fn write_schema(&self, request: Request<v1::WriteSchemaRequest>) -> Answer<v1::WriteSchemaResponse> {
        let (call, tenant) = self.call(request)?;
        let action = Action::WriteSchema(call.message.schema.clone());
        let written = carry_out(&call, tenant, Vec::new(), action).await?;
        Ok(Response::new(v1::WriteSchemaResponse { written_at: token_at(&call.node, written.revision) }))
    }

    async fn reflect_schema(&self, request: Request<v1::ReflectSchemaRequest>) -> Answer<v1::ReflectSchemaResponse> {
        let (call, tenant) = self.call(request)?;
        let (schema, read_at) = compiled(&call, call.message.consistency.as_ref(), &tenant).await?;
        let filters = &call.message.optional_filters;
        Ok(Response::new(v1::ReflectSchemaResponse {
            definitions: reflect::definitions(&schema, filters),
            caveats: reflect::caveats(&schema, filters),
            read_at,
        }))
    }

    async fn computable_permissions(
        &self,
        request: Request<v1::ComputablePermissionsRequest>,
    ) -> Answer<v1::ComputablePermissionsResponse> {
        let (call, tenant) = self.call(request)?;
        let message = &call.message;
        let (schema, read_at) = compiled(&call, message.consistency.as_ref(), &tenant).await?;
        let object_type = portcullis_wire::field("definition_name", &message.definition_name);
        let object_type = object_type.map_err(crate::error::field)?;
        error::check_member(Some(&schema), &object_type, &message.relation_name)?;
        let dependents = schema.dependents(&object_type, &message.relation_name).unwrap_or_default();
        let wanted = message.optional_definition_name_filter.as_str();
        let permissions =
            dependents.iter().filter(|one| one.is_permission && one.object_type.as_str().starts_with(wanted));
        let permissions = permissions.map(reflect::reference).collect();
        Ok(Response::new(v1::ComputablePermissionsResponse { permissions, read_at }))
    }

    async fn dependent_relations(
        &self,
        request: Request<v1::DependentRelationsRequest>,
    ) -> Answer<v1::DependentRelationsResponse> {
        let (call, tenant) = self.call(request)?;
        let message = &call.message;
        let (schema, read_at) = compiled(&call, message.consistency.as_ref(), &tenant).await?;
        let object_type = portcullis_wire::field("definition_name", &message.definition_name);
        let object_type = object_type.map_err(crate::error::field)?;
        error::check_member(Some(&schema), &object_type, &message.permission_name)?;
        if schema
            .definition(&object_type)
            .is_some_and(|definition| definition.relation(&message.permission_name).is_some())
        {
            return Err(crate::error::invalid(
                "permission_name",
                "it is a relation, which depends on nothing: name a permission",
            ));
        }
        let dependencies = schema.dependencies(&object_type, &message.permission_name).unwrap_or_default();
        let relations = dependencies.iter().map(reflect::reference).collect();
        Ok(Response::new(v1::DependentRelationsResponse { relations, read_at }))
    }

    async fn diff_schema(&self, request: Request<v1::DiffSchemaRequest>) -> Answer<v1::DiffSchemaResponse> {
        let (call, tenant) = self.call(request)?;
        let (schema, read_at) = compiled(&call, call.message.consistency.as_ref(), &tenant).await?;
        let other = compile(&call.message.comparison_schema)
            .map_err(|problems| error::status(Code::InvalidArgument, "SCHEMA_PARSE_ERROR", problems.to_string()))?;
        let changes = diff(&schema, &other);
        let diffs = changes.iter().filter_map(|change| reflect::change(&schema, &other, &change.kind)).collect();
        Ok(Response::new(v1::DiffSchemaResponse { diffs, read_at }))
    }
}

/// The text of the schema, and the token at which it was read.
async fn read<T>(
    call: &Call<T>,
    consistency: Option<&v1::Consistency>,
    tenant: &TenantId,
) -> Result<(Option<String>, Option<v1::ZedToken>), Status> {
    let source = call.node.source(freshness(consistency)?, call.deadline).await;
    let source = source.map_err(|error| call.hinted(crate::error::view(&error)))?;
    let read = call.node.schema(&source, tenant).map_err(|error| crate::error::view(&error))?;
    Ok((read.found.map(|schema| schema.text), token_at(&call.node, read.revision)))
}

async fn compiled<T>(
    call: &Call<T>,
    consistency: Option<&v1::Consistency>,
    tenant: &TenantId,
) -> Result<(Schema, Option<v1::ZedToken>), Status> {
    let (text, read_at) = read(call, consistency, tenant).await?;
    let schema = compile(&text.ok_or_else(none)?).expect("INVARIANT: a schema is stored only if it is sound");
    Ok((schema, read_at))
}

fn none() -> Status {
    Status::new(Code::NotFound, "No schema has been defined; please call WriteSchema to start")
}
