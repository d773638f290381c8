//! One tenant.

use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_eval::{
    Bounds, Edge, GrantHandle, GrantRow, Keys, NodeKey, ObjectKey, Program, QualifierKey, RelationKey, RoleKey,
    Snapshot, TypeKey,
};
use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, Qualifier, Relationship, Role, RoleId, Subject, Tuple, TypeName,
};
use portcullis_schema::Schema;

use super::Map;
use super::names::{Names, SchemaNames};
use super::places::{Hash, Places};
use super::qualifiers::Qualifiers;
use super::roles::Roles;
use super::set::{self, Set};

/// What a name, a relationship and a grant take in memory, in bytes, maps included. For 1.45 million relationships between
/// 860,000 documents, folders, groups and users with short ids, each listed at both of its ends, the sum was within 2 % of
/// what was measured.
const NAME_BYTES: u64 = 160;
const RELATIONSHIP_BYTES: u64 = 250;
const GRANT_BYTES: u64 = 320;
/// What a qualifier takes besides: a sum of its parts, with a small context.
const QUALIFIER_BYTES: u64 = 300;

/// What checks read of one tenant.
///
/// INVARIANT: a grant is in the slot of its handle, in `handles`, in the list of its subject and in the list of its
/// scope, or in none of these. A relationship is in the lists of both of its ends, or in neither.
#[derive(Clone, Debug, Default)]
pub struct TenantIndex {
    objects: Names,
    /// The type of each object.
    types_of: imbl::Vector<TypeKey>,
    names: SchemaNames,
    usersets_of: Map<NodeKey, Set<Row>>,
    subjects_of: Map<NodeKey, Set<Row>>,
    qualifiers: Qualifiers,
    program: Option<Arc<Program>>,
    grants_on: Map<ObjectKey, Set<GrantRow>>,
    grants_of: Map<NodeKey, Set<GrantRow>>,
    /// How many subjects of grants are usersets, by their type and relation.
    granted_usersets: imbl::OrdMap<(TypeKey, RelationKey), u64>,
    /// The grants in the lists above, so that each can be taken out again as it was put in. Handles are places here.
    slots: imbl::Vector<Option<Slot>>,
    /// The places in `slots` that are empty.
    free: imbl::Vector<GrantHandle>,
    handles: Places,
    roles: Roles,
    relationships: u64,
}

/// One end of a relationship, as the other lists it.
///
/// INVARIANT: a list has one row for each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    node: NodeKey,
    qualifier: Option<QualifierKey>,
}

impl Row {
    /// All rows of these nodes lie between the two.
    fn ends([first, last]: [NodeKey; 2]) -> [Self; 2] {
        let greatest = Some(QualifierKey(NonZeroU32::MAX));
        [Self { node: first, qualifier: None }, Self { node: last, qualifier: greatest }]
    }

