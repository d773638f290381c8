//! What an evaluation reads.
//!
//! Subjects, objects, roles and grants are small numbers here, so that rows are copied and compared without touching
//! their names. Which number a name has is chance: it depends on the order in which an implementation met the names.
//!
//! INVARIANT: no answer depends on the order of the numbers or of the rows. What people see is ordered by name.
//!
//! Reading cannot fail: whoever implements the trait has the rows in memory. One that reads from disk would fetch what
//! it is asked for and remember its first failure for the caller, who must then drop the answer; a `Result` for every
//! row would cost each check what only those tenants need.

use std::sync::Arc;

use portcullis_model::{GrantId, Object, PermissionName, Role, RoleId, Subject, Timestamp, TypeName};

use crate::Bounds;

/// A subject or an object, interned: usersets and wildcards have keys of their own, in the same space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub u32);

/// A role, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleKey(pub u32);

/// A grant, by a number that no other grant of the same snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantHandle(pub u32);

/// One step upwards: to a userset that contains a subject, or to a parent of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Where it leads.
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
    pub scope: NodeKey,
    /// The role.
    pub role: RoleKey,
    /// When it ends by itself.
    pub end: Option<Timestamp>,
    /// [`Bounds::YES`], or [`Bounds::MAYBE`] while it may be added or removed.
    pub certainty: Bounds,
}

/// One tenant at one revision.
pub trait Snapshot {
    /// The key of a subject; `None` if nothing stored mentions it.
    fn subject(&self, subject: &Subject) -> Option<NodeKey>;
    /// The key of an object; `None` if nothing stored mentions it.
    fn object(&self, object: &Object) -> Option<NodeKey>;
    /// The usersets that contain a subject directly, each once.
    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = Edge>;
    /// The parents of an object, each once.
    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = Edge>;
    /// The grants on an object itself.
    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants there are on an object itself.
    fn grants_on_count(&self, scope: NodeKey) -> usize;
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

    /// What a key stands for, as text. Explanations only.
    fn name(&self, key: NodeKey) -> Arc<str>;
    /// The id of a grant. Explanations only.
    fn grant_id(&self, grant: GrantHandle) -> GrantId;
    /// The id of a role. Explanations only.
    fn role_id(&self, role: RoleKey) -> RoleId;
    /// A role as it was written, if it exists. Explanations only.
    fn role(&self, role: &RoleId) -> Option<Arc<Role>>;
}
