//! What relations mean in a tenant without a schema: `member` makes groups, `parent` makes scopes, nothing else.

use portcullis_model::{Subject, Tuple};

use crate::Refusal;

/// The relation by which groups have members.
const MEMBER: &str = "member";
/// The relation by which an object lies below another.
const PARENT: &str = "parent";

/// Refuses a subject that could never have a member.
pub(super) fn check_subject(subject: &Subject) -> Result<(), Refusal> {
    match subject {
        Subject::Userset { relation, .. } if relation.as_str() != MEMBER => {
            Err(Refusal::UsersetNeedsSchema(subject.clone()))
        }
        Subject::Userset { .. } | Subject::Object(_) | Subject::Wildcard(_) => Ok(()),
    }
}

/// Refuses a tuple that would mean nothing.
pub(super) fn check_tuple(tuple: &Tuple) -> Result<(), Refusal> {
    if !tuple.qualifier.is_none() {
        return Err(Refusal::QualifierNeedsSchema(Box::new(tuple.clone())));
    }
    let relationship = &tuple.relationship;
    match (relationship.relation.as_str(), &relationship.subject) {
        (MEMBER, subject) => check_subject(subject),
        (PARENT, Subject::Object(_)) => Ok(()),
        (PARENT, Subject::Userset { .. } | Subject::Wildcard(_)) => {
            Err(Refusal::ParentNotObject(Box::new(relationship.clone())))
        }
        _ => Err(Refusal::RelationNeedsSchema(relationship.relation.clone())),
    }
}
