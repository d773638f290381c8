//! A snapshot in plain ordered maps, built from facts: for tests, and to compare other implementations with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, PermissionPattern, Relationship, Role, RoleId, Subject,
    TypeName,
};

use crate::bounds::Bounds;
use crate::snapshot::{Edge, GrantHandle, GrantRow, NodeKey, RoleKey, Snapshot};

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
#[derive(Clone, Debug, Default)]
pub struct Memory {
    names: Vec<Arc<str>>,
    keys: BTreeMap<Arc<str>, NodeKey>,
    usersets_of: BTreeMap<NodeKey, BTreeMap<NodeKey, Bounds>>,
    parents_of: BTreeMap<NodeKey, BTreeMap<NodeKey, Bounds>>,
    grants: Vec<GrantRow>,
    grant_ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    roles: BTreeMap<RoleId, (Arc<Role>, Bounds)>,
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
            subject: self.intern(&grant.subject.to_string()),
            scope: self.intern(&grant.scope.to_string()),
            role: RoleKey(number(role)),
            end: grant.window.end,
            certainty,
        };
        self.grants.push(row);
        self.grant_ids.push(grant.id.clone());
    }

    fn add_relationship(&mut self, relationship: &Relationship, certainty: Bounds) {
        let Relationship { resource, relation, subject } = relationship;
        let subject = self.intern(&subject.to_string());
        let (edges, from, to) = if relation.as_str() == "parent" {
            let child = self.intern(&resource.to_string());
            (&mut self.parents_of, child, subject)
        } else {
            let userset = self.intern(&format!("{resource}#{relation}"));
            (&mut self.usersets_of, subject, userset)
        };
        let known = edges.entry(from).or_default().entry(to).or_default();
        *known = known.or(certainty);
    }

    fn intern(&mut self, name: &str) -> NodeKey {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let key = NodeKey(number(self.names.len()));
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.keys.insert(name, key);
        key
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
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        self.keys.get(subject.to_string().as_str()).copied()
    }

    fn object(&self, object: &Object) -> Option<NodeKey> {
        self.keys.get(object.to_string().as_str()).copied()
    }

    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = Edge> {
        edges(self.usersets_of.get(&subject))
    }

    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = Edge> {
        edges(self.parents_of.get(&object))
    }

    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.scope == scope).copied()
    }

    fn grants_on_count(&self, scope: NodeKey) -> usize {
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

    fn name(&self, key: NodeKey) -> Arc<str> {
        Arc::clone(&self.names[key.0 as usize])
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
