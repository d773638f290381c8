//! What is in doubt: rows that entries which are not visible yet may add or remove.
//!
//! It is made once for a tenant and the entries behind a version, and laid over that version by [`TenantIndex::doubted_by`]. What may
//! be removed counts in the upper bound only, and so does what may be added: whichever of the entries are shown, and
//! whatever they turn out to do, the answer lies between the bounds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use portcullis_eval::{
    Bounds, Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, Program, QualifierKey, RelationKey, RoleKey, Snapshot,
    TypeKey,
};
use portcullis_machine::{Footprint, Touch};
use portcullis_model::{
    GrantFilter, GrantId, Object, PermissionName, Qualifier, RelationName, Relationship, Role, RoleId, Subject,
    TenantId, TupleFilter, TypeName,
};

use super::Resident;
use super::tenant::TenantIndex;

/// What entries behind a version put in doubt, as far as one tenant is concerned.
#[derive(Debug, Default)]
pub struct Doubts {
    tenant: Option<TenantDoubts>,
    /// Whether anything may be in doubt.
    everything: bool,
}

/// What is in doubt in one tenant.
#[derive(Debug, Default)]
pub struct TenantDoubts {
    /// The tenant itself may be added or removed, or something in it that is not said closely enough.
    whole: bool,
    /// The schema may become another, so that nothing is known of any answer.
    schema: bool,
    roles: BTreeSet<RoleId>,
    removed: Removed,
    added: Added,
}

#[derive(Debug, Default)]
struct Removed {
    /// Relationships, from the subject to the userset.
    edges: BTreeSet<(NodeKey, NodeKey)>,
    relationships: Vec<TupleFilter>,
    grants: BTreeSet<GrantHandle>,
    filters: Vec<Selected>,
}

/// A filter of grants, by keys.
#[derive(Debug)]
struct Selected {
    subject: Option<NodeKey>,
    role: Option<RoleKey>,
    scope: Option<ObjectKey>,
}

/// What may be added. Names that the index does not know have keys behind its own.
#[derive(Debug, Default)]
struct Added {
    objects: Names,
    /// The type of each of `objects`.
    types_of: Vec<TypeKey>,
    types: Names,
    relations: Names,
    ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    /// Relationships, from the subject to the userset and from the userset to the subject.
    up: BTreeSet<(NodeKey, NodeKey)>,
    down: BTreeSet<(NodeKey, NodeKey)>,
    grants: Vec<GrantRow>,
}

#[derive(Debug, Default)]
struct Names {
    names: Vec<Arc<str>>,
    /// Where each of `names` stands: a bulk load adds thousands at a time.
    places: HashMap<Arc<str>, u32, FixedState>,
}

impl Doubts {
    /// What the entries behind a version put in doubt in a tenant; a footprint is `None` where nothing is known of an entry.
    pub fn new<'a>(
        resident: &Resident,
        tenant: &TenantId,
        footprints: impl Iterator<Item = Option<&'a Footprint>>,
    ) -> Self {
        let mut doubts = Self::default();
        let index = resident.tenant(tenant).map(AsRef::as_ref);
        for footprint in footprints {
            let Some(footprint) = footprint else {
                doubts.everything = true;
                continue;
            };
            for touch in footprint.may_remove.iter().filter(|touch| touch.tenant() == tenant) {
                doubts.tenant.get_or_insert_default().may_remove(index, touch);
            }
            for touch in footprint.may_add.iter().filter(|touch| touch.tenant() == tenant) {
                doubts.tenant.get_or_insert_default().may_add(index, touch);
            }
        }
        doubts
    }

    /// Whether anything in any tenant may be in doubt.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// What is in doubt in the tenant, if anything is.
    pub fn in_tenant(&self) -> Option<&TenantDoubts> {
        self.tenant.as_ref()
    }
}

impl TenantDoubts {
    /// Whether the tenant as a whole is in doubt, or which permissions its roles name.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether the schema is in doubt: then every answer is.
    pub fn touches_schema(&self) -> bool {
        self.schema
    }

