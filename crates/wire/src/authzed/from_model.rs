//! From the model to messages of `authzed.api.v1`.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Context, GroupId, Object, Revision, Subject, Token, Tuple, Value};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Said};

use super::v1;
use crate::from_model::wire_timestamp;

/// The token of a revision.
pub fn zed_token(group: GroupId, revision: Revision) -> v1::ZedToken {
    v1::ZedToken { token: Token { group, revision }.to_string() }
}

/// A place to go on from.
pub fn cursor(token: String) -> v1::Cursor {
    v1::Cursor { token }
}

/// An object.
pub fn object_reference(object: &Object) -> v1::ObjectReference {
    v1::ObjectReference { object_type: object.object_type.to_string(), object_id: object.key.to_string() }
}

/// A subject.
pub fn subject_reference(subject: &Subject) -> v1::SubjectReference {
    let (object, relation) = match subject {
        Subject::Object(object) => (object_reference(object), String::new()),
        Subject::Userset { object, relation } => (object_reference(object), relation.to_string()),
        Subject::Wildcard(object_type) => {
            (v1::ObjectReference { object_type: object_type.to_string(), object_id: "*".to_owned() }, String::new())
        }
    };
    v1::SubjectReference { object: Some(object), optional_relation: relation }
}

/// A relationship, with what it holds under.
pub fn relationship(tuple: &Tuple) -> v1::Relationship {
    let Tuple { relationship, qualifier } = tuple;
    v1::Relationship {
        resource: Some(object_reference(&relationship.resource)),
        relation: relationship.relation.to_string(),
        subject: Some(subject_reference(&relationship.subject)),
        optional_caveat: qualifier.caveat.as_ref().map(|caveat| v1::ContextualizedCaveat {
            caveat_name: caveat.name.to_string(),
            context: (!caveat.context.is_empty()).then(|| struct_of(&caveat.context)),
        }),
        optional_expires_at: qualifier.expires.map(wire_timestamp),
    }
}

/// Values by name.
pub fn struct_of(context: &Context) -> Struct {
    struct_of_fields(context.fields())
}

/// The same without their limit.
pub fn struct_of_fields(fields: &BTreeMap<Arc<str>, Value>) -> Struct {
    Struct { fields: fields.iter().map(|(name, value)| (name.to_string(), said(value))).collect() }
}

fn said(value: &Value) -> Said {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        #[expect(clippy::cast_precision_loss, reason = "such messages know floating-point numbers only")]
        Value::Int(value) => Kind::NumberValue(*value as f64),
        #[expect(clippy::cast_precision_loss, reason = "such messages know floating-point numbers only")]
        Value::Uint(value) => Kind::NumberValue(*value as f64),
        Value::Double(value) => Kind::NumberValue(value.get()),
        Value::Text(value) => Kind::StringValue(value.to_string()),
        Value::List(values) => Kind::ListValue(ListValue { values: values.iter().map(said).collect() }),
        Value::Map(values) => Kind::StructValue(Struct {
            fields: values.iter().map(|(name, value)| (name.to_string(), said(value))).collect(),
        }),
    };
    Said { kind: Some(kind) }
}

/// What an answer lacks.
pub fn partial(missing: impl Iterator<Item = impl ToString>) -> Option<v1::PartialCaveatInfo> {
    let missing_required_context: Vec<String> = missing.map(|name| name.to_string()).collect();
    (!missing_required_context.is_empty()).then_some(v1::PartialCaveatInfo { missing_required_context })
}
