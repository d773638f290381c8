//! Lists and single records.

use portcullis_lease::Configuration;
use portcullis_machine::StoredSchema;
use portcullis_model::{
    Grant, GrantFilter, GrantId, Relationship, Revision, Role, RoleId, Tenant, TenantId, Tuple, TupleFilter,
};
use portcullis_storage::state::{Page, Past, place};
use tokio::time::Instant;

use crate::node::Node;
use crate::view::{Freshness, ViewError};

/// What lists and records are read from.
pub struct Source {
    revision: Revision,
    /// The state as it was, where that was asked for; otherwise they are read from the newest rows.
    past: Option<Past>,
}

/// Something read from the store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// What was read. It includes everything up to `revision`, and may include what came while it was read, unless exactly
    /// that revision was asked for.
    pub found: T,
    /// Where.
    pub revision: Revision,
}

impl Source {
    /// Where it reads.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    fn listed<T>(&self, found: T) -> Listed<T> {
        Listed { found, revision: self.revision }
    }
}

/// Lists are read from the store after [`Node::source`] has waited for it to be as fresh as was asked for.
impl Node {
    /// Waits for what a list or a record may be read from.
    pub async fn source(&self, freshness: Freshness, deadline: Instant) -> Result<Source, ViewError> {
        let served = match freshness {
            Freshness::Exactly(token) => {
                let past = Some(self.past(token, deadline).await?);
                return Ok(Source { revision: token.revision, past });
            }
            Freshness::ExactlyAt(time) => {
                let token = self.token_at(time, deadline).await?;
                let past = Some(self.past(token, deadline).await?);
                return Ok(Source { revision: token.revision, past });
            }
            Freshness::Linearizable | Freshness::FailClosed => self.prove_fresh(deadline).await?,
            Freshness::AtLeast(token) => self.at_least(token, deadline).await?,
            Freshness::MinimizeLatency => self.whatever_there_is(),
        };
        Ok(Source { revision: served.view.revision, past: None })
    }

    /// A role.
    pub fn role(&self, source: &Source, tenant: &TenantId, role: &RoleId) -> Result<Listed<Option<Role>>, ViewError> {
        let found = match &source.past {
            Some(past) => past.role(tenant, role)?,
            None => self.reader.role(tenant, role).map_err(|error| ViewError::failed(&error))?,
        };
        Ok(source.listed(found))
    }

    /// A grant.
    pub fn grant(
        &self,
        source: &Source,
        tenant: &TenantId,
        grant: &GrantId,
    ) -> Result<Listed<Option<Grant>>, ViewError> {
        let found = match &source.past {
            Some(past) => past.grant(tenant, grant)?,
            None => self.reader.grant(tenant, grant).map_err(|error| ViewError::failed(&error))?,
        };
        Ok(source.listed(found))
    }

    /// How leases are granted, and to whom. As of now, whatever was asked for.
    pub fn lease_configuration(&self, source: &Source) -> Result<Listed<Configuration>, ViewError> {
        let found = self.reader.leases().map_err(|error| ViewError::failed(&error))?;
        Ok(source.listed(found))
    }

    /// Tenants. As of now, whatever was asked for: one that is gone has left nothing.
    pub fn tenants(
        &self,
        source: &Source,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Tenant>>, ViewError> {
        let found = self.reader.tenants(after, most).map_err(|error| ViewError::failed(&error))?;
        Ok(source.listed(found))
    }

    /// Roles.
    pub fn roles(
        &self,
        source: &Source,
        tenant: &TenantId,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Role>>, ViewError> {
        let found = match &source.past {
            Some(past) => past.roles(tenant, after, most)?,
            None => self.reader.roles(tenant, after, most).map_err(|error| ViewError::failed(&error))?,
        };
        Ok(source.listed(found))
    }

    /// Grants that match.
    pub fn grants(
        &self,
        source: &Source,
        tenant: &TenantId,
        (filter, live_only): (&GrantFilter, bool),
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Grant>>, ViewError> {
        let found = if let Some(past) = &source.past {
            past.grants(tenant, filter, live_only, after, most)?
        } else {
            let found = self.reader.grants(tenant, filter, live_only, after, most);
            found.map_err(|error| ViewError::failed(&error))?
        };
        Ok(source.listed(found))
    }

    /// The schema of a tenant, if it has one.
    pub fn schema(&self, source: &Source, tenant: &TenantId) -> Result<Listed<Option<StoredSchema>>, ViewError> {
        let found = match &source.past {
            Some(past) => past.schema(tenant)?,
            None => self.reader.schema(tenant).map_err(|error| ViewError::failed(&error))?,
        };
        Ok(source.listed(found))
    }

    /// From where a page of relationships begins that follows one.
    pub fn behind(relationship: &Relationship) -> Vec<u8> {
        place(relationship).into_bytes()
    }

    /// Relationships that match, with what they hold under.
    pub fn relationships(
        &self,
        source: &Source,
        tenant: &TenantId,
        filter: &TupleFilter,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Tuple>>, ViewError> {
        let found = if let Some(past) = &source.past {
            past.relationships(tenant, filter, after, most)?
        } else {
            let found = self.reader.relationships(tenant, filter, after, most);
            found.map_err(|error| ViewError::failed(&error))?
        };
        Ok(source.listed(found))
    }
}