    /// Everything here is certain: what is only possible is not in the state.
    fn certain(self) -> Edge {
        Edge { node: self.node, certainty: Bounds::YES, qualifier: self.qualifier }
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
        let relationships = self.relationships * RELATIONSHIP_BYTES + self.qualifiers.len() * QUALIFIER_BYTES;
        (names + roles) * NAME_BYTES + relationships + self.grants() * GRANT_BYTES
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
        self.names.relations_end()
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
            scope: self.intern_object(&grant.scope.object_type, &grant.scope.to_string()),
            role: self.roles.intern(&grant.role),
            end: grant.window.end,
            certainty: Bounds::YES,
        };
        insert(&mut self.grants_on, row.scope, row);
        insert(&mut self.grants_of, row.subject, row);
        if row.subject.relation != RelationKey::NONE {
            *self.granted_usersets.entry(self.kind_of(row.subject)).or_default() += 1;
        }
        self.handles.add(hash, row.handle.0);
        self.slots[row.handle.0 as usize] = Some(Slot { id: grant.id.clone(), row });
    }

    /// Adds a tuple, in place of what there was of its relationship.
    pub(super) fn put_tuple(&mut self, tuple: &Tuple) {
        let Tuple { relationship, qualifier } = tuple;
        let Relationship { resource, relation, subject } = relationship;
        self.delete_relationship(relationship);
        let subject = self.intern(subject);
        let userset = NodeKey {
            relation: self.names.relation_key(relation.as_str()),
            object: self.intern_object(&resource.object_type, &resource.to_string()),
        };
        let qualifier = self.qualifiers.add(qualifier);
        let up = insert(&mut self.usersets_of, subject, Row { node: userset, qualifier });
        let down = insert(&mut self.subjects_of, userset, Row { node: subject, qualifier });
        assert!(up && down, "INVARIANT: a list has one row for each node");
        self.relationships += 1;
    }

    pub(super) fn delete_relationship(&mut self, relationship: &Relationship) {
        let Some((subject, userset)) = self.ends(relationship) else { return };
        let Some(row) = self.row(userset, subject) else { return };
        let down = remove(&mut self.subjects_of, userset, &row);
        let up = remove(&mut self.usersets_of, subject, &Row { node: userset, ..row });
        assert!(up && down, "INVARIANT: both ends list a relationship");
        self.qualifiers.remove(row.qualifier);
        self.relationships -= 1;
    }

    /// Compiles a schema, in place of an earlier one.
    pub(super) fn put_schema(&mut self, schema: &Schema) {
        self.program = Some(Arc::new(Program::new(schema, &mut self.names)));
    }

    /// The row of a subject in the list of a userset.
    fn row(&self, userset: NodeKey, subject: NodeKey) -> Option<Row> {
        let [first, last] = Row::ends([subject, subject]);
        self.subjects_of.get(&userset)?.range(&first, &last).next().copied()
    }

    /// The nodes between which a relationship leads, from the subject up to the userset; `None` if it cannot be stored.
    pub(super) fn ends(&self, relationship: &Relationship) -> Option<(NodeKey, NodeKey)> {
        let Relationship { resource, relation, subject } = relationship;
        let userset = NodeKey { relation: self.relation(relation.as_str())?, object: self.object(resource)? };
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
        let kind = self.kind_of(row.subject);
        if let Some(count) = self.granted_usersets.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                self.granted_usersets.remove(&kind);
            }
        }
    }

    fn kind_of(&self, userset: NodeKey) -> (TypeKey, RelationKey) {
        (self.type_of(userset.object), userset.relation)
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
        match subject {
            Subject::Userset { object, relation } => NodeKey {
                relation: self.names.relation_key(relation.as_str()),
                object: self.intern_object(&object.object_type, &object.to_string()),
            },
            Subject::Object(object) => NodeKey::object(self.intern_object(&object.object_type, &object.to_string())),
            Subject::Wildcard(object_type) => NodeKey::object(self.intern_object(object_type, &subject.to_string())),
        }
    }

    fn intern_object(&mut self, object_type: &TypeName, name: &str) -> ObjectKey {
        let key = self.objects.intern(name);
        if key as usize == self.types_of.len() {
            self.types_of.push_back(self.names.type_key(object_type));
        }
        ObjectKey(key)
    }

    /// The key of an object, or of a wildcard, by its whole name.
    pub(super) fn object_named(&self, name: &str) -> Option<ObjectKey> {
        self.objects.key(name).map(ObjectKey)
    }

    pub(super) fn object_name(&self, object: ObjectKey) -> &Arc<str> {
        self.objects.name(object.0)
    }

    /// The key of a type; `None` if nothing mentions it.
    pub(super) fn type_named(&self, object_type: &TypeName) -> Option<TypeKey> {
        self.names.object_type(object_type)
    }

    /// The first key that stands for no type.
    pub(super) fn types_end(&self) -> u32 {
        self.names.types_end()
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

impl Snapshot for TenantIndex {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.object_named(&object.to_string())
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.object_named(&format!("{object_type}:*"))
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        self.names.relation(relation)
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        self.types_of[object.0 as usize]
    }

    fn program(&self) -> Option<&Program> {
        self.program.as_deref()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let [first, last] = Row::ends(NodeKey::all_of(relation));
        let usersets = self.usersets_of.get(&subject);
        let usersets = usersets.map_or_else(set::Iter::empty, |usersets| usersets.range(&first, &last));
        usersets.copied().map(Row::certain)
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        items(&self.subjects_of, userset).copied().map(Row::certain)
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        self.row(userset, subject).into_iter().map(Row::certain)
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        self.qualifiers.get(qualifier)
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

    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)> {
        self.granted_usersets.keys().copied().collect()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.roles.holds(role, object_type, permission)
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.roles.holds_all(role, object_type)
    }

    fn names_all(&self, object_type: &TypeName) -> bool {
        self.roles.names_all(object_type)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.roles.named_permissions(object_type)
    }

    fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        Arc::clone(self.names.relation_name(relation))
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        let relation = (node.relation != RelationKey::NONE).then(|| self.names.relation_name(node.relation));
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
