//! One tenant.

use std::sync::Arc;

use portcullis_eval::{
    Bounds, Edge, GrantHandle, GrantRow, Keys, NodeKey, ObjectKey, Program, QualifierKey, RelationKey, RoleKey,
    Snapshot, TypeKey,
};
use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, Qualifier, Relationship, Role, RoleId, Subject, Timestamp,
    Tuple, TypeName,
};
use portcullis_schema::Schema;

use super::Map;
use super::links::{Links, Row, Side};
use super::names::{Ids, SchemaNames, WILDCARD};
use super::places::{Hash, Places};
use super::qualifiers::Qualifiers;
use super::roles::Roles;
use super::set::{self, Set};

/// What a grant, a role and a qualifier take in memory, in bytes, maps included; of a qualifier a sum of its parts, with a
/// small context.
const GRANT_BYTES: u64 = 320;
const ROLE_BYTES: u64 = 160;
const QUALIFIER_BYTES: u64 = 400;
/// How much an allocator gives for what it is asked for, as a fraction. For 15.3 million relationships between 8.6 million
/// objects with short ids it was within 2 % of what was measured, 43 bytes for each, and for a tenth of that within 6 %.
const ALLOCATED: (u64, u64) = (6, 5);

/// What checks read of one tenant.
///
/// INVARIANT: a grant is in the slot of its handle, in `handles`, in the list of its subject and in the list of its
/// scope, or in none of these. A relationship is in the lists of both of its ends, or in neither.
#[derive(Clone, Debug, Default)]
pub struct TenantIndex {
    ids: Ids,
    /// The wildcard of each type that has one.
    wildcards: Map<TypeKey, ObjectKey>,
    names: SchemaNames,
    links: Links,
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
    /// Whether its relationships are on disk alone.
    spilled: bool,
}

#[derive(Clone, Debug)]
struct Slot {
    id: GrantId,
    row: GrantRow,
}

impl TenantIndex {
    /// How many bytes the tenant takes: a sum over what it holds, with what holds it estimated.
    pub fn bytes_estimate(&self) -> u64 {
        let objects = (self.ids.bytes() + self.links.bytes()) as u64 * ALLOCATED.0 / ALLOCATED.1;
        let qualifiers = self.qualifiers.len() * QUALIFIER_BYTES;
        objects + qualifiers + self.roles.len() as u64 * ROLE_BYTES + self.grants() * GRANT_BYTES
    }

    /// How many grants are active.
    pub fn grants(&self) -> u64 {
        self.handles.len() as u64
    }

    /// How many relationships are here: none of a tenant that was spilled.
    pub fn relationships(&self) -> u64 {
        self.relationships
    }

    /// Whether its relationships are on disk alone.
    pub fn is_spilled(&self) -> bool {
        self.spilled
    }

    /// Leaves all relationships to the disk, and with them the names that only they mention.
    pub(super) fn spill(&mut self) {
        let mut rest = Self {
            names: self.names.clone(),
            program: self.program.clone(),
            roles: self.roles.clone(),
            spilled: true,
            ..Self::default()
        };
        for Slot { id, row } in self.slots.iter().flatten() {
            let parsed = "INVARIANT: what was interned is read again as it was";
            let subject = self.name(row.subject).parse().expect(parsed);
            let scope = self.name(NodeKey::object(row.scope)).parse().expect(parsed);
            rest.add_grant(id, (&subject, row.role, &scope), row.end);
        }
        *self = rest;
    }

    /// The first key that stands for no object.
    pub(crate) fn objects_end(&self) -> u32 {
        self.links.end()
    }

    /// The first key that stands for no relation.
    pub(crate) fn relations_end(&self) -> u32 {
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
        let role = self.roles.intern(&grant.role);
        self.add_grant(&grant.id, (&grant.subject, role, &grant.scope), grant.window.end);
    }

    /// Adds a grant that is not there.
    fn add_grant(
        &mut self,
        id: &GrantId,
        (subject, role, scope): (&Subject, RoleKey, &Object),
        end: Option<Timestamp>,
    ) {
        let row = GrantRow {
            handle: self.handle(),
            subject: self.intern(subject),
            scope: self.intern_object(scope),
            role,
            end,
            certainty: Bounds::YES,
        };
        insert(&mut self.grants_on, row.scope, row);
        insert(&mut self.grants_of, row.subject, row);
        if row.subject.relation != RelationKey::NONE {
            *self.granted_usersets.entry(self.kind_of(row.subject)).or_default() += 1;
        }
        self.handles.add(Hash::of(id.as_str()), row.handle.0);
        self.slots[row.handle.0 as usize] = Some(Slot { id: id.clone(), row });
    }

    /// Adds a tuple, in place of what there was of its relationship.
    pub(super) fn put_tuple(&mut self, tuple: &Tuple) {
        let Tuple { relationship: Relationship { resource, relation, subject }, qualifier } = tuple;
        let subject = self.intern(subject);
        let userset =
            NodeKey { relation: self.names.relation_key(relation.as_str()), object: self.intern_object(resource) };
        if let Some(row) = self.row(userset, subject) {
            if !row.qualified && qualifier.is_none() {
                return;
            }
            self.delete_edge(userset, row);
        }
        let qualified = self.qualifiers.add((userset, subject), qualifier);
        self.links.insert(Side::Up, subject, Row { node: userset, qualified });
        self.links.insert(Side::Down, userset, Row { node: subject, qualified });
        self.relationships += 1;
    }