    /// Whether roles are in doubt.
    pub fn touches_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    fn may_remove(&mut self, index: Option<&TenantIndex>, touch: &Touch) {
        let Some(index) = index else {
            // Of a tenant that does not exist nothing can go but what may be added to it first, which is in doubt anyhow.
            self.whole = true;
            return;
        };
        match touch {
            Touch::Tenant(_) => self.whole = true,
            Touch::Schema(_) => self.schema = true,
            Touch::Role(_, role) => drop(self.roles.insert(role.clone())),
            Touch::Grant(_, id) | Touch::WholeGrant { id, .. } => self.removed.grants.extend(index.handle_of(id)),
            Touch::Grants(_, filter) => self.removed.filters.extend(selected(index, filter)),
            Touch::Relationship(_, relationship) => self.removed.edges.extend(index.ends(relationship)),
            Touch::Relationships(_, filter) => self.removed.relationships.push(filter.clone()),
        }
    }

    fn may_add(&mut self, index: Option<&TenantIndex>, touch: &Touch) {
        let Some(index) = index else {
            self.whole = true;
            return;
        };
        match touch {
            // What these would add is not said closely enough to be looked up.
            Touch::Tenant(_) | Touch::Grant(..) | Touch::Grants(..) | Touch::Relationships(..) => self.whole = true,
            Touch::Schema(_) => self.schema = true,
            Touch::Role(_, role) => drop(self.roles.insert(role.clone())),
            Touch::WholeGrant { id, subject, role, scope, .. } => {
                let handle = GrantHandle(index.grants_end() + number(self.added.ids.len()));
                self.added.ids.push(id.clone());
                let row = GrantRow {
                    handle,
                    subject: self.added.node(index, subject),
                    scope: self.added.object(index, scope),
                    role: self.added.role(index, role),
                    end: None,
                    certainty: Bounds::MAYBE,
                };
                self.added.grants.push(row);
            }
            Touch::Relationship(_, relationship) => {
                let Relationship { resource, relation, subject } = relationship;
                let subject = self.added.node(index, subject);
                let userset = NodeKey {
                    relation: self.added.relation(index, relation),
                    object: self.added.object(index, resource),
                };
                self.added.up.insert((subject, userset));
                self.added.down.insert((userset, subject));
            }
        }
    }
}

impl Names {
    fn place(&self, name: &str) -> Option<u32> {
        self.places.get(name).copied()
    }

    fn add(&mut self, name: &str) -> u32 {
        self.place(name).unwrap_or_else(|| {
            let (name, place) = (Arc::<str>::from(name), number(self.names.len()));
            self.names.push(Arc::clone(&name));
            self.places.insert(name, place);
            place
        })
    }
}

impl Added {
    fn node(&mut self, index: &TenantIndex, subject: &Subject) -> NodeKey {
        match subject {
            Subject::Userset { object, relation } => {
                NodeKey { relation: self.relation(index, relation), object: self.object(index, object) }
            }
            Subject::Object(object) => NodeKey::object(self.object(index, object)),
            Subject::Wildcard(object_type) => {
                let known = index.wildcard(object_type);
                NodeKey::object(known.unwrap_or_else(|| self.new_object(index, object_type, &subject.to_string())))
            }
        }
    }

    fn object(&mut self, index: &TenantIndex, object: &Object) -> ObjectKey {
        let known = index.object(object);
        known.unwrap_or_else(|| self.new_object(index, &object.object_type, &object.to_string()))
    }

    fn new_object(&mut self, index: &TenantIndex, object_type: &TypeName, name: &str) -> ObjectKey {
        let place = self.objects.add(name);
        if place as usize == self.types_of.len() {
            let known = index.type_named(object_type);
            let object_type =
                known.unwrap_or_else(|| TypeKey(index.types_end() + self.types.add(object_type.as_str())));
            self.types_of.push(object_type);
        }
        ObjectKey(index.objects_end() + place)
    }

    fn relation(&mut self, index: &TenantIndex, name: &RelationName) -> RelationKey {
        let known = index.relation(name.as_str());
        known.unwrap_or_else(|| RelationKey(index.relations_end() + self.relations.add(name.as_str())))
    }

