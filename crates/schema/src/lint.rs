//! What is sound, but rarely meant.
//!
//! The warnings are those of SpiceDB under their names there, and are silenced as there, by a comment of the relation or
//! permission: `// spicedb-ignore-warning: arrow-references-relation`. One of theirs is missing: a permission that
//! references itself is refused here.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_model::{RelationName, TypeName};

use crate::expression::{Arrow, Expression};
use crate::place::Place;
use crate::schema::{Definition, Member, Permission, Schema, SubjectKind};

/// Something that is rarely meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// The definition.
    pub object_type: TypeName,
    /// The name of the relation or permission.
    pub member: String,
    /// Where it stood.
    pub place: Place,
}

/// What is rarely meant, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// The name ends with that of the definition.
    RepeatsType,
    /// Different operators meet without parentheses.
    MixedOperators,
    /// An arrow asks for a relation of another definition.
    ArrowToRelation {
        /// The arrow as it is printed.
        arrow: String,
        /// The other definition.
        target_type: TypeName,
    },
    /// An arrow asks for, or follows, what none of the types on its way has. Nobody has access through it.
    ArrowToNowhere {
        /// The arrow as it is printed.
        arrow: String,
        /// The name that is nowhere.
        missing: RelationName,
    },
    /// An arrow follows a relation that allows usersets, of which it takes the objects only.
    ArrowOverUserset {
        /// The arrow as it is printed.
        arrow: String,
        /// The userset.
        userset: String,
    },
}

/// The warnings about a schema, in its order.
pub fn lint(schema: &Schema) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for definition in schema.definitions() {
        for member in definition.members() {
            let mut linter = Linter { schema, definition, member, warnings: &mut warnings };
            linter.name();
            if let Member::Permission(permission) = member {
                linter.permission(permission);
            }
        }
    }
    warnings
}

struct Linter<'a> {
    schema: &'a Schema,
    definition: &'a Definition,
    member: Member<'a>,
    warnings: &'a mut Vec<Warning>,
}

impl Linter<'_> {
    fn name(&mut self) {
        let name = self.definition.name().as_str();
        let own = name.rsplit('/').next().unwrap_or(name);
        if self.member.name().ends_with(own) {
            self.warn(WarningKind::RepeatsType, self.member.place());
        }
    }

    fn permission(&mut self, permission: &Permission) {
        if !permission.mixed.span().is_empty() {
            self.warn(WarningKind::MixedOperators, permission.mixed);
        }
        for ((leaf, _), place) in permission.expression.leaves().into_iter().zip(&permission.leaves) {
            if let Expression::Arrow(arrow) = leaf {
                self.arrow(arrow, *place);
            }
        }
    }

    fn arrow(&mut self, arrow: &Arrow, place: Place) {
        let schema = self.schema;
        let mut types: BTreeSet<&TypeName> = [self.definition.name()].into();
        let mut usersets = None;
        for step in &arrow.steps {
            let mut next = BTreeSet::new();
            let mut missing = true;
            for definition in types.iter().filter_map(|name| schema.definition(name)) {
                let Some(relation) = definition.relation(step.relation.as_str()) else { continue };
                missing = false;
                for subject in &relation.subjects {
                    next.insert(&subject.object_type);
                    if let SubjectKind::Userset(name) = &subject.kind {
                        usersets.get_or_insert_with(|| format!("{}#{name}", subject.object_type));
                    }
                }
            }
            if missing {
                let (arrow, missing) = (arrow.to_string(), step.relation.clone());
                return self.warn(WarningKind::ArrowToNowhere { arrow, missing }, place);
            }
            types = next;
        }
        let found =
            types.iter().filter_map(|name| Some((*name, schema.definition(name)?.member(arrow.target.as_str())?)));
        let found: Vec<_> = found.collect();
        let mut relations =
            found.iter().filter(|(name, member)| !member.is_permission() && *name != self.definition.name());
        if let Some((target_type, _)) = relations.next() {
            let target_type = (*target_type).clone();
            self.warn(WarningKind::ArrowToRelation { arrow: arrow.to_string(), target_type }, place);
        }
        if found.is_empty() {
            let (arrow, missing) = (arrow.to_string(), arrow.target.clone());
            self.warn(WarningKind::ArrowToNowhere { arrow, missing }, place);
        }
        if let Some(userset) = usersets {
            self.warn(WarningKind::ArrowOverUserset { arrow: arrow.to_string(), userset }, place);
        }
    }

    fn warn(&mut self, kind: WarningKind, place: Place) {
        let doc = match self.member {
            Member::Relation(relation) => relation.doc.as_deref(),
            Member::Permission(permission) => permission.doc.as_deref(),
        };
        let silenced = |line: &str| line.strip_prefix("// spicedb-ignore-warning: ") == Some(kind.name());
        if doc.unwrap_or_default().split('\n').any(silenced) {
            return;
        }
        let object_type = self.definition.name().clone();
        self.warnings.push(Warning { kind, object_type, member: self.member.name().to_owned(), place });
    }
}

impl WarningKind {
    /// Its name in SpiceDB, by which a comment silences it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RepeatsType => "relation-name-references-parent",
            Self::MixedOperators => "mixed-operators-without-parentheses",
            Self::ArrowToRelation { .. } => "arrow-references-relation",
            Self::ArrowToNowhere { .. } => "arrow-references-unreachable-relation",
            Self::ArrowOverUserset { .. } => "arrow-walks-subject-relation",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, object_type, member, .. } = self;
        write!(f, "`{object_type}#{member}`: ")?;
        match kind {
            WarningKind::RepeatsType => write!(f, "the name repeats that of its definition: leave that out")?,
            WarningKind::MixedOperators => {
                write!(f, "different operators meet, and `+` binds before `&` and `&` before `-`: add parentheses")?;
            }
            WarningKind::ArrowToRelation { arrow, target_type } => {
                write!(
                    f,
                    "`{arrow}` asks for a relation of `{target_type}`: define a permission there, and ask for it"
                )?;
            }
            WarningKind::ArrowToNowhere { arrow, missing } => {
                write!(f, "`{arrow}` leads nowhere, as no type on its way has `{missing}`: correct or remove it")?;
            }
            WarningKind::ArrowOverUserset { arrow, userset } => write!(
                f,
                "`{arrow}` takes the object of `{userset}` and not who is in it: allow the object itself in the relation"
            )?,
        }
        write!(f, " ({})", kind.name())
    }
}
