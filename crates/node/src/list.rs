//! Lists and single records.

use portcullis_lease::Configuration;
use portcullis_machine::StoredSchema;
use portcullis_model::{
    Grant, GrantFilter, GrantId, Relationship, Revision, Role, RoleId, Tenant, TenantId, Token, Tuple, TupleFilter,
};
use portcullis_storage::state::{Page, Past, PastError, Present, StoreError, place};
use tokio::time::Instant;

use crate::node::Node;
use crate::view::{Freshness, ViewError};

/// What lists and records are read from: rows of one moment.
pub struct Source {
    revision: Revision,
    rows: Rows,
}

enum Rows {
    Past(Past),
    Present(Present),
}

/// Something read from the store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// What was read: everything up to `revision`, and nothing later.
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

    /// Reads from whichever rows there are.
    fn read<T>(
        &self,
        past: impl FnOnce(&Past) -> Result<T, PastError>,
        present: impl FnOnce(&Present) -> Result<T, StoreError>,
    ) -> Result<Listed<T>, ViewError> {
        let found = match &self.rows {
            Rows::Past(rows) => past(rows)?,
            Rows::Present(rows) => present(rows).map_err(|error| ViewError::failed(&error))?,
        };
        Ok(self.listed(found))
    }
}

/// Lists are read from the store after [`Node::source`] has waited for it to be as fresh as was asked for.
impl Node {
    /// Waits for what a list or a record may be read from.
    pub async fn source(&self, freshness: Freshness, deadline: Instant) -> Result<Source, ViewError> {
        match freshness {
            Freshness::Exactly(token) => return self.source_of_past(token, deadline).await,
            Freshness::ExactlyAt(time) => {
                let token = self.token_at(time, deadline).await?;
                return self.source_of_past(token, deadline).await;
            }
            Freshness::Linearizable | Freshness::FailClosed => {
                self.prove_fresh(deadline).await?;
            }
            Freshness::AtLeast(token) => {
                self.at_least(token, deadline).await?;
            }
            Freshness::MinimizeLatency => {}
        }
        let present = self.reader.present().map_err(|error| ViewError::failed(&error))?;
        Ok(Source { revision: present.revision(), rows: Rows::Present(present) })
    }

    async fn source_of_past(&self, token: Token, deadline: Instant) -> Result<Source, ViewError> {
        Ok(Source { revision: token.revision, rows: Rows::Past(self.past(token, deadline).await?) })
    }

    /// A role.
    pub fn role(&self, source: &Source, tenant: &TenantId, role: &RoleId) -> Result<Listed<Option<Role>>, ViewError> {
        source.read(|past| past.role(tenant, role), |present| present.role(tenant, role))
    }

    /// A grant.
    pub fn grant(
        &self,
        source: &Source,
        tenant: &TenantId,
        grant: &GrantId,
    ) -> Result<Listed<Option<Grant>>, ViewError> {
        source.read(|past| past.grant(tenant, grant), |present| present.grant(tenant, grant))
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
        let tenants = |present: &Present| present.tenants(after, most);
        source.read(|_| self.reader.present().and_then(|present| tenants(&present)).map_err(PastError::from), tenants)
    }

    /// Roles.
    pub fn roles(
        &self,
        source: &Source,
        tenant: &TenantId,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Listed<Page<Role>>, ViewError> {
        source.read(|past| past.roles(tenant, after, most), |present| present.roles(tenant, after, most))
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
        source.read(
            |past| past.grants(tenant, filter, live_only, after, most),
            |present| present.grants(tenant, filter, live_only, after, most),
        )
    }

    /// The schema of a tenant, if it has one.
    pub fn schema(&self, source: &Source, tenant: &TenantId) -> Result<Listed<Option<StoredSchema>>, ViewError> {
        source.read(|past| past.schema(tenant), |present| present.schema(tenant))
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
        source.read(
            |past| past.relationships(tenant, filter, after, most),
            |present| present.relationships(tenant, filter, after, most),
        )
    }
}
