//! A snapshot in plain ordered maps, built from facts: for tests, and to compare other implementations with.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, PermissionPattern, RelationName, Relationship, Role, RoleId,
    Subject, TypeName,
};

use crate::bounds::Bounds;
use crate::snapshot::{Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, RelationKey, RoleKey, Snapshot};

/// One thing that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A role exists.
    Role(Role),
    /// A grant was made; only one that is active counts.
    Grant(Box<Grant>),
    /// A relationship is stored.
    Relationship(Relationship),
}

/// One tenant, in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    objects: Names,
    relations: Names,
    usersets_of: BTreeMap<NodeKey, BTreeMap<NodeKey, Bounds>>,
    subjects_of: BTreeMap<NodeKey, BTreeMap<NodeKey, Bounds>>,
    grants: Vec<GrantRow>,
    grant_ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    roles: BTreeMap<RoleId, (Arc<Role>, Bounds)>,
}

/// Names, interned.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<Arc<str>>,
    keys: BTreeMap<Arc<str>, u32>,
}

impl Names {
    fn key(&self, name: &str) -> Option<u32> {
        self.keys.get(name).copied()
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(key) = self.key(name) {
            return key;
        }
        let (name, key): (Arc<str>, _) = (Arc::from(name), number(self.names.len()));
        self.names.push(Arc::clone(&name));
        self.keys.insert(name, key);
        key
    }
}

impl Default for Memory {
    fn default() -> Self {
        let mut relations = Names::default();
        for name in iter::once("").chain(RelationKey::FIXED) {
            relations.intern(name);
        }
        Self {
            objects: Names::default(),
            relations,
            usersets_of: BTreeMap::new(),
            subjects_of: BTreeMap::new(),
            grants: Vec::new(),
            grant_ids: Vec::new(),
            role_ids: Vec::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Adds a fact. Each role and grant is added once.
    pub fn put(&mut self, fact: &Fact) {
        self.add(fact, Bounds::YES);
    }

    /// Adds a fact that may be about to be added, or to be removed.
    pub fn doubt(&mut self, fact: &Fact) {
        self.add(fact, Bounds::MAYBE);
    }

    fn add(&mut self, fact: &Fact, certainty: Bounds) {
        match fact {
            Fact::Role(role) => {
                self.roles.insert(role.id.clone(), (Arc::new(role.clone()), certainty));
            }
            Fact::Grant(grant) if grant.state == GrantState::Active => self.add_grant(grant, certainty),
            Fact::Grant(_) => {}
            Fact::Relationship(relationship) => self.add_relationship(relationship, certainty),
        }
    }

    fn add_grant(&mut self, grant: &Grant, certainty: Bounds) {
        let known = self.role_ids.iter().position(|role| *role == grant.role);
        let role = known.unwrap_or_else(|| {
            self.role_ids.push(grant.role.clone());
            self.role_ids.len() - 1
        });
        let row = GrantRow {
            handle: GrantHandle(number(self.grant_ids.len())),
            subject: self.node(&grant.subject),
            scope: ObjectKey(self.objects.intern(&grant.scope.to_string())),
            role: RoleKey(number(role)),
            end: grant.window.end,
            certainty,
        };
        self.grants.push(row);
        self.grant_ids.push(grant.id.clone());
    }

    fn add_relationship(&mut self, relationship: &Relationship, certainty: Bounds) {
        let Relationship { resource, relation, subject } = relationship;
        let subject = self.node(subject);
        let userset = self.node(&Subject::Userset { object: resource.clone(), relation: relation.clone() });
        for (edges, from, to) in [(&mut self.usersets_of, subject, userset), (&mut self.subjects_of, userset, subject)]
        {
            let known = edges.entry(from).or_default().entry(to).or_default();
            *known = known.or(certainty);
        }
    }

    fn node(&mut self, subject: &Subject) -> NodeKey {
        let (object, relation) = match subject {
            Subject::Userset { object, relation } => {
                (object.to_string(), RelationKey(self.relations.intern(relation.as_str())))
            }
            Subject::Object(_) | Subject::Wildcard(_) => (subject.to_string(), RelationKey::NONE),
        };
        NodeKey { relation, object: ObjectKey(self.objects.intern(&object)) }
    }

    /// Whether a role or one that it inherits names a pattern that matches.
    fn any_pattern(&self, role: RoleKey, matches: impl Fn(&PermissionPattern) -> bool) -> Bounds {
        let among = |is_counted: fn(Bounds) -> bool| {
            let mut family = vec![&self.role_ids[role.0 as usize]];
            let mut position = 0;
            while let Some(role) = family.get(position) {
                if let Some((role, certainty)) = self.roles.get(*role)
                    && is_counted(*certainty)
                {
                    if role.permissions.iter().any(&matches) {
                        return true;
                    }
                    let new: Vec<&RoleId> = role.inherits.iter().filter(|role| !family.contains(role)).collect();
                    family.extend(new);
                }
                position += 1;
            }
            false
        };
        Bounds { lower: among(|certainty| certainty.lower), upper: among(|certainty| certainty.upper) }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: fewer than 2^32 names")
}

fn edges(edges: Option<&BTreeMap<NodeKey, Bounds>>) -> impl Iterator<Item = Edge> {
    edges.into_iter().flatten().map(|(node, certainty)| Edge { node: *node, certainty: *certainty })
}

impl Snapshot for Memory {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.objects.key(&object.to_string()).map(ObjectKey)
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.objects.key(&format!("{object_type}:*")).map(ObjectKey)
    }

    fn relation(&self, relation: &RelationName) -> Option<RelationKey> {
        self.relations.key(relation.as_str()).map(RelationKey)
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        edges(self.usersets_of.get(&subject)).filter(move |edge| edge.node.relation == relation)
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        edges(self.subjects_of.get(&userset))
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.scope == scope).copied()
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
        self.grants_on(scope).count()
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.subject == subject).copied()
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        self.grants_of(subject).count()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.any_pattern(role, |pattern| match pattern {
            PermissionPattern::All(all_of) => all_of == object_type,
            PermissionPattern::One(one) => one.object_type == *object_type && one.name == *permission,
        })
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        let all = PermissionPattern::All(object_type.clone());
        self.any_pattern(role, |pattern| *pattern == all)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        let patterns = self.roles.values().flat_map(|(role, _)| &role.permissions);
        let named = patterns.filter_map(|pattern| match pattern {
            PermissionPattern::One(one) if one.object_type == *object_type => Some(one.name.clone()),
            PermissionPattern::One(_) | PermissionPattern::All(_) => None,
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        let object = &self.objects.names[node.object.0 as usize];
        match node.relation {
            RelationKey::NONE => Arc::clone(object),
            relation => Arc::from(format!("{object}#{}", self.relations.names[relation.0 as usize])),
        }
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        self.grant_ids[grant.0 as usize].clone()
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        self.role_ids[role.0 as usize].clone()
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.roles.get(role).map(|(role, _)| Arc::clone(role))
    }
}
