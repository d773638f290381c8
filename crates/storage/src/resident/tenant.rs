//! One tenant.

use std::sync::Arc;

use portcullis_eval::{Bounds, Edge, GrantHandle, GrantRow, NodeKey, RoleKey, Snapshot};
use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, Relationship, Role, RoleId, Subject, TypeName,
};

use super::Map;
use super::places::{Hash, Places};
use super::roles::Roles;
use super::set::Set;

/// The relation by which an object lies below another.
const PARENT: &str = "parent";
/// What a name, a relationship and a grant take in memory, in bytes, maps included. For 1.6 million relationships and
/// half a million grants with short ids, each on few of the others, the sum was within 2 % of what was measured.
const NAME_BYTES: u64 = 160;
const RELATIONSHIP_BYTES: u64 = 60;
const GRANT_BYTES: u64 = 320;

/// What checks read of one tenant.
///
/// INVARIANT: a grant is in the slot of its handle, in `handles`, in the list of its subject and in the list of its
/// scope, or in none of these.
#[derive(Clone, Debug, Default)]
pub struct TenantIndex {
    /// Names are interned: a name's key is its place here. A name stays once it was mentioned.
    names: imbl::Vector<Arc<str>>,
    keys: Places,
    usersets_of: Map<NodeKey, Set<NodeKey>>,
    parents_of: Map<NodeKey, Set<NodeKey>>,
    grants_on: Map<NodeKey, Set<GrantRow>>,
    grants_of: Map<NodeKey, Set<GrantRow>>,
    /// The grants in the lists above, so that each can be taken out again as it was put in. Handles are places here.
    slots: imbl::Vector<Option<Slot>>,
    /// The places in `slots` that are empty.
    free: imbl::Vector<GrantHandle>,
    handles: Places,
    roles: Roles,
    relationships: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    id: GrantId,
    row: GrantRow,
}

impl TenantIndex {
    /// How many bytes the tenant takes. An estimate from counts, not a measurement.
    pub fn bytes_estimate(&self) -> u64 {
        let (names, roles) = (self.names.len() as u64, self.roles.len() as u64);
        (names + roles) * NAME_BYTES + self.relationships * RELATIONSHIP_BYTES + self.grants() * GRANT_BYTES
    }

    /// How many grants are active.
    pub fn grants(&self) -> u64 {
        self.handles.len() as u64
    }

    /// How many relationships there are.
    pub fn relationships(&self) -> u64 {
        self.relationships
    }

    /// The first key that stands for no name.
    pub(super) fn names_end(&self) -> u32 {
        u32::try_from(self.names.len()).expect("INVARIANT: fewer than 2^32 names in a tenant")
    }

    /// The first handle that stands for no grant, now or at an earlier time.
    pub(super) fn grants_end(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("INVARIANT: fewer than 2^32 grants in a tenant")
    }

    /// The first key that stands for no role.
    pub(super) fn roles_end(&self) -> u32 {
        self.roles.end()
    }

    pub(super) fn role_key(&self, role: &RoleId) -> Option<RoleKey> {
        self.roles.key(role)
    }

    /// The handle of a grant, if it is active.
    pub(super) fn handle_of(&self, grant: &GrantId) -> Option<GrantHandle> {
        let slots = &self.slots;
        let is_it = |place: u32| slots[place as usize].as_ref().is_some_and(|slot| slot.id == *grant);
        self.handles.find(Hash::of(grant.as_str()), is_it).map(GrantHandle)
    }

    pub(super) fn put_role(&mut self, role: &Role) {
        self.roles.put(role);
    }

    pub(super) fn delete_role(&mut self, role: &RoleId) {
        self.roles.delete(role);
    }

    pub(super) fn put_grant(&mut self, grant: &Grant) {
        let hash = Hash::of(grant.id.as_str());
        self.remove_grant(hash, &grant.id);
        if grant.state != GrantState::Active {
            return;
        }
        let row = GrantRow {
            handle: self.handle(),
            subject: self.intern(&grant.subject.to_string()),
            scope: self.intern(&grant.scope.to_string()),
            role: self.roles.intern(&grant.role),
            end: grant.window.end,
            certainty: Bounds::YES,
        };
        insert(&mut self.grants_on, row.scope, row);
        insert(&mut self.grants_of, row.subject, row);
        self.handles.add(hash, row.handle.0);
        self.slots[row.handle.0 as usize] = Some(Slot { id: grant.id.clone(), row });
    }

    pub(super) fn put_relationship(&mut self, relationship: &Relationship) {
        let (from, to) = ends(relationship);
        let (from, to) = (self.intern(&from), self.intern(&to));
        if insert(self.edges(relationship), from, to) {
            self.relationships += 1;
        }
    }

    pub(super) fn delete_relationship(&mut self, relationship: &Relationship) {
        let (from, to) = ends(relationship);
        if let (Some(from), Some(to)) = (self.key(&from), self.key(&to))
            && remove(self.edges(relationship), from, &to)
        {
            self.relationships -= 1;
        }
    }

