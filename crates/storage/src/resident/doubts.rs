//! What is in doubt: rows that entries which are not visible yet may add or remove.
//!
//! It is made once for a tenant and the entries behind a version, and laid over that version by [`TenantIndex::doubted_by`]. What may
//! be removed counts in the upper bound only, and so does what may be added: whichever of the entries are shown, and
//! whatever they turn out to do, the answer lies between the bounds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use portcullis_eval::{Bounds, Edge, GrantHandle, GrantRow, NodeKey, RoleKey, Snapshot};
use portcullis_machine::{Footprint, Touch};
use portcullis_model::{
    GrantFilter, GrantId, Object, PermissionName, Relationship, RelationshipFilter, Role, RoleId, Subject, TenantId,
    TypeName,
};

use super::Resident;
use super::tenant::{TenantIndex, ends, is_parent};

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
    roles: BTreeSet<RoleId>,
    removed: Removed,
    added: Added,
}

#[derive(Debug, Default)]
struct Removed {
    /// Edges, from below upwards.
    edges: BTreeSet<(NodeKey, NodeKey)>,
    relationships: Vec<RelationshipFilter>,
    grants: BTreeSet<GrantHandle>,
    filters: Vec<Selected>,
}

/// A filter of grants, by keys.
#[derive(Debug)]
struct Selected {
    subject: Option<NodeKey>,
    role: Option<RoleKey>,
    scope: Option<NodeKey>,
}

/// What may be added. Names that the index does not know have keys behind its own.
#[derive(Debug, Default)]
struct Added {
    names: Vec<Arc<str>>,
    /// Where each of `names` stands: a bulk load adds thousands at a time.
    places: HashMap<Arc<str>, u32, FixedState>,
    ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    usersets: BTreeSet<(NodeKey, NodeKey)>,
    parents: BTreeSet<(NodeKey, NodeKey)>,
    grants: Vec<GrantRow>,
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
            Touch::Role(_, role) => drop(self.roles.insert(role.clone())),
            Touch::Grant(_, id) | Touch::WholeGrant { id, .. } => self.removed.grants.extend(index.handle_of(id)),
            Touch::Grants(_, filter) => self.removed.filters.extend(selected(index, filter)),
            Touch::Relationship(_, relationship) => {
                let (from, to) = ends(relationship);
                self.removed.edges.extend(index.key(&from).zip(index.key(&to)));
            }
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
            Touch::Role(_, role) => drop(self.roles.insert(role.clone())),
            Touch::WholeGrant { id, subject, role, scope, .. } => {
                let handle = GrantHandle(index.grants_end() + number(self.added.ids.len()));
                self.added.ids.push(id.clone());
                let row = GrantRow {
                    handle,
                    subject: self.added.key(index, &subject.to_string()),
                    scope: self.added.key(index, &scope.to_string()),
                    role: self.added.role(index, role),
                    end: None,
                    certainty: Bounds::MAYBE,
                };
                self.added.grants.push(row);
            }
            Touch::Relationship(_, relationship) => {
                let (from, to) = ends(relationship);
                let edge = (self.added.key(index, &from), self.added.key(index, &to));
                let edges = if is_parent(relationship) { &mut self.added.parents } else { &mut self.added.usersets };
                edges.insert(edge);
            }
        }
    }
}

impl Added {
    fn key(&mut self, index: &TenantIndex, name: &str) -> NodeKey {
        if let Some(key) = index.key(name) {
            return key;
        }
        let place = self.place(name).unwrap_or_else(|| {
            let (name, place) = (Arc::<str>::from(name), number(self.names.len()));
            self.names.push(Arc::clone(&name));
            self.places.insert(name, place);
            place
        });
        NodeKey(index.names_end() + place)
    }

    fn place(&self, name: &str) -> Option<u32> {
        self.places.get(name).copied()
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

/// A filter by keys; `None` where it names something that no grant has.
fn selected(index: &TenantIndex, filter: &GrantFilter) -> Option<Selected> {
    let node = |name: Option<String>| match name {
        Some(name) => index.key(&name).map(Some),
        None => Some(None),
    };
    Some(Selected {
        subject: node(filter.subject.as_ref().map(ToString::to_string))?,
        scope: node(filter.scope.as_ref().map(ToString::to_string))?,
        role: match &filter.role {
            Some(role) => Some(index.role_key(role)?),
            None => None,
        },
    })
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
    fn edge(&self, from: NodeKey, to: NodeKey, is_parent: bool) -> Edge {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.edges.contains(&(from, to))
            || !removed.relationships.is_empty() && {
                let relationship = self.relationship(from, to, is_parent);
                removed.relationships.iter().any(|filter| filter.matches(&relationship))
            };
        Edge { node: to, certainty: if in_doubt { Bounds::MAYBE } else { Bounds::YES } }
    }

    fn relationship(&self, from: NodeKey, to: NodeKey, is_parent: bool) -> Relationship {
        let (from, to) = (self.name(from), self.name(to));
        let text = if is_parent { format!("{from}#parent@{to}") } else { format!("{to}@{from}") };
        text.parse().expect("INVARIANT: an edge is a relationship")
    }

    fn row(&self, row: GrantRow) -> GrantRow {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.grants.contains(&row.handle)
            || removed.filters.iter().any(|filter| filter.matches(&row));
        GrantRow { certainty: if in_doubt { Bounds::MAYBE } else { row.certainty }, ..row }
    }

    fn added(edges: &BTreeSet<(NodeKey, NodeKey)>, from: NodeKey) -> impl Iterator<Item = NodeKey> {
        edges.range((from, NodeKey(0))..=(from, NodeKey(u32::MAX))).map(|(_, to)| *to)
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
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        self.key(&subject.to_string())
    }

    fn object(&self, object: &Object) -> Option<NodeKey> {
        self.key(&object.to_string())
    }

    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.index.usersets_of(subject).map(move |edge| self.edge(subject, edge.node, false));
        let added = Self::added(&self.doubts.added.usersets, subject);
        let added = added.filter(move |to| self.index.usersets_of(subject).all(|edge| edge.node != *to));
        known.chain(added.map(|node| Edge { node, certainty: Bounds::MAYBE }))
    }

    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.index.parents_of(object).map(move |edge| self.edge(object, edge.node, true));
        let added = Self::added(&self.doubts.added.parents, object);
        let added = added.filter(move |to| self.index.parents_of(object).all(|edge| edge.node != *to));
        known.chain(added.map(|node| Edge { node, certainty: Bounds::MAYBE }))
    }

    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow> {
        let added = self.doubts.added.grants.iter().filter(move |row| row.scope == scope).copied();
        self.index.grants_on(scope).map(|row| self.row(row)).chain(added)
    }

    fn grants_on_count(&self, scope: NodeKey) -> usize {
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

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.held(role, || self.index.holds(role, object_type, permission))
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.held(role, || self.index.holds_all(role, object_type))
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.index.named_permissions(object_type)
    }

    fn name(&self, key: NodeKey) -> Arc<str> {
        match key.0.checked_sub(self.index.names_end()) {
            None => self.index.name(key),
            Some(place) => Arc::clone(&self.doubts.added.names[place as usize]),
        }
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

impl Doubted<'_> {
    fn key(&self, name: &str) -> Option<NodeKey> {
        self.index.key(name).or_else(|| {
            let place = self.doubts.added.place(name)?;
            Some(NodeKey(self.index.names_end() + place))
        })
    }
}
