//! Roles, with what they inherit flattened into them.
//!
//! INVARIANT: `held` of a role that exists is the union of what it and all roles that it inherits name, however far
//! away. Roles may be put in any order: one that arrives after its heirs is flattened into them when it does.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_eval::{Bounds, RoleKey};
use portcullis_model::{Permission, PermissionName, PermissionPattern, Role, RoleId, TypeName};

use super::Map;

/// The roles of a tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    /// Ids are interned: a role's key is its place here. An id stays once it was mentioned.
    ids: imbl::Vector<RoleId>,
    keys: Map<RoleId, RoleKey>,
    written: Map<RoleId, Arc<Role>>,
    /// What each role holds, by itself and by inheritance.
    held: Map<RoleKey, Arc<BTreeSet<PermissionPattern>>>,
    /// The roles that inherit a role directly.
    heirs: Map<RoleId, BTreeSet<RoleId>>,
}

impl Roles {
    pub(super) fn put(&mut self, role: &Role) {
        self.disinherit(&role.id);
        for inherited in &role.inherits {
            self.heirs.entry(inherited.clone()).or_default().insert(role.id.clone());
        }
        self.written.insert(role.id.clone(), Arc::new(role.clone()));
        self.flatten_with_heirs(&role.id);
    }

    /// A role that others inherit is never deleted: the machine refuses.
    pub(super) fn delete(&mut self, role: &RoleId) {
        self.disinherit(role);
        self.written.remove(role);
        if let Some(key) = self.keys.get(role) {
            self.held.remove(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    pub(super) fn intern(&mut self, role: &RoleId) -> RoleKey {
        if let Some(key) = self.keys.get(role) {
            return *key;
        }
        let key = RoleKey(u32::try_from(self.ids.len()).expect("INVARIANT: fewer than 2^32 roles in a tenant"));
        self.ids.push_back(role.clone());
        self.keys.insert(role.clone(), key);
        key
    }

    /// The first key that stands for no role.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.ids.len()).expect("INVARIANT: fewer than 2^32 roles in a tenant")
    }

    pub(super) fn key(&self, role: &RoleId) -> Option<RoleKey> {
        self.keys.get(role).copied()
    }

    pub(super) fn id(&self, role: RoleKey) -> &RoleId {
        &self.ids[role.0 as usize]
    }

    pub(super) fn get(&self, role: &RoleId) -> Option<&Arc<Role>> {
        self.written.get(role)
    }

    pub(super) fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        let one = Permission { object_type: object_type.clone(), name: permission.clone() };
        self.contains(role, &PermissionPattern::One(one)).or(self.holds_all(role, object_type))
    }

    pub(super) fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.contains(role, &PermissionPattern::All(object_type.clone()))
    }

    pub(super) fn names_all(&self, object_type: &TypeName) -> bool {
        let all = PermissionPattern::All(object_type.clone());
        self.written.values().any(|role| role.permissions.contains(&all))
    }

    pub(super) fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        let patterns = self.written.values().flat_map(|role| &role.permissions);
        let named = patterns.filter_map(|pattern| match pattern {
            PermissionPattern::One(one) if one.object_type == *object_type => Some(one.name.clone()),
            PermissionPattern::One(_) | PermissionPattern::All(_) => None,
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn contains(&self, role: RoleKey, pattern: &PermissionPattern) -> Bounds {
        let is_held = self.held.get(&role).is_some_and(|held| held.contains(pattern));
        if is_held { Bounds::YES } else { Bounds::NO }
    }

    /// Takes a role out of the heirs of those that it inherits.
    fn disinherit(&mut self, role: &RoleId) {
        let Some(old) = self.written.get(role).cloned() else { return };
        for inherited in &old.inherits {
            let heirs = self.heirs.get_mut(inherited).expect("INVARIANT: a role is an heir of what it inherits");
            heirs.remove(role);
            if heirs.is_empty() {
                self.heirs.remove(inherited);
            }
        }
    }

    /// Flattens a role again, and every role that inherits it, however far away.
    fn flatten_with_heirs(&mut self, changed: &RoleId) {
        let heirs = closure(changed, |role| self.heirs.get(role).into_iter().flatten());
        for role in heirs {
            let family = closure(&role, |role| self.written.get(role).into_iter().flat_map(|role| &role.inherits));
            let named = family.iter().filter_map(|role| self.written.get(role)).flat_map(|role| &role.permissions);
            let held: BTreeSet<PermissionPattern> = named.cloned().collect();
            let key = self.intern(&role);
            self.held.insert(key, Arc::new(held));
        }
    }
}

/// A role and all that `next` leads to from it, each once.
fn closure<'a, I: Iterator<Item = &'a RoleId>>(start: &RoleId, next: impl Fn(&RoleId) -> I) -> BTreeSet<RoleId> {
    let (mut reached, mut waiting) = (BTreeSet::from([start.clone()]), vec![start.clone()]);
    while let Some(role) = waiting.pop() {
        for role in next(&role) {
            if reached.insert(role.clone()) {
                waiting.push(role.clone());
            }
        }
    }
    reached
}
