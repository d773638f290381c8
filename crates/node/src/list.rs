//! Lists and single records.

use portcullis_lease::Configuration;
use portcullis_machine::Read;
use portcullis_model::{
    Grant, GrantFilter, GrantId, Relationship, RelationshipFilter, Revision, Role, RoleId, Tenant, TenantId,
};
use portcullis_storage::state::{Page, StoreError};

use crate::node::Node;
use crate::view::Served;

/// Something read from the store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// What was read. It includes everything up to `revision`, and may include what came while it was read.
    pub found: T,
    /// Where.
    pub revision: Revision,
}

/// Lists are read from the store after [`Node::view`] has served a version; `served` is the proof that it has.
impl Node {
    /// A role.
    pub fn role(&self, served: &Served, tenant: &TenantId, role: &RoleId) -> Read<Listed<Option<Role>>> {
        Ok(Listed { found: self.reader.role(tenant, role)?, revision: served.view.revision })
    }

    /// A grant.
    pub fn grant(&self, served: &Served, tenant: &TenantId, grant: &GrantId) -> Read<Listed<Option<Grant>>> {
        Ok(Listed { found: self.reader.grant(tenant, grant)?, revision: served.view.revision })
    }

    /// How leases are granted, and to whom.
    pub fn lease_configuration(&self, served: &Served) -> Read<Listed<Configuration>> {
        Ok(Listed { found: self.reader.leases()?, revision: served.view.revision })
    }

    /// Tenants.
    pub fn tenants(
        &self,
        served: &Served,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Tenant>>, StoreError> {
        Ok(Listed { found: self.reader.tenants(after, most)?, revision: served.view.revision })
    }

    /// Roles.
    pub fn roles(
        &self,
        served: &Served,
        tenant: &TenantId,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Role>>, StoreError> {
        Ok(Listed { found: self.reader.roles(tenant, after, most)?, revision: served.view.revision })
    }

    /// Grants that match.
    pub fn grants(
        &self,
        served: &Served,
        tenant: &TenantId,
        (filter, live_only): (&GrantFilter, bool),
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Grant>>, StoreError> {
        let found = self.reader.grants(tenant, filter, live_only, after, most)?;
        Ok(Listed { found, revision: served.view.revision })
    }

    /// Relationships that match.
    pub fn relationships(
        &self,
        served: &Served,
        tenant: &TenantId,
        filter: &RelationshipFilter,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Relationship>>, StoreError> {
        let found = self.reader.relationships(tenant, filter, after, most)?;
        Ok(Listed { found, revision: served.view.revision })
    }
}
