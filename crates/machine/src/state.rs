//! What commands read.

use portcullis_lease::Configuration;
use portcullis_model::{
    ClusterId, Grant, GrantFilter, GrantId, IdempotencyKey, NodeId, Qualifier, Relationship, Revision, Role, RoleId,
    Subject, Tenant, TenantId, Timestamp, Trust, Tuple, TupleFilter,
};
use portcullis_schema::Schema;

use crate::Remembered;

/// The result of reading the state.
pub type Read<T> = Result<T, Unreadable>;

/// The state could not be read: the node's copy is of no use any more, and the node has to stop.
#[derive(Debug, thiserror::Error)]
#[error("the state cannot be read")]
pub struct Unreadable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The name of a remembered outcome: idempotency keys are scoped to tenant and caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryKey {
    /// The world of the command.
    pub tenant: TenantId,
    /// Who called.
    pub caller: Subject,
    /// The caller's name for the call.
    pub key: IdempotencyKey,
}

/// Something that keeps a role from being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleUser {
    /// A live grant of it.
    Grant(GrantId),
    /// A role that inherits it.
    Role(RoleId),
}

/// The state as of the last applied command, as far as commands need to read it.
pub trait State {
    /// The version that gates commands, records and rules; 1 before it was ever raised.
    fn active_version(&self) -> Read<u32>;
    /// The stamp of the last command. Stamps never go back.
    fn last_stamp(&self) -> Read<Timestamp>;
    /// The identity of the cluster, once it is initialised.
    fn cluster(&self) -> Read<Option<ClusterId>>;
    /// How leases are granted, and to whom; the default before it was ever configured.
    fn leases(&self) -> Read<Configuration>;
    /// Who signs certificates of nodes, and who may become one.
    fn trust(&self) -> Read<Trust>;
    /// The oldest revision that can still be read; 0 before history was ever compacted.
    fn history_floor(&self) -> Read<Revision>;
    /// Whether a node was let in under this id.
    fn is_admitted(&self, node: NodeId) -> Read<bool>;
    /// Whether a node id was used up.
    fn is_retired(&self, node: NodeId) -> Read<bool>;
    /// A tenant.
    fn tenant(&self, tenant: &TenantId) -> Read<Option<Tenant>>;
    /// Whether a tenant exists.
    fn has_tenant(&self, tenant: &TenantId) -> Read<bool> {
        Ok(self.tenant(tenant)?.is_some())
    }
    /// A role.
    fn role(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<Role>>;
    /// Whether a role exists.
    fn has_role(&self, tenant: &TenantId, role: &RoleId) -> Read<bool> {
        Ok(self.role(tenant, role)?.is_some())
    }
    /// The roles that inherit a role directly.
    fn role_heirs(&self, tenant: &TenantId, role: &RoleId) -> Read<Vec<RoleId>>;
    /// Something that uses a role, if anything does.
    fn role_user(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<RoleUser>>;
    /// A grant, live or not.
    fn grant(&self, tenant: &TenantId, grant: &GrantId) -> Read<Option<Grant>>;
    /// Up to `most` live grants that match, in the order of their ids.
    fn live_grants(&self, tenant: &TenantId, filter: &GrantFilter, most: usize) -> Read<Vec<Grant>>;
    /// The schema of a tenant, if it has one.
    fn schema(&self, tenant: &TenantId) -> Read<Option<Schema>>;
    /// What a relationship holds under, if it is stored.
    fn qualifier(&self, tenant: &TenantId, relationship: &Relationship) -> Read<Option<Qualifier>>;
    /// Whether a relationship is stored.
    fn has_relationship(&self, tenant: &TenantId, relationship: &Relationship) -> Read<bool> {
        Ok(self.qualifier(tenant, relationship)?.is_some())
    }
    /// Up to `most` tuples that match and of which `is_wanted` is true, in their order.
    fn tuples_where(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        most: usize,
        is_wanted: &dyn Fn(&Tuple) -> bool,
    ) -> Read<Vec<Tuple>>;
    /// Up to `most` relationships that match, in their order.
    fn relationships(&self, tenant: &TenantId, filter: &TupleFilter, most: usize) -> Read<Vec<Relationship>> {
        let tuples = self.tuples_where(tenant, filter, most, &|_| true)?;
        Ok(tuples.into_iter().map(|tuple| tuple.relationship).collect())
    }
    /// The outcome remembered under a key.
    fn remembered(&self, key: &MemoryKey) -> Read<Option<Remembered>>;
    /// How many outcomes are remembered for a tenant.
    fn remembered_count(&self, tenant: &TenantId) -> Read<u64>;
    /// The outcomes of a tenant that were remembered first, oldest first, at most `most`.
    fn oldest_remembered(&self, tenant: &TenantId, most: usize) -> Read<Vec<(MemoryKey, Remembered)>>;
}