    fn remove_grant(&mut self, hash: Hash, grant: &GrantId) {
        let slots = &self.slots;
        let is_it = |place: u32| slots[place as usize].as_ref().is_some_and(|slot| slot.id == *grant);
        let Some(place) = self.handles.find(hash, is_it) else { return };
        self.handles.remove(hash, place);
        let slot = self.slots[place as usize].take();
        let row = slot.expect("INVARIANT: a grant is in the slot of its handle").row;
        self.free.push_back(GrantHandle(place));
        let listed = remove(&mut self.grants_on, row.scope, &row) && remove(&mut self.grants_of, row.subject, &row);
        assert!(listed, "INVARIANT: a grant is in the lists of its subject and of its scope");
    }

    /// A handle whose slot is empty.
    fn handle(&mut self) -> GrantHandle {
        self.free.pop_back().unwrap_or_else(|| {
            let place = u32::try_from(self.slots.len()).expect("INVARIANT: fewer than 2^32 grants in a tenant");
            self.slots.push_back(None);
            GrantHandle(place)
        })
    }

    fn slot(&self, grant: GrantHandle) -> &Slot {
        self.slots[grant.0 as usize].as_ref().expect("INVARIANT: rows have handles of grants that are there")
    }

    /// The edges among which a relationship is one.
    fn edges(&mut self, relationship: &Relationship) -> &mut Map<NodeKey, Set<NodeKey>> {
        if is_parent(relationship) { &mut self.parents_of } else { &mut self.usersets_of }
    }

    fn intern(&mut self, name: &str) -> NodeKey {
        let hash = Hash::of(name);
        if let Some(key) = self.find(hash, name) {
            return key;
        }
        let place = u32::try_from(self.names.len()).expect("INVARIANT: fewer than 2^32 names in a tenant");
        self.names.push_back(Arc::from(name));
        self.keys.add(hash, place);
        NodeKey(place)
    }

    pub(super) fn key(&self, name: &str) -> Option<NodeKey> {
        self.find(Hash::of(name), name)
    }

    fn find(&self, hash: Hash, name: &str) -> Option<NodeKey> {
        self.keys.find(hash, |place| *self.names[place as usize] == *name).map(NodeKey)
    }
}

pub(super) fn is_parent(relationship: &Relationship) -> bool {
    relationship.relation.as_str() == PARENT
}

/// The names between which a relationship leads upwards: from an object to its parent, or from a subject to a userset.
pub(super) fn ends(relationship: &Relationship) -> (String, String) {
    let Relationship { resource, relation, subject } = relationship;
    if is_parent(relationship) {
        (resource.to_string(), subject.to_string())
    } else {
        (subject.to_string(), format!("{resource}#{relation}"))
    }
}

/// Adds an item to a node's set; returns whether it is new.
fn insert<T: Clone + Ord>(sets: &mut Map<NodeKey, Set<T>>, node: NodeKey, item: T) -> bool {
    if let Some(set) = sets.get_mut(&node) {
        return set.insert(item);
    }
    let mut set = Set::default();
    set.insert(item);
    sets.insert(node, set);
    true
}

/// Takes an item out of a node's set, and the set away with its last item.
fn remove<T: Clone + Ord>(sets: &mut Map<NodeKey, Set<T>>, node: NodeKey, item: &T) -> bool {
    let Some(set) = sets.get_mut(&node) else { return false };
    let removed = set.remove(item);
    if set.len() == 0 {
        sets.remove(&node);
    }
    removed
}

fn items<T: Clone + Ord>(sets: &Map<NodeKey, Set<T>>, node: NodeKey) -> impl Iterator<Item = &T> {
    sets.get(&node).into_iter().flat_map(Set::iter)
}

fn count<T: Clone + Ord>(sets: &Map<NodeKey, Set<T>>, node: NodeKey) -> usize {
    sets.get(&node).map_or(0, Set::len)
}

/// Everything here is certain: what is only possible is not in the state.
fn steps(sets: &Map<NodeKey, Set<NodeKey>>, node: NodeKey) -> impl Iterator<Item = Edge> {
    items(sets, node).map(|node| Edge { node: *node, certainty: Bounds::YES })
}

impl Snapshot for TenantIndex {
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        self.key(&subject.to_string())
    }

    fn object(&self, object: &Object) -> Option<NodeKey> {
        self.key(&object.to_string())
    }

    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = Edge> {
        steps(&self.usersets_of, subject)
    }

    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = Edge> {
        steps(&self.parents_of, object)
    }

    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow> {
        items(&self.grants_on, scope).copied()
    }

    fn grants_on_count(&self, scope: NodeKey) -> usize {
        count(&self.grants_on, scope)
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        items(&self.grants_of, subject).copied()
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        count(&self.grants_of, subject)
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.roles.holds(role, object_type, permission)
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.roles.holds_all(role, object_type)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.roles.named_permissions(object_type)
    }

    fn name(&self, key: NodeKey) -> Arc<str> {
        Arc::clone(&self.names[key.0 as usize])
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        self.slot(grant).id.clone()
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        self.roles.id(role).clone()
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.roles.get(role).cloned()
    }
}
