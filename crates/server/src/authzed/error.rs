//! Errors as clients of SpiceDB know them: its codes, and its reasons where they say what was wrong with a request. Whatever
//! has no counterpart there, such as a node that cannot prove that it is fresh, is told as `portcullis.v1` tells it.

use std::collections::HashMap;

use portcullis_machine::Refusal;
use portcullis_model::{Object, RelationName, Subject, TenantId, TypeName};
use portcullis_node::{CheckError, CursorError, DecideError, Node, WriteError};
use portcullis_schema::Schema;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of the reasons.
const DOMAIN: &str = "authzed.com";

pub(super) fn status(code: Code, reason: &str, message: String) -> Status {
    let reason = format!("ERROR_REASON_{reason}");
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// A question has no answer.
pub(super) fn decide(node: &Node, tenant: &TenantId, error: &DecideError) -> Status {
    match error {
        DecideError::View(error) => crate::error::view(error),
        DecideError::Check(error) => check(node, tenant, error),
    }
}

/// The same for one question of many.
pub(super) fn check(node: &Node, tenant: &TenantId, error: &CheckError) -> Status {
    match error {
        CheckError::PermissionUnknown { object_type, permission } => {
            let schema = node.schema_shown(tenant);
            match schema.as_ref().and_then(|schema| schema.definition(object_type)) {
                Some(_) => unknown_member(object_type, permission.as_str()),
                None => unknown_definition(object_type),
            }
        }
        CheckError::DepthExceeded { .. } | CheckError::NestingExceeded { .. } => {
            status(Code::ResourceExhausted, "MAXIMUM_DEPTH_EXCEEDED", error.to_string())
        }
        CheckError::Caveat { .. } => status(Code::InvalidArgument, "CAVEAT_EVALUATION_ERROR", error.to_string()),
        CheckError::TenantMissing(_)
        | CheckError::VisitedExceeded { .. }
        | CheckError::DeadlineExceeded
        | CheckError::Undecided
        | CheckError::Overtaken
        | CheckError::Unreadable => crate::error::check(error),
    }
}

/// A write was not carried out, or may not have been.
pub(super) fn write(error: &WriteError) -> Status {
    let WriteError::Refused { refusal, .. } = error else { return crate::error::write(error) };
    let (code, reason) = match refusal {
        Refusal::RelationshipExists(_) => (Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP"),
        Refusal::PreconditionFailed { .. } => (Code::FailedPrecondition, "WRITE_OR_DELETE_PRECONDITION_FAILURE"),
        Refusal::TypeUnknown(object_type) => return unknown_definition(object_type),
        Refusal::RelationUnknown { object_type, relation } => return unknown_member(object_type, relation.as_str()),
        Refusal::NotARelation { .. } => (Code::InvalidArgument, "CANNOT_UPDATE_PERMISSION"),
        Refusal::SubjectNotAllowed { .. } => (Code::InvalidArgument, "INVALID_SUBJECT_TYPE"),
        Refusal::CaveatContext { .. } => (Code::InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR"),
        Refusal::FilterTooWide { .. } => (Code::InvalidArgument, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE"),
        Refusal::TooMany { .. } => (Code::InvalidArgument, "TOO_MANY_UPDATES_IN_REQUEST"),
        Refusal::SchemaInvalid(_) => (Code::InvalidArgument, "SCHEMA_PARSE_ERROR"),
        Refusal::SchemaInUse { .. } => (Code::InvalidArgument, "SCHEMA_TYPE_ERROR"),
        // Without a schema SpiceDB knows no type at all.
        Refusal::RelationNeedsSchema(_)
        | Refusal::UsersetNeedsSchema(_)
        | Refusal::QualifierNeedsSchema(_)
        | Refusal::ParentNotObject(_) => (Code::FailedPrecondition, "UNKNOWN_DEFINITION"),
        _ => return crate::error::write(error),
    };
    status(code, reason, refusal.to_string())
}

/// A cursor is none, or that of another question.
pub(super) fn cursor(error: &CursorError) -> Status {
    status(Code::InvalidArgument, "INVALID_CURSOR", error.to_string())
}

/// Refuses a type that the schema does not have, as they do: a question about it has no answer, not even no.
pub(super) fn check_type(schema: Option<&Schema>, object_type: &TypeName) -> Result<(), Status> {
    match schema.and_then(|schema| schema.definition(object_type)) {
        Some(_) => Ok(()),
        None => Err(unknown_definition(object_type)),
    }
}

/// Refuses a relation or permission that the schema does not have.
pub(super) fn check_member(schema: Option<&Schema>, object_type: &TypeName, name: &str) -> Result<(), Status> {
    check_type(schema, object_type)?;
    let definition = schema.and_then(|schema| schema.definition(object_type));
    match definition.and_then(|definition| definition.member(name)) {
        Some(_) => Ok(()),
        None => Err(unknown_member(object_type, name)),
    }
}

/// Refuses a kind of subjects that the schema does not have.
pub(super) fn check_kind(
    schema: Option<&Schema>,
    subject_type: &TypeName,
    relation: Option<&RelationName>,
) -> Result<(), Status> {
    match relation {
        None => check_type(schema, subject_type),
        Some(relation) => check_member(schema, subject_type, relation.as_str()),
    }
}

/// Refuses a subject that the schema does not have.
pub(super) fn check_subject(schema: Option<&Schema>, subject: &Subject) -> Result<(), Status> {
    match subject {
        Subject::Object(Object { object_type, .. }) => check_type(schema, object_type),
        Subject::Userset { object, relation } => check_member(schema, &object.object_type, relation.as_str()),
        Subject::Wildcard(_) => {
            let message = "a wildcard is no subject that can be asked about: name one".to_owned();
            Err(Status::new(Code::InvalidArgument, message))
        }
    }
}

fn unknown_definition(object_type: &TypeName) -> Status {
    let message = format!("object definition `{object_type}` not found: correct the type, or add a definition");
    status(Code::FailedPrecondition, "UNKNOWN_DEFINITION", message)
}

fn unknown_member(object_type: &TypeName, name: &str) -> Status {
    let message =
        format!("relation/permission `{name}` not found under definition `{object_type}`: correct the name, or add it");
    status(Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION", message)
}
