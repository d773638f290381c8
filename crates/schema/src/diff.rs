//! What changes from one schema to another.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_model::{PermissionName, RelationName, TypeName};

use crate::caveat::{Caveat, ParameterType};
use crate::expression::Expression;
use crate::name::CaveatName;
use crate::schema::{AllowedSubject, Definition, Permission, Schema, SubjectKind};

/// One difference between two schemas, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is different.
    pub kind: ChangeKind,
    /// Whether someone may lose access by it.
    pub takes_access: bool,
    /// Whether relationships that are stored may no longer fit: it has to be refused while there are any.
    pub orphans: bool,
}

/// What is different, by kind. The kinds are those of `DiffSchema` in SpiceDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A definition with all its members.
    DefinitionAdded(TypeName),
    /// A definition with all its members.
    DefinitionRemoved(TypeName),
    /// Its comments.
    DefinitionDocChanged(TypeName),
    /// A relation with its subjects.
    RelationAdded(TypeName, RelationName),
    /// A relation with its subjects.
    RelationRemoved(TypeName, RelationName),
    /// Its comments.
    RelationDocChanged(TypeName, RelationName),
    /// A relation allows more.
    SubjectAdded(TypeName, RelationName, AllowedSubject),
    /// A relation allows less.
    SubjectRemoved(TypeName, RelationName, AllowedSubject),
    /// A permission.
    PermissionAdded(TypeName, PermissionName),
    /// A permission.
    PermissionRemoved(TypeName, PermissionName),
    /// What it is computed from.
    PermissionExpressionChanged(TypeName, PermissionName),
    /// The types that it declares.
    PermissionTypesChanged(TypeName, PermissionName),
    /// Its comments.
    PermissionDocChanged(TypeName, PermissionName),
    /// A caveat.
    CaveatAdded(CaveatName),
    /// A caveat.
    CaveatRemoved(CaveatName),
    /// Its expression.
    CaveatExpressionChanged(CaveatName),
    /// Its comments.
    CaveatDocChanged(CaveatName),
    /// A parameter of a caveat.
    ParameterAdded(CaveatName, String),
    /// A parameter of a caveat.
    ParameterRemoved(CaveatName, String),
    /// The type of a parameter.
    ParameterTypeChanged {
        /// The caveat.
        caveat: CaveatName,
        /// The parameter.
        parameter: String,
        /// What it was.
        from: ParameterType,
        /// What it is.
        to: ParameterType,
    },
}

/// What changes from `old` to `new`: first what is in both, in the order of `old`, then what was added. The order of
/// definitions, members and subjects is no difference.
pub fn diff(old: &Schema, new: &Schema) -> Vec<Change> {
    let mut changes = Vec::new();
    for definition in old.definitions() {
        match new.definition(definition.name()) {
            None => changes.push(breaking(ChangeKind::DefinitionRemoved(definition.name().clone()))),
            Some(after) => Pair { new, before: definition, after }.diff(&mut changes),
        }
    }
    let added = new.definitions().filter(|definition| old.definition(definition.name()).is_none());
    changes.extend(added.map(|definition| harmless(ChangeKind::DefinitionAdded(definition.name().clone()))));
    for caveat in old.caveats() {
        match new.caveat(&caveat.name) {
            None => changes.push(breaking(ChangeKind::CaveatRemoved(caveat.name.clone()))),
            Some(after) => caveats(caveat, after, &mut changes),
        }
    }
    let added = new.caveats().filter(|caveat| old.caveat(&caveat.name).is_none());
    changes.extend(added.map(|caveat| harmless(ChangeKind::CaveatAdded(caveat.name.clone()))));
    changes
}

fn harmless(kind: ChangeKind) -> Change {
    Change { kind, takes_access: false, orphans: false }
}

fn taking(kind: ChangeKind) -> Change {
    Change { kind, takes_access: true, orphans: false }
}

