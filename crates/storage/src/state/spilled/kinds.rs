//! What the schema says of the rows that there can be, so that those which cannot be there are not looked for.

use portcullis_model::TypeName;
use portcullis_schema::{AllowedSubject, Schema, SubjectKind};

/// Which subjects a relation of a type may have; `None` where no schema says it.
pub(super) fn allowed<'a>(
    schema: Option<&'a Schema>,
    object_type: &str,
    relation: &str,
) -> Option<&'a [AllowedSubject]> {
    let object_type: TypeName = object_type.parse().ok()?;
    Some(&schema?.definition(&object_type)?.relation(relation)?.subjects)
}

/// Whether relationships of some of these subjects hold under a condition, or end by themselves. Without a schema none does.
pub(super) fn may_be_qualified(allowed: Option<&[AllowedSubject]>) -> bool {
    allowed.is_some_and(|allowed| allowed.iter().any(|subject| subject.caveat.is_some() || subject.expiration))
}

/// Whether a subject, by its name, is one of these.
pub(super) fn may_be(allowed: &[AllowedSubject], subject: &str) -> bool {
    allowed.iter().any(|allowed| is_one(allowed, subject))
}

fn is_one(allowed: &AllowedSubject, subject: &str) -> bool {
    let Some((object_type, rest)) = subject.split_once(':') else { return true };
    let of_kind = match &allowed.kind {
        SubjectKind::Userset(relation) => rest.rsplit_once('#').is_some_and(|(_, own)| own == relation.as_str()),
        SubjectKind::Wildcard => rest == "*",
        SubjectKind::Direct => rest != "*" && !rest.contains('#'),
    };
    of_kind && object_type == allowed.object_type.as_str()
}

/// The types of those of these subjects that are usersets, each once.
pub(super) fn userset_types(allowed: &[AllowedSubject]) -> Vec<&TypeName> {
    let usersets = allowed.iter().filter(|subject| matches!(subject.kind, SubjectKind::Userset(_)));
    let mut types: Vec<&TypeName> = usersets.map(|subject| &subject.object_type).collect();
    types.sort();
    types.dedup();
    types
}

/// Whether any relation of this name may have a subject, by its name.
pub(super) fn may_be_in_any(schema: &Schema, relation: &str, subject: &str) -> bool {
    let relations = schema.definitions().filter_map(|definition| definition.relation(relation));
    relations.into_iter().any(|relation| may_be(&relation.subjects, subject))
}
