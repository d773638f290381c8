//! What an evaluation reads.
//!
//! Objects, relations, roles and grants are small numbers here, so that rows are copied and compared without touching
//! their names. Which number a name has is chance: it depends on the order in which an implementation met the names.
//!
//! A relationship `document:plan#viewer@group:eng#member` is an edge between two nodes, from the subject
//! `group:eng#member` up to the userset `document:plan#viewer`. It is found from both of its ends.
//!
//! INVARIANT: no answer depends on the order of the numbers or of the rows. What people see is ordered by name.
//!
//! Reading cannot fail. An implementation that reads from the disk remembers its first failure for whoever began the
//! evaluation, who must then drop the answer; a `Result` for every row would cost each check what only few tenants need.

use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_model::{GrantId, Object, PermissionName, Qualifier, Role, RoleId, Subject, Timestamp, TypeName};

use crate::{Bounds, Program};

/// An object, interned. The wildcard of a type is one too, `user:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(pub u32);

/// The name of a type, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeKey(pub u32);

/// The name of a relation or permission, interned. The first numbers are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationKey(pub u32);

impl RelationKey {
    /// No relation: the object itself.
    pub const NONE: Self = Self(0);
    /// `parent`, by which an object lies below another.
    pub const PARENT: Self = Self(1);
    /// `member`, by which groups have members where there is no schema.
    pub const MEMBER: Self = Self(2);
    /// The names of the relations whose numbers are the same everywhere, but for the first, which has no name.
    pub const FIXED: [&str; 2] = ["parent", "member"];
}

/// An object, or those who stand in a relation to it. Nodes of the same relation are next to each other in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// The `member` of `group:eng#member`.
    pub relation: RelationKey,
    /// The `group:eng` of `group:eng#member`.
    pub object: ObjectKey,
}

impl NodeKey {
    /// The least key.
    pub const FIRST: Self = Self { relation: RelationKey(0), object: ObjectKey(0) };
    /// The greatest key.
    pub const LAST: Self = Self { relation: RelationKey(u32::MAX), object: ObjectKey(u32::MAX) };

    /// The nodes of a relation, from the first to the last.
    pub fn all_of(relation: RelationKey) -> [Self; 2] {
        [Self::FIRST, Self::LAST].map(|end| Self { relation, object: end.object })
    }

    /// The object itself.
    pub fn object(object: ObjectKey) -> Self {
        Self { relation: RelationKey::NONE, object }
    }
}

/// What a relationship holds under, by a number that no other relationship of the same snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifierKey(pub NonZeroU32);

/// A role, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleKey(pub u32);

/// A grant, by a number that no other grant of the same snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantHandle(pub u32);

/// A relationship, seen from one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The other end.
    pub node: NodeKey,
    /// [`Bounds::YES`], or [`Bounds::MAYBE`] while it may be added or removed.
    pub certainty: Bounds,
    /// What it holds under, if it does not hold always.
    pub qualifier: Option<QualifierKey>,
}

/// A grant that holds, as far as checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantRow {
    /// The grant.
    pub handle: GrantHandle,
    /// Who.
    pub subject: NodeKey,
    /// On what.
    pub scope: ObjectKey,
    /// The role.
    pub role: RoleKey,
    /// When it ends by itself.
    pub end: Option<Timestamp>,
    /// [`Bounds::YES`], or [`Bounds::MAYBE`] while it may be added or removed.
    pub certainty: Bounds,
}

/// One tenant at one revision.
pub trait Snapshot {
    /// The key of an object; `None` if nothing stored mentions it, as far as that is known.
    fn object(&self, object: &Object) -> Option<ObjectKey>;
    /// The key of the wildcard of a type; `None` if nothing stored mentions it.
    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey>;
    /// The key of a relation or permission; `None` if nothing stored mentions it.
    fn relation(&self, relation: &str) -> Option<RelationKey>;
    /// The type of an object or a wildcard.
    fn type_of(&self, object: ObjectKey) -> TypeKey;
    /// The schema, if there is one.
    fn program(&self) -> Option<&Program>;
    /// The key of a subject; `None` if nothing stored mentions it.
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        match subject {
            Subject::Object(object) => self.object(object).map(NodeKey::object),
            Subject::Userset { object, relation } => {
                Some(NodeKey { relation: self.relation(relation.as_str())?, object: self.object(object)? })
            }
            Subject::Wildcard(object_type) => self.wildcard(object_type).map(NodeKey::object),
        }
    }
    /// The usersets of a relation that contain a subject directly, each once.
    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge>;
    /// The subjects that a userset contains directly, each once.
    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge>;
    /// Those of the subjects of a userset that are usersets themselves.
    fn usersets_in(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        self.subjects_of(userset).filter(|edge| edge.node.relation != RelationKey::NONE)
    }
    /// The relationship between a userset and a subject, if there is one; one that is being replaced comes twice.
    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge>;
    /// What a relationship holds under.
    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier;
    /// Whether there may be grants at all.
    fn has_grants(&self) -> bool;
    /// The grants on an object itself.
    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants there are on an object itself.
    fn grants_on_count(&self, scope: ObjectKey) -> usize;
    /// The grants of a subject itself.
    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants a subject itself has.
    fn grants_of_count(&self, subject: NodeKey) -> usize;
    /// The types and relations of the usersets that have grants, each once. Lookups only.
    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)>;
    /// Whether a role holds a permission, by itself or by inheritance.
    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds;
    /// Whether a role holds every permission of a type.
    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds;
    /// Whether a role may hold every permission of a type.
    fn names_all(&self, object_type: &TypeName) -> bool;
    /// The permissions of a type that roles name, in order.
    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName>;

    /// The name of a relation or permission. Explanations only.
    fn relation_name(&self, relation: RelationKey) -> Arc<str>;
    /// What a node stands for, as text. Explanations only.
    fn name(&self, node: NodeKey) -> Arc<str>;
    /// The id of a grant. Explanations only.
    fn grant_id(&self, grant: GrantHandle) -> GrantId;
    /// The id of a role. Explanations only.
    fn role_id(&self, role: RoleKey) -> RoleId;
    /// A role as it was written, if it exists. Explanations only.
    fn role(&self, role: &RoleId) -> Option<Arc<Role>>;
}