fn breaking(kind: ChangeKind) -> Change {
    Change { kind, takes_access: true, orphans: true }
}

/// A definition that is in both schemas.
struct Pair<'a> {
    new: &'a Schema,
    before: &'a Definition,
    after: &'a Definition,
}

impl Pair<'_> {
    fn diff(&self, changes: &mut Vec<Change>) {
        let name = || self.before.name().clone();
        if self.before.doc() != self.after.doc() {
            changes.push(harmless(ChangeKind::DefinitionDocChanged(name())));
        }
        self.relations(changes);
        for permission in self.before.permissions() {
            match self.after.permission(permission.name.as_str()) {
                None => changes.push(taking(ChangeKind::PermissionRemoved(name(), permission.name.clone()))),
                Some(after) => self.permissions(permission, after, changes),
            }
        }
        let added = self.after.permissions().iter();
        let added = added.filter(|permission| self.before.permission(permission.name.as_str()).is_none());
        changes.extend(added.map(|added| harmless(ChangeKind::PermissionAdded(name(), added.name.clone()))));
    }

    fn relations(&self, changes: &mut Vec<Change>) {
        let name = || self.before.name().clone();
        for relation in self.before.relations() {
            let own = || relation.name.clone();
            let Some(after) = self.after.relation(relation.name.as_str()) else {
                changes.push(breaking(ChangeKind::RelationRemoved(name(), own())));
                continue;
            };
            if relation.doc != after.doc {
                changes.push(harmless(ChangeKind::RelationDocChanged(name(), own())));
            }
            let had: BTreeSet<_> = relation.subjects.iter().map(key).collect();
            let has: BTreeSet<_> = after.subjects.iter().map(key).collect();
            let removed = relation.subjects.iter().filter(|subject| !has.contains(&key(subject)));
            let removed = removed.map(|gone| ChangeKind::SubjectRemoved(name(), own(), gone.clone()));
            changes.extend(removed.map(breaking));
            let added = after.subjects.iter().filter(|subject| !had.contains(&key(subject)));
            let added = added.map(|more| ChangeKind::SubjectAdded(name(), own(), more.clone()));
            changes.extend(added.map(harmless));
        }
        let added = self.after.relations().iter();
        let added = added.filter(|relation| self.before.relation(relation.name.as_str()).is_none());
        changes.extend(added.map(|added| harmless(ChangeKind::RelationAdded(name(), added.name.clone()))));
    }

    fn permissions(&self, before: &Permission, after: &Permission, changes: &mut Vec<Change>) {
        let names = || (self.before.name().clone(), before.name.clone());
        if before.expression != after.expression {
            let (object_type, name) = names();
            // Holding for more is no loss, unless something else is computed by taking this away.
            let wider = is_wider(&before.expression, &after.expression);
            let takes_access = !wider || self.new.takes_away(&object_type, name.as_str());
            let kind = ChangeKind::PermissionExpressionChanged(object_type, name);
            changes.push(Change { kind, takes_access, orphans: false });
        }
        if before.types != after.types {
            let (object_type, name) = names();
            changes.push(harmless(ChangeKind::PermissionTypesChanged(object_type, name)));
        }
        if before.doc != after.doc {
            let (object_type, name) = names();
            changes.push(harmless(ChangeKind::PermissionDocChanged(object_type, name)));
        }
    }
}

/// What of a subject makes it another one.
fn key(subject: &AllowedSubject) -> (&TypeName, &SubjectKind, &Option<CaveatName>, bool) {
    (&subject.object_type, &subject.kind, &subject.caveat, subject.expiration)
}

/// Comparing rows of operands takes time; beyond this many nobody is told that it is harmless.
const OPERANDS_MAX: usize = 1_000;

