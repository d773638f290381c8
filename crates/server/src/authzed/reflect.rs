//! Schemas as messages: what they define, and what changes between two.

use portcullis_model::{CaveatName, RelationName, TypeName};
use portcullis_schema::{
    AllowedSubject, Caveat, ChangeKind, Definition, Parameter, Permission, Reference, Relation, Schema, SubjectKind,
};
use portcullis_wire::authzed::v1;
use v1::reflection_schema_diff::Diff;
use v1::reflection_type_reference::Typeref;

/// The definitions that one of the filters selects; all if there is none.
pub(super) fn definitions(schema: &Schema, filters: &[v1::ReflectionSchemaFilter]) -> Vec<v1::ReflectionDefinition> {
    schema.definitions().filter_map(|one| selected(one, filters)).collect()
}

/// The caveats that one of the filters selects; all if there is none.
pub(super) fn caveats(schema: &Schema, filters: &[v1::ReflectionSchemaFilter]) -> Vec<v1::ReflectionCaveat> {
    let is_wanted = |one: &&Caveat| {
        filters.is_empty()
            || filters.iter().any(|filter| is_begun(one.name.as_str(), &filter.optional_caveat_name_filter))
    };
    schema.caveats().filter(is_wanted).map(caveat).collect()
}

/// Whether a filter is given and a name begins with it.
fn is_begun(name: &str, filter: &str) -> bool {
    !filter.is_empty() && name.starts_with(filter)
}

fn selected(one: &Definition, filters: &[v1::ReflectionSchemaFilter]) -> Option<v1::ReflectionDefinition> {
    let name = one.name().as_str();
    let of_definitions: Vec<&v1::ReflectionSchemaFilter> =
        filters.iter().filter(|filter| is_begun(name, &filter.optional_definition_name_filter)).collect();
    if !filters.is_empty() && of_definitions.is_empty() {
        return None;
    }
    let mut reflected = definition(one);
    let narrows = |filter: &&&v1::ReflectionSchemaFilter| {
        !filter.optional_relation_name_filter.is_empty() || !filter.optional_permission_name_filter.is_empty()
    };
    if !of_definitions.is_empty() && of_definitions.iter().all(|filter| narrows(&filter)) {
        let is_wanted = |name: &str, of: fn(&v1::ReflectionSchemaFilter) -> &String| {
            of_definitions.iter().any(|filter| is_begun(name, of(filter)))
        };
        reflected.relations.retain(|one| is_wanted(&one.name, |filter| &filter.optional_relation_name_filter));
        reflected.permissions.retain(|one| is_wanted(&one.name, |filter| &filter.optional_permission_name_filter));
    }
    Some(reflected)
}

fn definition(one: &Definition) -> v1::ReflectionDefinition {
    v1::ReflectionDefinition {
        name: one.name().to_string(),
        comment: one.doc().unwrap_or_default().to_owned(),
        relations: one.relations().iter().map(|relation| self::relation(one.name(), relation)).collect(),
        permissions: one.permissions().iter().map(|permission| self::permission(one.name(), permission)).collect(),
    }
}

fn relation(parent: &TypeName, one: &Relation) -> v1::ReflectionRelation {
    v1::ReflectionRelation {
        name: one.name.to_string(),
        comment: one.doc.clone().unwrap_or_default(),
        parent_definition_name: parent.to_string(),
        subject_types: one.subjects.iter().map(subject).collect(),
    }
}

fn subject(one: &AllowedSubject) -> v1::ReflectionTypeReference {
    v1::ReflectionTypeReference {
        subject_definition_name: one.object_type.to_string(),
        optional_caveat_name: one.caveat.as_ref().map(ToString::to_string).unwrap_or_default(),
        typeref: Some(match &one.kind {
            SubjectKind::Direct => Typeref::IsTerminalSubject(true),
            SubjectKind::Userset(relation) => Typeref::OptionalRelationName(relation.to_string()),
            SubjectKind::Wildcard => Typeref::IsPublicWildcard(true),
        }),
    }
}

fn permission(parent: &TypeName, one: &Permission) -> v1::ReflectionPermission {
    v1::ReflectionPermission {
        name: one.name.to_string(),
        comment: one.doc.clone().unwrap_or_default(),
        parent_definition_name: parent.to_string(),
    }
}

fn caveat(one: &Caveat) -> v1::ReflectionCaveat {
    v1::ReflectionCaveat {
        name: one.name.to_string(),
        comment: one.doc.clone().unwrap_or_default(),
        parameters: one.parameters.iter().map(|parameter| self::parameter(&one.name, parameter)).collect(),
        expression: one.expression.clone(),
    }
}