    fn role(&mut self, index: &TenantIndex, role: &RoleId) -> RoleKey {
        if let Some(key) = index.role_key(role) {
            return key;
        }
        let known = self.role_ids.iter().position(|known| known == role);
        let place = known.unwrap_or_else(|| {
            self.role_ids.push(role.clone());
            self.role_ids.len() - 1
        });
        RoleKey(index.roles_end() + number(place))
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: fewer than 2^32 rows are in doubt")
}

/// A filter names something that no grant has.
struct NoneMatches;

fn selected(index: &TenantIndex, filter: &GrantFilter) -> Result<Selected, NoneMatches> {
    let GrantFilter { subject, role, scope } = filter;
    Ok(Selected {
        subject: key_of(subject.as_ref(), |subject| index.subject(subject))?,
        role: key_of(role.as_ref(), |role| index.role_key(role))?,
        scope: key_of(scope.as_ref(), |scope| index.object(scope))?,
    })
}

/// The key of a part of a filter, if the part is given.
fn key_of<T, K>(part: Option<&T>, key: impl Fn(&T) -> Option<K>) -> Result<Option<K>, NoneMatches> {
    part.map(|given| key(given).ok_or(NoneMatches)).transpose()
}

impl Selected {
    fn matches(&self, row: &GrantRow) -> bool {
        self.subject.is_none_or(|subject| subject == row.subject)
            && self.scope.is_none_or(|scope| scope == row.scope)
            && self.role.is_none_or(|role| role == row.role)
    }
}

impl TenantIndex {
    /// This tenant with what is in doubt laid over it.
    pub fn doubted_by<'a>(&'a self, doubts: &'a TenantDoubts) -> Doubted<'a> {
        Doubted { index: self, doubts }
    }
}

/// A tenant, and what is in doubt in it.
#[derive(Clone, Copy, Debug)]
pub struct Doubted<'a> {
    index: &'a TenantIndex,
    doubts: &'a TenantDoubts,
}

impl Doubted<'_> {
    /// How certain a relationship of the index is.
    fn certainty(&self, subject: NodeKey, userset: NodeKey) -> Bounds {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.edges.contains(&(subject, userset))
            || !removed.relationships.is_empty() && {
                let relationship = self.relationship(subject, userset);
                removed.relationships.iter().any(|filter| filter.matches(&relationship))
            };
        if in_doubt { Bounds::MAYBE } else { Bounds::YES }
    }

    /// Whether a relationship holds always already, so that adding it adds nothing.
    fn is_known(&self, userset: NodeKey, subject: NodeKey) -> bool {
        self.index.between(userset, subject).any(|edge| edge.qualifier.is_none())
    }

    fn added_object(&self, name: &str) -> Option<ObjectKey> {
        let place = self.doubts.added.objects.place(name)?;
        Some(ObjectKey(self.index.objects_end() + place))
    }

    fn relationship(&self, subject: NodeKey, userset: NodeKey) -> Relationship {
        let text = format!("{}@{}", self.name(userset), self.name(subject));
        text.parse().expect("INVARIANT: an edge is a relationship")
    }

    fn row(&self, row: GrantRow) -> GrantRow {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.grants.contains(&row.handle)
            || removed.filters.iter().any(|filter| filter.matches(&row));
        GrantRow { certainty: if in_doubt { Bounds::MAYBE } else { row.certainty }, ..row }
    }

    /// What may be added to the far ends, between `first` and `last`, of a node.
    fn added(
        edges: &BTreeSet<(NodeKey, NodeKey)>,
        node: NodeKey,
        [first, last]: [NodeKey; 2],
    ) -> impl Iterator<Item = Edge> {
        let others = edges.range((node, first)..=(node, last));
        // What it will hold under makes it less certain at most.
        others.map(|(_, other)| Edge { node: *other, certainty: Bounds::MAYBE, qualifier: None })
    }

    /// Whether what a role holds may change: it, or one that it inherits, is in doubt.
    fn is_role_in_doubt(&self, role: RoleKey) -> bool {
        let doubts = self.doubts;
        if doubts.whole {
            return true;
        }
        if doubts.roles.is_empty() {
            return false;
        }
        let mut family = vec![self.role_id(role)];
        let mut position = 0;
        while let Some(role) = family.get(position) {
            if doubts.roles.contains(role) {
                return true;
            }
            let inherits = self.index.role(role).map(|role| role.inherits.clone()).unwrap_or_default();
            for inherited in inherits {
                if !family.contains(&inherited) {
                    family.push(inherited);
                }
            }
            position += 1;
        }
        false
    }

    fn held(&self, role: RoleKey, known: impl FnOnce() -> Bounds) -> Bounds {
        if self.is_role_in_doubt(role) {
            return Bounds::MAYBE;
        }
        // A role that does not exist and is not about to be made holds nothing.
        if role.0 >= self.index.roles_end() { Bounds::NO } else { known() }
    }
}