/// Whether one expression plainly holds wherever the other did: it has all its operands, and perhaps more.
fn is_wider(before: &Expression, after: &Expression) -> bool {
    let Expression::Union(after) = after else { return false };
    let before = match before {
        Expression::Union(operands) => operands.as_slice(),
        single => std::slice::from_ref(single),
    };
    before.len() <= OPERANDS_MAX && after.len() <= OPERANDS_MAX && before.iter().all(|operand| after.contains(operand))
}

fn caveats(before: &Caveat, after: &Caveat, changes: &mut Vec<Change>) {
    let name = || before.name.clone();
    if before.expression != after.expression {
        changes.push(taking(ChangeKind::CaveatExpressionChanged(name())));
    }
    if before.doc != after.doc {
        changes.push(harmless(ChangeKind::CaveatDocChanged(name())));
    }
    for parameter in &before.parameters {
        let kind = match after.parameter(&parameter.name) {
            None => ChangeKind::ParameterRemoved(name(), parameter.name.clone()),
            Some(now) if now.parameter_type != parameter.parameter_type => ChangeKind::ParameterTypeChanged {
                caveat: name(),
                parameter: parameter.name.clone(),
                from: parameter.parameter_type.clone(),
                to: now.parameter_type.clone(),
            },
            Some(_) => continue,
        };
        // Values for it are stored with relationships.
        changes.push(breaking(kind));
    }
    let added = after.parameters.iter().filter(|parameter| before.parameter(&parameter.name).is_none());
    // Until callers give it, the condition stays open.
    changes.extend(added.map(|parameter| taking(ChangeKind::ParameterAdded(name(), parameter.name.clone()))));
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match (self.takes_access, self.orphans) {
            (false, false) => Ok(()),
            (true, false) => f.write_str(" (may take access away)"),
            (_, true) => f.write_str(" (may take access away, and stored relationships may be in the way)"),
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefinitionAdded(name) => write!(f, "definition `{name}` added"),
            Self::DefinitionRemoved(name) => write!(f, "definition `{name}` removed"),
            Self::DefinitionDocChanged(name) => write!(f, "comments of definition `{name}` changed"),
            Self::RelationAdded(on, name) => write!(f, "relation `{on}#{name}` added"),
            Self::RelationRemoved(on, name) => write!(f, "relation `{on}#{name}` removed"),
            Self::RelationDocChanged(on, name) => write!(f, "comments of relation `{on}#{name}` changed"),
            Self::SubjectAdded(on, name, subject) => write!(f, "relation `{on}#{name}` allows `{subject}`"),
            Self::SubjectRemoved(on, name, subject) => {
                write!(f, "relation `{on}#{name}` no longer allows `{subject}`")
            }
            Self::PermissionAdded(on, name) => write!(f, "permission `{on}#{name}` added"),
            Self::PermissionRemoved(on, name) => write!(f, "permission `{on}#{name}` removed"),
            Self::PermissionExpressionChanged(on, name) => write!(f, "expression of permission `{on}#{name}` changed"),
            Self::PermissionTypesChanged(on, name) => write!(f, "types of permission `{on}#{name}` changed"),
            Self::PermissionDocChanged(on, name) => write!(f, "comments of permission `{on}#{name}` changed"),
            Self::CaveatAdded(name) => write!(f, "caveat `{name}` added"),
            Self::CaveatRemoved(name) => write!(f, "caveat `{name}` removed"),
            Self::CaveatExpressionChanged(name) => write!(f, "expression of caveat `{name}` changed"),
            Self::CaveatDocChanged(name) => write!(f, "comments of caveat `{name}` changed"),
            Self::ParameterAdded(caveat, name) => write!(f, "parameter `{name}` of caveat `{caveat}` added"),
            Self::ParameterRemoved(caveat, name) => write!(f, "parameter `{name}` of caveat `{caveat}` removed"),
            Self::ParameterTypeChanged { caveat, parameter, from, to } => {
                write!(f, "type of parameter `{parameter}` of caveat `{caveat}` changed from `{from}` to `{to}`")
            }
        }
    }
}
