//! One tenant.

use std::iter;
use std::sync::Arc;

use portcullis_eval::{Bounds, Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, RelationKey, RoleKey, Snapshot};
use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, RelationName, Relationship, Role, RoleId, Subject, TypeName,
};

use super::Map;
use super::names::Names;
use super::places::{Hash, Places};
use super::roles::Roles;
use super::set::{self, Set};

/// What a name, a relationship and a grant take in memory, in bytes, maps included. For 1.6 million relationships and
/// half a million grants with short ids, each on few of the others, the sum was within 2 % of what was measured.
const NAME_BYTES: u64 = 160;
const RELATIONSHIP_BYTES: u64 = 60;
const GRANT_BYTES: u64 = 320;

/// What checks read of one tenant.
///
/// INVARIANT: a grant is in the slot of its handle, in `handles`, in the list of its subject and in the list of its
/// scope, or in none of these. A relationship is in the lists of both of its ends, or in neither.
#[derive(Clone, Debug)]
pub struct TenantIndex {
    objects: Names,
    relations: Names,
    usersets_of: Map<NodeKey, Set<NodeKey>>,
    subjects_of: Map<NodeKey, Set<NodeKey>>,
    grants_on: Map<ObjectKey, Set<GrantRow>>,
    grants_of: Map<NodeKey, Set<GrantRow>>,
    /// The grants in the lists above, so that each can be taken out again as it was put in. Handles are places here.
    slots: imbl::Vector<Option<Slot>>,
    /// The places in `slots` that are empty.
    free: imbl::Vector<GrantHandle>,
    handles: Places,
    roles: Roles,
    relationships: u64,
}

impl Default for TenantIndex {
    fn default() -> Self {
        let mut relations = Names::default();
        for name in iter::once("").chain(RelationKey::FIXED) {
            relations.intern(name);
        }
        Self {
            objects: Names::default(),
            relations,
            usersets_of: Map::default(),
            subjects_of: Map::default(),
            grants_on: Map::default(),
            grants_of: Map::default(),
            slots: imbl::Vector::default(),
            free: imbl::Vector::default(),
            handles: Places::default(),
            roles: Roles::default(),
            relationships: 0,
        }
    }
}

#[derive(Clone, Debug)]
struct Slot {
    id: GrantId,
    row: GrantRow,
}

impl TenantIndex {
    /// How many bytes the tenant takes. An estimate from counts, not a measurement.
    pub fn bytes_estimate(&self) -> u64 {
        let (names, roles) = (u64::from(self.objects.end()), self.roles.len() as u64);
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

    /// The first key that stands for no object.
    pub(super) fn objects_end(&self) -> u32 {
        self.objects.end()
    }

    /// The first key that stands for no relation.
    pub(super) fn relations_end(&self) -> u32 {
        self.relations.end()
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
            subject: self.intern(&grant.subject),
            scope: ObjectKey(self.objects.intern(&grant.scope.to_string())),
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
        let subject = self.intern(&relationship.subject);
        let userset = NodeKey {
            relation: RelationKey(self.relations.intern(relationship.relation.as_str())),
            object: ObjectKey(self.objects.intern(&relationship.resource.to_string())),
        };
        let is_new = insert(&mut self.usersets_of, subject, userset);
        assert!(insert(&mut self.subjects_of, userset, subject) == is_new, "INVARIANT: both ends list a relationship");
        self.relationships += u64::from(is_new);
    }

    pub(super) fn delete_relationship(&mut self, relationship: &Relationship) {
        if let Some((subject, userset)) = self.ends(relationship) {
            let was_there = remove(&mut self.usersets_of, subject, &userset);
            let listed = remove(&mut self.subjects_of, userset, &subject);
            assert!(listed == was_there, "INVARIANT: both ends list a relationship");
            self.relationships -= u64::from(was_there);
        }
    }

    /// The nodes between which a relationship leads, from the subject up to the userset; `None` if it cannot be stored.
    pub(super) fn ends(&self, relationship: &Relationship) -> Option<(NodeKey, NodeKey)> {
        let Relationship { resource, relation, subject } = relationship;
        let userset = NodeKey { relation: self.relation(relation)?, object: self.object(resource)? };
        Some((self.subject(subject)?, userset))
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

    fn intern(&mut self, subject: &Subject) -> NodeKey {
        let (relation, object) = match subject {
            Subject::Userset { object, relation } => {
                (RelationKey(self.relations.intern(relation.as_str())), object.to_string())
            }
            Subject::Object(_) | Subject::Wildcard(_) => (RelationKey::NONE, subject.to_string()),
        };
        NodeKey { relation, object: ObjectKey(self.objects.intern(&object)) }
    }

    /// The key of an object, or of a wildcard, by its whole name.
    pub(super) fn object_named(&self, name: &str) -> Option<ObjectKey> {
        self.objects.key(name).map(ObjectKey)
    }

    pub(super) fn object_name(&self, object: ObjectKey) -> &Arc<str> {
        self.objects.name(object.0)
    }

    pub(super) fn relation_name(&self, relation: RelationKey) -> &Arc<str> {
        self.relations.name(relation.0)
    }
}

/// The name of a node, from the names of its parts.
pub(super) fn node_name(object: &Arc<str>, relation: Option<&Arc<str>>) -> Arc<str> {
    match relation {
        None => Arc::clone(object),
        Some(relation) => Arc::from(format!("{object}#{relation}")),
    }
}

/// What sets are found by.
trait Key: Copy + Eq + std::hash::Hash {}

impl Key for NodeKey {}
impl Key for ObjectKey {}

/// Adds an item to a node's set; returns whether it is new.
fn insert<K: Key, T: Clone + Ord>(sets: &mut Map<K, Set<T>>, node: K, item: T) -> bool {
    if let Some(set) = sets.get_mut(&node) {
        return set.insert(item);
    }
    let mut set = Set::default();
    set.insert(item);
    sets.insert(node, set);
    true
}

/// Takes an item out of a node's set, and the set away with its last item.
fn remove<K: Key, T: Clone + Ord>(sets: &mut Map<K, Set<T>>, node: K, item: &T) -> bool {
    let Some(set) = sets.get_mut(&node) else { return false };
    let removed = set.remove(item);
    if set.len() == 0 {
        sets.remove(&node);
    }
    removed
}

fn items<K: Key, T: Clone + Ord>(sets: &Map<K, Set<T>>, node: K) -> set::Iter<'_, T> {
    sets.get(&node).map_or_else(set::Iter::empty, Set::iter)
}

fn count<K: Key, T: Clone + Ord>(sets: &Map<K, Set<T>>, node: K) -> usize {
    sets.get(&node).map_or(0, Set::len)
}

/// Everything here is certain: what is only possible is not in the state.
fn certain(node: NodeKey) -> Edge {
    Edge { node, certainty: Bounds::YES }
}

impl Snapshot for TenantIndex {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.object_named(&object.to_string())
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.object_named(&format!("{object_type}:*"))
    }

    fn relation(&self, relation: &RelationName) -> Option<RelationKey> {
        self.relations.key(relation.as_str()).map(RelationKey)
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let [first, last] = NodeKey::all_of(relation);
        let usersets = self.usersets_of.get(&subject);
        usersets.map_or_else(set::Iter::empty, |usersets| usersets.range(&first, &last)).copied().map(certain)
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        items(&self.subjects_of, userset).copied().map(certain)
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        items(&self.grants_on, scope).copied()
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
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

    fn name(&self, node: NodeKey) -> Arc<str> {
        let relation = (node.relation != RelationKey::NONE).then(|| self.relation_name(node.relation));
        node_name(self.object_name(node.object), relation)
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
