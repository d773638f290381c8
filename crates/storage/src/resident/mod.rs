//! What checks read, in memory: immutable maps that share their structure from version to version.
//!
//! A clone costs nothing and never changes, so a version that was published can be read while the next is made. It is
//! never written to disk: it is rebuilt from the rows of the state store at start, from which it follows.
//!
//! It holds what decides: roles, active grants and relationships. Grants that have not begun or have ended, and who
//! uses a role, are questions to the rows. So are the relationships of a tenant that was spilled, because there was no
//! room for them.

mod doubts;
mod links;
mod names;
mod places;
mod qualifiers;
mod roles;
mod set;
mod tenant;
mod vector;

use std::sync::Arc;

use foldhash::fast::FixedState;
use imbl::shared_ptr::DefaultSharedPtr;
use portcullis_model::{Grant, Relationship, Role, RoleId, TenantId, Tuple};
use portcullis_schema::Schema;

pub(crate) use doubts::Names;
pub use doubts::{Doubted, Doubts, Numbered, TenantDoubts};
pub use tenant::TenantIndex;

/// A persistent map, hashed alike in every process, so that no order depends on chance.
pub(crate) type Map<K, V> = imbl::GenericHashMap<K, V, FixedState, DefaultSharedPtr>;

/// What checks read of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Resident {
    tenants: Map<TenantId, Arc<TenantIndex>>,
    /// What all of them take.
    bytes: u64,
    /// How many were spilled.
    spilled: usize,
}

impl Resident {
    /// A tenant, if it exists.
    pub fn tenant(&self, tenant: &TenantId) -> Option<&Arc<TenantIndex>> {
        self.tenants.get(tenant)
    }

    /// How many bytes all tenants take. An estimate from counts, not a measurement.
    pub fn bytes_estimate(&self) -> u64 {
        self.bytes
    }

    /// How many tenants have their relationships on disk alone.
    pub fn spilled(&self) -> usize {
        self.spilled
    }

    /// Leaves the relationships of the tenant that takes most memory to the disk, and returns which it was, and what it was;
    /// `None` if no tenant has relationships here.
    pub fn spill_largest(&mut self) -> Option<(TenantId, Arc<TenantIndex>)> {
        let here = self.tenants.iter().filter(|(_, index)| index.relationships() > 0);
        // Of two that take the same, the one that comes first by its name: no order of a map may decide.
        let (tenant, index) = here.max_by(|(a, this), (b, other)| {
            this.bytes_estimate().cmp(&other.bytes_estimate()).then_with(|| b.cmp(a))
        })?;
        let (tenant, before) = (tenant.clone(), Arc::clone(index));
        self.spill(&tenant);
        Some((tenant, before))
    }

    /// Leaves the relationships of a tenant to the disk, for good.
    pub(crate) fn spill(&mut self, tenant: &TenantId) {
        if !self.is_spilled(tenant) {
            self.change(tenant, TenantIndex::spill);
            self.spilled += 1;
        }
    }

    /// Adds a tenant without contents; one that exists keeps its own, as its rows do.
    pub fn put_tenant(&mut self, tenant: &TenantId) {
        self.tenants.entry(tenant.clone()).or_default();
    }

    /// Removes a tenant and its contents.
    pub fn drop_tenant(&mut self, tenant: &TenantId) {
        if let Some(dropped) = self.tenants.remove(tenant) {
            self.bytes -= dropped.bytes_estimate();
            self.spilled -= usize::from(dropped.is_spilled());
        }
    }

    /// Adds a role, or replaces it.
    pub fn put_role(&mut self, tenant: &TenantId, role: &Role) {
        self.change(tenant, |index| index.put_role(role));
    }

    /// Removes a role.
    pub fn delete_role(&mut self, tenant: &TenantId, role: &RoleId) {
        self.change(tenant, |index| index.delete_role(role));
    }

    /// Adds a grant that is active, in place of what it was; removes one in any other state.
    pub fn put_grant(&mut self, tenant: &TenantId, grant: &Grant) {
        self.change(tenant, |index| index.put_grant(grant));
    }

    /// Adds a relationship with what it holds under, in place of what there was of it.
    pub fn put_tuple(&mut self, tenant: &TenantId, tuple: &Tuple) {
        if !self.is_spilled(tenant) {
            self.change(tenant, |index| index.put_tuple(tuple));
        }
    }

    /// Gives a tenant a schema, in place of an earlier one.
    pub fn put_schema(&mut self, tenant: &TenantId, schema: &Schema) {
        self.change(tenant, |index| index.put_schema(schema));
    }

    /// Removes a relationship.
    pub fn delete_relationship(&mut self, tenant: &TenantId, relationship: &Relationship) {
        if !self.is_spilled(tenant) {
            self.change(tenant, |index| index.delete_relationship(relationship));
        }
    }

    fn is_spilled(&self, tenant: &TenantId) -> bool {
        self.spilled > 0 && self.tenant(tenant).is_some_and(|index| index.is_spilled())
    }

    fn change(&mut self, tenant: &TenantId, change: impl FnOnce(&mut TenantIndex)) {
        let index = self.tenants.get_mut(tenant).expect("INVARIANT: effects are for tenants that exist");
        let before = index.bytes_estimate();
        change(Arc::make_mut(index));
        self.bytes = self.bytes + index.bytes_estimate() - before;
    }
}

#[cfg(test)]
mod tests;