    pub(super) fn delete_relationship(&mut self, relationship: &Relationship) {
        let Some((subject, userset)) = self.ends(relationship) else { return };
        if let Some(row) = self.row(userset, subject) {
            self.delete_edge(userset, row);
        }
    }

    /// What a relationship holds under, if it is here.
    pub(crate) fn qualifier_of(&self, relationship: &Relationship) -> Option<Qualifier> {
        let (subject, userset) = self.ends(relationship)?;
        let key = self.edge((userset, subject), self.row(userset, subject)?).qualifier;
        Some(key.map(|key| self.qualifiers.get(key).clone()).unwrap_or_default())
    }

    /// Takes away what a userset lists.
    fn delete_edge(&mut self, userset: NodeKey, row: Row) {
        self.links.remove(Side::Down, userset, row);
        self.links.remove(Side::Up, row.node, Row { node: userset, ..row });
        if row.qualified {
            self.qualifiers.remove((userset, row.node));
        }
        self.relationships -= 1;
    }

    /// Compiles a schema, in place of an earlier one.
    pub(super) fn put_schema(&mut self, schema: &Schema) {
        self.program = Some(Arc::new(Program::new(schema, &mut self.names)));
    }

    /// The row of a subject in the list of a userset.
    fn row(&self, userset: NodeKey, subject: NodeKey) -> Option<Row> {
        self.links.find(Side::Down, userset, subject)
    }

    /// A row as evaluations see it. Everything here is certain: what is only possible is not in the state.
    fn edge(&self, (userset, subject): (NodeKey, NodeKey), row: Row) -> Edge {
        let qualifier = row.qualified.then(|| self.qualifiers.of((userset, subject)));
        Edge { node: row.node, certainty: Bounds::YES, qualifier }
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
            Subject::Userset { object, relation } => {
                NodeKey { relation: self.names.relation_key(relation.as_str()), object: self.intern_object(object) }
            }
            Subject::Object(object) => NodeKey::object(self.intern_object(object)),
            Subject::Wildcard(object_type) => {
                let object_type = self.names.type_key(object_type);
                let wildcard = self.intern_id(object_type, WILDCARD);
                self.wildcards.insert(object_type, wildcard);
                NodeKey::object(wildcard)
            }
        }
    }

    fn intern_object(&mut self, object: &Object) -> ObjectKey {
        let object_type = self.names.type_key(&object.object_type);
        self.intern_id(object_type, object.key.as_str())
    }

    fn intern_id(&mut self, object_type: TypeKey, id: &str) -> ObjectKey {
        if let Some(known) = self.find(object_type, id) {
            return known;
        }
        self.ids.add(object_type, id);
        self.links.add(object_type)
    }

    /// The key of an object, or of the wildcard of its type, by type and id.
    pub(crate) fn find(&self, object_type: TypeKey, id: &str) -> Option<ObjectKey> {
        let is_type = |object| self.links.type_of(ObjectKey(object)) == object_type;
        self.ids.find(object_type, id, is_type).map(ObjectKey)
    }

    /// The key of a type; `None` if nothing mentions it.
    pub(crate) fn type_named(&self, object_type: &str) -> Option<TypeKey> {
        self.names.object_type(object_type)
    }

    /// The first key that stands for no type.
    pub(crate) fn types_end(&self) -> u32 {
        self.names.types_end()
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
        self.find(self.names.object_type(object.object_type.as_str())?, object.key.as_str())
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.wildcards.get(&self.names.object_type(object_type.as_str())?).copied()
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        self.names.relation(relation)
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        self.links.type_of(object)
    }

    fn program(&self) -> Option<&Program> {
        self.program.as_deref()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let usersets = self.links.between(Side::Up, subject, NodeKey::all_of(relation));
        usersets.map(move |row| self.edge((row.node, subject), row))
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        self.links.list(Side::Down, userset).map(move |row| self.edge((userset, row.node), row))
    }

    fn usersets_in(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        let first = NodeKey { relation: RelationKey(1), ..NodeKey::FIRST };
        let usersets = self.links.between(Side::Down, userset, [first, NodeKey::LAST]);
        usersets.map(move |row| self.edge((userset, row.node), row))
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        self.row(userset, subject).into_iter().map(move |row| self.edge((userset, subject), row))
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        self.qualifiers.get(qualifier)
    }

    fn has_grants(&self) -> bool {
        self.handles.len() > 0
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
        let (object_type, id) = (self.names.type_name(self.type_of(node.object)), self.ids.id(node.object.0));
        if node.relation == RelationKey::NONE {
            return Arc::from(format!("{object_type}:{id}"));
        }
        Arc::from(format!("{object_type}:{id}#{}", self.names.relation_name(node.relation)))
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
