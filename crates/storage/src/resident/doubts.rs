//! What is in doubt: rows that entries which are not visible yet may add or remove.
//!
//! It is made once for a tenant and the entries behind a version, and laid over that version by [`Numbered::doubted_by`]. What may
//! be removed counts in the upper bound only, and so does what may be added: whichever of the entries are shown, and
//! whatever they turn out to do, the answer lies between the bounds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use portcullis_eval::{Bounds, GrantHandle, GrantRow, NodeKey, ObjectKey, RelationKey, RoleKey, Snapshot, TypeKey};
use portcullis_machine::{Footprint, Touch};
use portcullis_model::{
    GrantFilter, GrantId, Object, RelationName, Relationship, RoleId, Subject, TenantId, TupleFilter, TypeName,
};

use super::Resident;
use super::tenant::TenantIndex;

mod doubted;

pub use doubted::{Doubted, Numbered};

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
    pub(crate) added: Added,
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

/// What may be added. Names that the index does not know have keys behind its own. So have, of a tenant that was
/// spilled, the names of what may be removed: its index knows hardly any.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) objects: Names,
    /// The type of each of `objects`.
    types_of: Vec<TypeKey>,
    pub(crate) types: Names,
    pub(crate) relations: Names,
    ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    /// Relationships, from the subject to the userset and from the userset to the subject.
    up: BTreeSet<(NodeKey, NodeKey)>,
    down: BTreeSet<(NodeKey, NodeKey)>,
    grants: Vec<GrantRow>,
}

#[derive(Debug, Default)]
pub(crate) struct Names {
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
            Touch::Relationship(_, relationship) if index.is_spilled() => {
                self.removed.edges.insert(self.added.ends(index, relationship));
            }
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
                let (subject, userset) = self.added.ends(index, relationship);
                self.added.up.insert((subject, userset));
                self.added.down.insert((userset, subject));
            }
        }
    }
}

impl Names {
    /// The place of a name behind the keys of the index.
    pub(crate) fn place(&self, name: &str) -> Option<u32> {
        self.places.get(name).copied()
    }

    /// The name at a place.
    pub(crate) fn name(&self, place: u32) -> Option<&Arc<str>> {
        self.names.get(place as usize)
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> u32 {
        number(self.names.len())
    }

    /// The place of a name, which is a new one if it has none.
    pub(crate) fn add(&mut self, name: &str) -> u32 {
        self.place(name).unwrap_or_else(|| {
            let (name, place) = (Arc::<str>::from(name), number(self.names.len()));
            self.names.push(Arc::clone(&name));
            self.places.insert(name, place);
            place
        })
    }
}

impl Added {
    /// The type of the object at a place.
    pub(crate) fn type_of(&self, place: u32) -> Option<TypeKey> {
        self.types_of.get(place as usize).copied()
    }

    /// The nodes between which a relationship leads, from the subject up to the userset.
    fn ends(&mut self, index: &TenantIndex, relationship: &Relationship) -> (NodeKey, NodeKey) {
        let Relationship { resource, relation, subject } = relationship;
        let subject = self.node(index, subject);
        let userset = NodeKey { relation: self.relation(index, relation), object: self.object(index, resource) };
        (subject, userset)
    }

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
            let known = index.type_named(object_type.as_str());
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
