//! From messages of `authzed.api.v1` to the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{
    CaveatUse, Context, ContextError, Object, ObjectKey, Prefix, Qualifier, RelationName, Relationship, Subject,
    SubjectFilter, Tuple, TupleFilter, Value, Which,
};
use prost_types::value::Kind;
use prost_types::{Struct, Value as Given};

use super::{ELLIPSIS, v1};
use crate::error::FieldError;
use crate::to_model::{Freshness, field, optional, timestamp};

/// An object.
pub fn object(name: &str, given: Option<&v1::ObjectReference>) -> Result<Object, FieldError> {
    let given = given.ok_or_else(|| FieldError::new(name, "there is none: give an object type and an object id"))?;
    Ok(Object {
        object_type: field(&format!("{name}.object_type"), &given.object_type)?,
        key: field(&format!("{name}.object_id"), &given.object_id)?,
    })
}

/// A subject.
pub fn subject(name: &str, given: Option<&v1::SubjectReference>) -> Result<Subject, FieldError> {
    let given =
        given.ok_or_else(|| FieldError::new(name, "there is none: give an object, and a relation of it if need be"))?;
    let relation = relation_of_subject(&format!("{name}.optional_relation"), &given.optional_relation)?;
    let object_name = format!("{name}.object");
    match (given.object.as_ref(), relation) {
        (Some(v1::ObjectReference { object_type, object_id }), None) if object_id == "*" => {
            Ok(Subject::Wildcard(field(&format!("{object_name}.object_type"), object_type)?))
        }
        (given, None) => Ok(Subject::Object(object(&object_name, given)?)),
        (given, Some(relation)) => Ok(Subject::Userset { object: object(&object_name, given)?, relation }),
    }
}

fn relation_of_subject(name: &str, given: &str) -> Result<Option<RelationName>, FieldError> {
    if given == ELLIPSIS { Ok(None) } else { optional(name, given) }
}

/// The kind of subjects that a lookup is about: the relation of usersets, if they are some.
pub fn subject_relation(name: &str, given: &str) -> Result<Option<RelationName>, FieldError> {
    relation_of_subject(name, given)
}

/// What conditions are asked about, or what a write says to those who watch.
pub fn context(name: &str, given: Option<&Struct>) -> Result<Context, FieldError> {
    let fields = given.map(|given| fields(&given.fields)).transpose();
    let context = fields.and_then(|fields| Context::new(fields.unwrap_or_default()));
    context.map_err(|error| FieldError::new(name, error.to_string()))
}

fn fields(given: &BTreeMap<String, Given>) -> Result<BTreeMap<Arc<str>, Value>, ContextError> {
    given.iter().map(|(name, given)| Ok((name.as_str().into(), value(given)?))).collect()
}

fn value(given: &Given) -> Result<Value, ContextError> {
    Ok(match &given.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(given)) => Value::Bool(*given),
        Some(Kind::NumberValue(given)) => Value::number(*given)?,
        Some(Kind::StringValue(given)) => Value::Text(given.as_str().into()),
        Some(Kind::ListValue(given)) => Value::List(given.values.iter().map(value).collect::<Result<_, _>>()?),
        Some(Kind::StructValue(given)) => Value::Map(fields(&given.fields)?),
    })
}

/// A relationship, with what it holds under.
pub fn tuple(name: &str, given: Option<&v1::Relationship>) -> Result<Tuple, FieldError> {
    let given =
        given.ok_or_else(|| FieldError::new(name, "there is none: give a resource, a relation and a subject"))?;
    let caveat = given.optional_caveat.as_ref().map(|caveat| {
        let name = format!("{name}.optional_caveat");
        Ok(CaveatUse {
            name: field(&format!("{name}.caveat_name"), &caveat.caveat_name)?,
            context: context(&format!("{name}.context"), caveat.context.as_ref())?,
        })
    });
    let expires = given.optional_expires_at.as_ref();
    let expires = expires.map(|expires| timestamp(&format!("{name}.optional_expires_at"), expires));
    Ok(Tuple {
        relationship: Relationship {
            resource: object(&format!("{name}.resource"), given.resource.as_ref())?,
            relation: field(&format!("{name}.relation"), &given.relation)?,
            subject: subject(&format!("{name}.subject"), given.subject.as_ref())?,
        },
        qualifier: Qualifier { caveat: caveat.transpose()?, expires: expires.transpose()? },
    })
}

