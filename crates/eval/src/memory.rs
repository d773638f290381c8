//! A snapshot in plain ordered maps, built from facts: for tests, and to compare other implementations with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::{
    Grant, Object, PermissionName, PermissionPattern, Relationship, Role, RoleId, Subject, TypeName,
};

use crate::snapshot::{GrantRow, NodeKey, Snapshot};

/// One tenant, in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    names: Vec<Arc<str>>,
    keys: BTreeMap<Arc<str>, NodeKey>,
    usersets_of: BTreeMap<NodeKey, BTreeSet<NodeKey>>,
    parents_of: BTreeMap<NodeKey, BTreeSet<NodeKey>>,
    grants: BTreeSet<GrantRow>,
    roles: BTreeMap<RoleId, Role>,
}

impl Memory {
    /// Adds a role.
    pub fn put_role(&mut self, role: Role) {
        self.roles.insert(role.id.clone(), role);
    }

    /// Adds a grant that holds.
    pub fn put_grant(&mut self, grant: &Grant) {
        let row = GrantRow {
            subject: self.intern(&grant.subject.to_string()),
            scope: self.intern(&grant.scope.to_string()),
            role: Arc::new(grant.role.clone()),
            id: grant.id.clone(),
            end: grant.window.end,
        };
        self.grants.insert(row);
    }

    /// Adds a relationship.
    pub fn put_relationship(&mut self, relationship: &Relationship) {
        let Relationship { resource, relation, subject } = relationship;
        let subject = self.intern(&subject.to_string());
        if relation.as_str() == "parent" {
            let child = self.intern(&resource.to_string());
            self.parents_of.entry(child).or_default().insert(subject);
        } else {
            let userset = self.intern(&format!("{resource}#{relation}"));
            self.usersets_of.entry(subject).or_default().insert(userset);
        }
    }

    fn intern(&mut self, name: &str) -> NodeKey {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let key = NodeKey(u32::try_from(self.names.len()).expect("INVARIANT: fewer than 2^32 names"));
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.keys.insert(name, key);
        key
    }

    /// The role and those that it inherits.
    fn family(&self, role: &RoleId) -> Vec<&Role> {
        let mut family: Vec<&Role> = self.roles.get(role).into_iter().collect();
        let mut position = 0;
        while let Some(role) = family.get(position) {
            for inherited in role.inherits.clone() {
                let inherited = self.roles.get(&inherited).filter(|new| !family.iter().any(|known| known.id == new.id));
                family.extend(inherited);
            }
            position += 1;
        }
        family
    }
}

impl Snapshot for Memory {
    fn subject(&self, subject: &Subject) -> Option<NodeKey> {
        self.keys.get(subject.to_string().as_str()).copied()
    }

    fn object(&self, object: &Object) -> Option<NodeKey> {
        self.keys.get(object.to_string().as_str()).copied()
    }

    fn name(&self, key: NodeKey) -> Arc<str> {
        Arc::clone(&self.names[key.0 as usize])
    }

    fn usersets_of(&self, subject: NodeKey) -> impl Iterator<Item = NodeKey> {
        self.usersets_of.get(&subject).into_iter().flatten().copied()
    }

    fn parents_of(&self, object: NodeKey) -> impl Iterator<Item = NodeKey> {
        self.parents_of.get(&object).into_iter().flatten().copied()
    }

    fn grants_on(&self, scope: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.scope == scope).cloned()
    }

    fn grants_on_count(&self, scope: NodeKey) -> usize {
        self.grants_on(scope).count()
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.subject == subject).cloned()
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        self.grants_of(subject).count()
    }

    fn holds(&self, role: &RoleId, object_type: &TypeName, permission: &PermissionName) -> bool {
        let mut patterns = self.family(role).into_iter().flat_map(|role| &role.permissions);
        patterns.any(|pattern| match pattern {
            PermissionPattern::All(all_of) => all_of == object_type,
            PermissionPattern::One(one) => one.object_type == *object_type && one.name == *permission,
        })
    }

    fn holds_all(&self, role: &RoleId, object_type: &TypeName) -> bool {
        let all = PermissionPattern::All(object_type.clone());
        self.family(role).iter().any(|role| role.permissions.contains(&all))
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        let patterns = self.roles.values().flat_map(|role| &role.permissions);
        let named = patterns.filter_map(|pattern| match pattern {
            PermissionPattern::One(one) if one.object_type == *object_type => Some(one.name.clone()),
            PermissionPattern::One(_) | PermissionPattern::All(_) => None,
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