impl Snapshot for Doubted<'_> {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.index.object(object).or_else(|| self.added_object(&object.to_string()))
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.index.wildcard(object_type).or_else(|| self.added_object(&format!("{object_type}:*")))
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        self.index.relation(relation).or_else(|| {
            let place = self.doubts.added.relations.place(relation)?;
            Some(RelationKey(self.index.relations_end() + place))
        })
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        match object.0.checked_sub(self.index.objects_end()) {
            None => self.index.type_of(object),
            Some(place) => self.doubts.added.types_of[place as usize],
        }
    }

    fn program(&self) -> Option<&Program> {
        self.index.program()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let known = self.index.usersets_of(subject, relation);
        let known = known.map(move |edge| Edge { certainty: self.certainty(subject, edge.node), ..edge });
        let added = Self::added(&self.doubts.added.up, subject, NodeKey::all_of(relation));
        known.chain(added.filter(move |edge| !self.is_known(edge.node, subject)))
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.index.subjects_of(userset);
        let known = known.map(move |edge| Edge { certainty: self.certainty(edge.node, userset), ..edge });
        let added = Self::added(&self.doubts.added.down, userset, [NodeKey::FIRST, NodeKey::LAST]);
        known.chain(added.filter(move |edge| !self.is_known(userset, edge.node)))
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.index.between(userset, subject);
        let known = known.map(move |edge| Edge { certainty: self.certainty(subject, userset), ..edge });
        let added = Self::added(&self.doubts.added.down, userset, [subject, subject]);
        known.chain(added.filter(move |edge| !self.is_known(userset, edge.node)))
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        self.index.qualifier(qualifier)
    }

    fn has_grants(&self) -> bool {
        self.index.has_grants() || !self.doubts.added.grants.is_empty()
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        let added = self.doubts.added.grants.iter().filter(move |row| row.scope == scope).copied();
        self.index.grants_on(scope).map(|row| self.row(row)).chain(added)
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
        self.index.grants_on_count(scope) + self.doubts.added.grants.iter().filter(|row| row.scope == scope).count()
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        let added = self.doubts.added.grants.iter().filter(move |row| row.subject == subject).copied();
        self.index.grants_of(subject).map(|row| self.row(row)).chain(added)
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        let added = self.doubts.added.grants.iter().filter(|row| row.subject == subject).count();
        self.index.grants_of_count(subject) + added
    }

    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)> {
        let added = self.doubts.added.grants.iter().map(|row| row.subject);
        let added = added.filter(|subject| subject.relation != RelationKey::NONE);
        let added = added.map(|subject| (self.type_of(subject.object), subject.relation));
        let all: BTreeSet<_> = self.index.granted_usersets().into_iter().chain(added).collect();
        all.into_iter().collect()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.held(role, || self.index.holds(role, object_type, permission))
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.held(role, || self.index.holds_all(role, object_type))
    }

    fn names_all(&self, object_type: &TypeName) -> bool {
        self.index.names_all(object_type)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.index.named_permissions(object_type)
    }

    fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        match relation.0.checked_sub(self.index.relations_end()) {
            None => self.index.relation_name(relation),
            Some(place) => Arc::clone(&self.doubts.added.relations.names[place as usize]),
        }
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        let object = match node.object.0.checked_sub(self.index.objects_end()) {
            None => self.index.name(NodeKey::object(node.object)),
            Some(place) => Arc::clone(&self.doubts.added.objects.names[place as usize]),
        };
        if node.relation == RelationKey::NONE {
            return object;
        }
        Arc::from(format!("{object}#{}", self.relation_name(node.relation)))
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        match grant.0.checked_sub(self.index.grants_end()) {
            None => self.index.grant_id(grant),
            Some(place) => self.doubts.added.ids[place as usize].clone(),
        }
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        match role.0.checked_sub(self.index.roles_end()) {
            None => self.index.role_id(role),
            Some(place) => self.doubts.added.role_ids[place as usize].clone(),
        }
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.index.role(role)
    }
}