fn parameter(parent: &CaveatName, one: &Parameter) -> v1::ReflectionCaveatParameter {
    v1::ReflectionCaveatParameter {
        name: one.name.clone(),
        r#type: one.parameter_type.to_string(),
        parent_caveat_name: parent.to_string(),
    }
}

/// A relation or permission that depends on another, or on which another depends.
pub(super) fn reference(one: &Reference) -> v1::ReflectionRelationReference {
    v1::ReflectionRelationReference {
        definition_name: one.object_type.to_string(),
        relation_name: one.name.to_string(),
        is_permission: one.is_permission,
    }
}

/// A change, where their interface has a kind for it.
pub(super) fn change(old: &Schema, new: &Schema, kind: &ChangeKind) -> Option<v1::ReflectionSchemaDiff> {
    let one = |schema: &Schema, name: &TypeName| schema.definition(name).map(definition);
    let of_relation = |schema: &Schema, name: &TypeName, relation: &RelationName| {
        Some(self::relation(name, schema.definition(name)?.relation(relation.as_str())?))
    };
    let of_permission =
        |schema: &Schema, name: &TypeName, one: &str| Some(permission(name, schema.definition(name)?.permission(one)?));
    let of_caveat = |schema: &Schema, name: &CaveatName| schema.caveat(name).map(caveat);
    let of_parameter =
        |schema: &Schema, name: &CaveatName, one: &str| Some(parameter(name, schema.caveat(name)?.parameter(one)?));
    let subject_change = |schema, name, relation, changed: &AllowedSubject| {
        Some(v1::ReflectionRelationSubjectTypeChange {
            relation: Some(of_relation(schema, name, relation)?),
            changed_subject_type: Some(subject(changed)),
        })
    };
    let diff = match kind {
        ChangeKind::DefinitionAdded(name) => Diff::DefinitionAdded(one(new, name)?),
        ChangeKind::DefinitionRemoved(name) => Diff::DefinitionRemoved(one(old, name)?),
        ChangeKind::DefinitionDocChanged(name) => Diff::DefinitionDocCommentChanged(one(new, name)?),
        ChangeKind::RelationAdded(name, relation) => Diff::RelationAdded(of_relation(new, name, relation)?),
        ChangeKind::RelationRemoved(name, relation) => Diff::RelationRemoved(of_relation(old, name, relation)?),
        ChangeKind::RelationDocChanged(name, relation) => {
            Diff::RelationDocCommentChanged(of_relation(new, name, relation)?)
        }
        ChangeKind::SubjectAdded(name, relation, added) => {
            Diff::RelationSubjectTypeAdded(subject_change(new, name, relation, added)?)
        }
        ChangeKind::SubjectRemoved(name, relation, removed) => {
            Diff::RelationSubjectTypeRemoved(subject_change(new, name, relation, removed)?)
        }
        ChangeKind::PermissionAdded(name, one) => Diff::PermissionAdded(of_permission(new, name, one.as_str())?),
        ChangeKind::PermissionRemoved(name, one) => Diff::PermissionRemoved(of_permission(old, name, one.as_str())?),
        ChangeKind::PermissionDocChanged(name, one) => {
            Diff::PermissionDocCommentChanged(of_permission(new, name, one.as_str())?)
        }
        ChangeKind::PermissionExpressionChanged(name, one) => {
            Diff::PermissionExprChanged(of_permission(new, name, one.as_str())?)
        }
        ChangeKind::PermissionTypesChanged(..) => return None,
        ChangeKind::CaveatAdded(name) => Diff::CaveatAdded(of_caveat(new, name)?),
        ChangeKind::CaveatRemoved(name) => Diff::CaveatRemoved(of_caveat(old, name)?),
        ChangeKind::CaveatDocChanged(name) => Diff::CaveatDocCommentChanged(of_caveat(new, name)?),
        ChangeKind::CaveatExpressionChanged(name) => Diff::CaveatExprChanged(of_caveat(new, name)?),
        ChangeKind::ParameterAdded(name, one) => Diff::CaveatParameterAdded(of_parameter(new, name, one)?),
        ChangeKind::ParameterRemoved(name, one) => Diff::CaveatParameterRemoved(of_parameter(old, name, one)?),
        ChangeKind::ParameterTypeChanged { caveat, parameter, from, .. } => {
            Diff::CaveatParameterTypeChanged(v1::ReflectionCaveatParameterTypeChange {
                parameter: Some(of_parameter(new, caveat, parameter)?),
                previous_type: from.to_string(),
            })
        }
    };
    Some(v1::ReflectionSchemaDiff { diff: Some(diff) })
}
