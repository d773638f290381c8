//! What an evaluation reads.

use std::sync::Arc;

use portcullis_model::{GrantId, Object, PermissionName, RoleId, Subject, Timestamp, TypeName};

/// A subject or an object, interned: usersets and wildcards have keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub u32);

/// A grant that holds, as far as checks see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantRow {
    /// Who.
    pub subject: NodeKey,
    /// On what.
    pub scope: NodeKey,
    /// The role.
    pub role: Arc<RoleId>,
    /// The grant.
    pub id: GrantId,
    /// When it ends by itself.
    pub end: Option<Timestamp>,
}

/// One tenant at one revision. Implementations answer the same for equal contents, in the same order.
pub trait Snapshot {
    /// The key of a subject; `None` if nothing stored mentions it.
    fn subject(&self, subject: &Subject) -> Option<NodeKey>;
    /// The key of an object; `None` if nothing stored mentions it.
    fn object(&self, object: &Object) -> Option<NodeKey>;
    /// What a key stands for, as text.
    fn name(&self, key: NodeKey) -> Arc<str>;
    /// The usersets that contain a subject directly.
    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = NodeKey>;
    /// The parents of an object.
    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = NodeKey>;
    /// The grants on an object itself.
    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants there are on an object itself.
    fn grants_on_count(&self, scope: NodeKey) -> usize;
    /// The grants of a subject itself.
    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow>;
    /// How many grants a subject itself has.
    fn grants_of_count(&self, subject: NodeKey) -> usize;
    /// Whether a role holds a permission, by itself or by inheritance.
    fn holds(&self, role: &RoleId, object_type: &TypeName, permission: &PermissionName) -> bool;
    /// Whether a role holds every permission of a type.
    fn holds_all(&self, role: &RoleId, object_type: &TypeName) -> bool;
    /// The permissions of a type that roles name, in order.
    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName>;
}
