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
//! Reading cannot fail: whoever implements the trait has the rows in memory. One that reads from disk would fetch what
//! it is asked for and remember its first failure for the caller, who must then drop the answer; a `Result` for every
//! row would cost each check what only those tenants need.

use std::sync::Arc;

use portcullis_model::{GrantId, Object, PermissionName, RelationName, Role, RoleId, Subject, Timestamp, TypeName};

use crate::Bounds;

/// An object, interned. The wildcard of a type is one too, `user:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(pub u32);

/// The name of a type, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeKey(pub u32);

/// The name of a relation, interned. The first numbers are the same everywhere.
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
    /// The key of an object; `None` if nothing stored mentions it.
    fn object(&self, object: &Object) -> Option<ObjectKey>;
    /// The key of the wildcard of a type; `None` if nothing stored mentions it.
    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey>;
    /// The key of a relation; `None` if nothing stored mentions it.
    fn relation(&self, relation: &RelationName) -> Option<RelationKey>;
    /// The key of a subject; `None` if nothing stored mentions it.
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        match subject {
            Subject::Object(object) => self.object(object).map(NodeKey::object),
            Subject::Userset { object, relation } => {
                Some(NodeKey { relation: self.relation(relation)?, object: self.object(object)? })
            }
            Subject::Wildcard(object_type) => self.wildcard(object_type).map(NodeKey::object),
        }
    }
    /// The usersets of a relation that contain a subject directly, each once.
    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge>;
    /// The subjects that a userset contains directly, each once.
    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge>;
    /// The grants on an object itself.
    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants there are on an object itself.
    fn grants_on_count(&self, scope: ObjectKey) -> usize;
    /// The grants of a subject itself.
    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants a subject itself has.
    fn grants_of_count(&self, subject: NodeKey) -> usize;
    /// Whether a role holds a permission, by itself or by inheritance.
    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds;
    /// Whether a role holds every permission of a type.
    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds;
    /// The permissions of a type that roles name, in order.
    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName>;

    /// What a node stands for, as text. Explanations only.
    fn name(&self, node: NodeKey) -> Arc<str>;
    /// The id of a grant. Explanations only.
    fn grant_id(&self, grant: GrantHandle) -> GrantId;
    /// The id of a role. Explanations only.
    fn role_id(&self, role: RoleKey) -> RoleId;
    /// A role as it was written, if it exists. Explanations only.
    fn role(&self, role: &RoleId) -> Option<Arc<Role>>;
}
