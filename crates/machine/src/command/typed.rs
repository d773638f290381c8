//! What may be stored under a schema.

use portcullis_model::{Qualifier, Relationship, Subject, Tuple};
use portcullis_schema::{AllowedSubject, Member, Relation, Schema, SubjectKind};

use crate::Refusal;

/// Refuses a tuple that the schema does not allow: its relation, its subject, or what it holds under.
pub fn check_tuple(schema: &Schema, tuple: &Tuple) -> Result<(), Refusal> {
    let Tuple { relationship, qualifier } = tuple;
    let relation = relation(schema, relationship)?;
    let allowed: Vec<&AllowedSubject> =
        relation.subjects.iter().filter(|allowed| is_subject(allowed, &relationship.subject)).collect();
    if !allowed.iter().any(|allowed| is_qualifier(allowed, qualifier)) {
        let names = relation.subjects.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        return Err(Refusal::SubjectNotAllowed { tuple: Box::new(tuple.clone()), allowed: names });
    }
    let Some(caveat) = &qualifier.caveat else { return Ok(()) };
    let known = schema.caveat(&caveat.name).expect("INVARIANT: a schema allows only caveats that it has");
    known.program().check_context(&caveat.context).map_err(|error| Refusal::CaveatContext {
        relationship: Box::new(relationship.clone()),
        caveat: caveat.name.clone(),
        problem: error.to_string(),
    })
}

/// Refuses a subject that could never have a member.
pub(super) fn check_subject(schema: &Schema, subject: &Subject) -> Result<(), Refusal> {
    let (object_type, member) = match subject {
        Subject::Object(_) | Subject::Wildcard(_) => return Ok(()),
        Subject::Userset { object, relation } => (&object.object_type, relation),
    };
    let definition = schema.definition(object_type).ok_or_else(|| Refusal::TypeUnknown(object_type.clone()))?;
    match definition.member(member.as_str()) {
        Some(_) => Ok(()),
        None => Err(Refusal::RelationUnknown { object_type: object_type.clone(), relation: member.clone() }),
    }
}

fn relation<'a>(schema: &'a Schema, relationship: &Relationship) -> Result<&'a Relation, Refusal> {
    let (object_type, name) = (&relationship.resource.object_type, &relationship.relation);
    let definition = schema.definition(object_type).ok_or_else(|| Refusal::TypeUnknown(object_type.clone()))?;
    match definition.member(name.as_str()) {
        Some(Member::Relation(relation)) => Ok(relation),
        Some(Member::Permission(_)) => {
            Err(Refusal::NotARelation { object_type: object_type.clone(), permission: name.clone() })
        }
        None => Err(Refusal::RelationUnknown { object_type: object_type.clone(), relation: name.clone() }),
    }
}

fn is_subject(allowed: &AllowedSubject, subject: &Subject) -> bool {
    match (&allowed.kind, subject) {
        (SubjectKind::Direct, Subject::Object(object)) => object.object_type == allowed.object_type,
        (SubjectKind::Userset(name), Subject::Userset { object, relation }) => {
            object.object_type == allowed.object_type && name == relation
        }
        (SubjectKind::Wildcard, Subject::Wildcard(object_type)) => *object_type == allowed.object_type,
        (SubjectKind::Direct | SubjectKind::Userset(_) | SubjectKind::Wildcard, _) => false,
    }
}

fn is_qualifier(allowed: &AllowedSubject, qualifier: &Qualifier) -> bool {
    let caveat = qualifier.caveat.as_ref().map(|caveat| &caveat.name);
    allowed.caveat.as_ref() == caveat && allowed.expiration == qualifier.expires.is_some()
}
