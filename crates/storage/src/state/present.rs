//! The newest rows, all of one moment.
//!
//! INVARIANT: what is read and the revision that it is said to be of come from one frozen view of the database. Rows are there
//! a moment before their version is published, so a revision from elsewhere would be too early for some of them.

use std::sync::Arc;

use portcullis_machine::StoredSchema;
use portcullis_model::{Grant, GrantFilter, GrantId, Revision, Role, RoleId, Tenant, TenantId, Tuple, TupleFilter};
use rocksdb::{Direction, IteratorMode, ReadOptions};
use serde::de::DeserializeOwned;

use super::keys::{Family, Key, Keys};
use super::past::decode;
use super::reader::{Page, Reader, page};
use super::reads::{StoreError, whole_tuple};
use super::still::Still;

/// The newest rows, as of one moment. Every method blocks on the disk.
#[derive(Debug)]
pub struct Present {
    still: Still,
    revision: Revision,
}

impl Reader {
    /// The rows of now, and the revision that they are of.
    pub fn present(&self) -> Result<Present, StoreError> {
        let reads = self.reads();
        let still = Still::now(Arc::clone(&reads.db), reads.keys);
        let key = reads.keys.global(Family::Meta).text("applied");
        let applied: Option<(u64, u64)> = still.get(&key)?.map(|row| decode(key.as_bytes(), &row)).transpose()?;
        Ok(Present { still, revision: Revision(applied.map_or(0, |(_, index)| index)) })
    }
}

impl Present {
    /// The last entry that the rows include.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// A role.
    pub fn role(&self, tenant: &TenantId, role: &RoleId) -> Result<Option<Role>, StoreError> {
        self.get(&self.keys().role(tenant, role))
    }

    /// A grant, live or not.
    pub fn grant(&self, tenant: &TenantId, grant: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.get(&self.keys().grant(tenant, grant))
    }

    /// The schema of a tenant, if it has one.
    pub fn schema(&self, tenant: &TenantId) -> Result<Option<StoredSchema>, StoreError> {
        self.get(&self.keys().schema(tenant))
    }

    /// Tenants, in the order of their ids.
    pub fn tenants(&self, after: Option<&[u8]>, most: usize) -> Result<Page<Tenant>, StoreError> {
        self.page(&self.keys().global(Family::Tenant), after, most, |key, row| decode(key, row).map(Some))
    }

    /// Roles of a tenant, in the order of their ids.
    pub fn roles(&self, tenant: &TenantId, after: Option<&[u8]>, most: usize) -> Result<Page<Role>, StoreError> {
        self.page(&self.keys().of(tenant, Family::Role), after, most, |key, row| decode(key, row).map(Some))
    }

    /// Grants of a tenant that match, ended ones too unless `live_only`, in the order of their ids.
    pub fn grants(
        &self,
        tenant: &TenantId,
        filter: &GrantFilter,
        live_only: bool,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<Grant>, StoreError> {
        let wanted = |grant: &Grant| filter.matches(grant) && (!live_only || grant.state.is_live());
        let prefix = self.keys().of(tenant, Family::Grant);
        self.page(&prefix, after, most, |key, row| Ok(Some(decode(key, row)?).filter(wanted)))
    }

    /// Relationships of a tenant that match, with what they hold under, in their order.
    pub fn relationships(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<Tuple>, StoreError> {
        let prefix = self.keys().of(tenant, Family::Tuple);
        let skip = prefix.as_bytes().len();
        self.page(&prefix, after, most, |key, row| {
            let tuple = whole_tuple(key, skip, row)?;
            Ok(Some(tuple).filter(|tuple| filter.matches(&tuple.relationship)))
        })
    }

    fn keys(&self) -> Keys {
        self.still.keys
    }

    fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.still.get(key)?.map(|row| decode(key.as_bytes(), &row)).transpose()
    }

    fn page<T>(
        &self,
        prefix: &Key,
        after: Option<&[u8]>,
        most: usize,
        decode: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let mut first = prefix.as_bytes().to_vec();
        if let Some(after) = after {
            first.extend_from_slice(after);
            first.push(0);
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(prefix.end_of_prefix());
        let rows = self.still.iterate(IteratorMode::From(&first, Direction::Forward), options);
        page(rows.map(|row| Ok(row?)), prefix.as_bytes().len(), most, decode)
    }
}