/// A filter over relationships.
pub fn filter(name: &str, given: Option<&v1::RelationshipFilter>) -> Result<TupleFilter, FieldError> {
    let Some(given) = given else { return Ok(TupleFilter::default()) };
    let prefix = given.optional_resource_id_prefix.as_str();
    let prefix = if prefix.is_empty() { None } else { Some(Prefix::new(prefix)) };
    let prefix_name = format!("{name}.optional_resource_id_prefix");
    Ok(TupleFilter {
        resource_type: optional(&format!("{name}.resource_type"), &given.resource_type)?,
        resource_key: optional(&format!("{name}.optional_resource_id"), &given.optional_resource_id)?,
        resource_prefix: prefix.transpose().map_err(|error| FieldError::new(&prefix_name, error.to_string()))?,
        relation: optional(&format!("{name}.optional_relation"), &given.optional_relation)?,
        subject: given
            .optional_subject_filter
            .as_ref()
            .map(|given| subject_filter(&format!("{name}.optional_subject_filter"), given))
            .transpose()?,
    })
}

fn subject_filter(name: &str, given: &v1::SubjectFilter) -> Result<SubjectFilter, FieldError> {
    let id_name = format!("{name}.optional_subject_id");
    let relation = given
        .optional_relation
        .as_ref()
        .map(|given| relation_of_subject(&format!("{name}.optional_relation.relation"), &given.relation));
    Ok(SubjectFilter {
        object_type: field(&format!("{name}.subject_type"), &given.subject_type)?,
        which: match given.optional_subject_id.as_str() {
            "" => None,
            "*" => Some(Which::Wildcard),
            id => Some(Which::One(field::<ObjectKey>(&id_name, id)?)),
        },
        relation: relation.transpose()?,
    })
}

/// How fresh an answer has to be. The latency of fresh answers is as low as that of others, so whoever asks for the lowest
/// gets fresh ones.
pub fn freshness(given: Option<&v1::Consistency>) -> Result<Freshness, FieldError> {
    use v1::consistency::Requirement;
    match given.and_then(|given| given.requirement.as_ref()) {
        None | Some(Requirement::FullyConsistent(_) | Requirement::MinimizeLatency(_)) => Ok(Freshness::Linearizable),
        Some(Requirement::AtLeastAsFresh(token)) => {
            Ok(Freshness::AtLeast(field("consistency.at_least_as_fresh", &token.token)?))
        }
        Some(Requirement::AtExactSnapshot(token)) => {
            Ok(Freshness::Exactly(field("consistency.at_exact_snapshot", &token.token)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{relationship, struct_of};
    use super::*;

    #[test]
    fn relationships_come_and_go_unchanged() {
        for text in [
            "document:plan#viewer@user:alice",
            "document:plan#viewer@group:eng#member",
            "document:plan#viewer@user:*[c]",
            r#"document:plan#viewer@user:alice[c:{"a":[1,2.5,"x",null,true],"b":{"k":"v"}}][expiration:2026-12-01T00:00:00Z]"#,
        ] {
            let given: Tuple = text.parse().unwrap();
            assert_eq!(tuple("relationship", Some(&relationship(&given))), Ok(given));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut given = relationship(&"document:plan#viewer@user:alice".parse().unwrap());
        given.subject.as_mut().unwrap().object.as_mut().unwrap().object_id = "a b".to_owned();
        assert_eq!(
            tuple("updates[3].relationship", Some(&given)).unwrap_err().field,
            "updates[3].relationship.subject.object.object_id"
        );
        given.subject = None;
        assert_eq!(tuple("relationship", Some(&given)).unwrap_err().field, "relationship.subject");
        let mut infinite = Struct::default();
        infinite.fields.insert("x".to_owned(), Given { kind: Some(Kind::NumberValue(f64::INFINITY)) });
        assert_eq!(context("context", Some(&infinite)).unwrap_err().field, "context");
        assert_eq!(struct_of(&context("context", None).unwrap()), Struct::default());
    }

    #[test]
    fn a_subject_filter_tells_no_relation_from_any() {
        let relation = |relation: Option<&str>| v1::SubjectFilter {
            subject_type: "group".to_owned(),
            optional_subject_id: String::new(),
            optional_relation: relation
                .map(|relation| v1::subject_filter::RelationFilter { relation: relation.to_owned() }),
        };
        for (given, expected) in [
            (relation(None), "*@group:…#…"),
            (relation(Some("")), "*@group:…"),
            (relation(Some("...")), "*@group:…"),
            (relation(Some("member")), "*@group:…#member"),
        ] {
            let given = v1::RelationshipFilter { optional_subject_filter: Some(given), ..Default::default() };
            assert_eq!(filter("filter", Some(&given)).unwrap().to_string(), expected);
        }
    }
}
