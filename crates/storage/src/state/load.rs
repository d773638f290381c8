//! From rows to what checks read.

use std::collections::BTreeSet;

use portcullis_machine::StoredSchema;
use portcullis_model::{Grant, Role, Tenant, TenantId};

use super::keys::{Family, Keys};
use super::open::Progress;
use super::reads::{RawRow, Reads, StoreError, whole_tuple};
use super::row;
use super::store::compiled;
use crate::resident::Resident;

/// How many rows are loaded between two calls of [`Progress`].
const PROGRESS_ROWS: u64 = 50_000;

/// Rows of tenants, of now or of then.
pub(super) trait Rows {
    /// Why they cannot be had.
    type Error: From<StoreError>;

    /// The keys of the rows.
    fn keys(&self) -> Keys;

    /// The rows of a family of a tenant, in order.
    fn of(&self, tenant: &TenantId, family: Family) -> impl Iterator<Item = Result<RawRow, Self::Error>>;
}

impl Rows for Reads {
    type Error = StoreError;

    fn keys(&self) -> Keys {
        self.keys
    }

    fn of(&self, tenant: &TenantId, family: Family) -> impl Iterator<Item = Result<RawRow, StoreError>> {
        self.rows(&self.keys.of(tenant, family))
    }
}

/// Loads all tenants as they are.
pub(super) fn everything(reads: &Reads, progress: Progress<'_>) -> Result<Resident, StoreError> {
    let mut loader = Loader { rows: reads, resident: Resident::default(), count: 0, progress };
    let tenants: Vec<RawRow> = reads.rows(&reads.keys.global(Family::Tenant)).collect::<Result<_, _>>()?;
    for (key, value) in tenants {
        let tenant: Tenant = decode(&key, &value)?;
        loader.tenant(&tenant.id)?;
    }
    Ok(loader.resident)
}

/// Loads one tenant from rows.
pub(super) fn one<R: Rows>(rows: &R, tenant: &TenantId) -> Result<Resident, R::Error> {
    let mut loader = Loader { rows, resident: Resident::default(), count: 0, progress: &mut |_| {} };
    loader.tenant(tenant)?;
    Ok(loader.resident)
}

struct Loader<'a, R> {
    rows: &'a R,
    resident: Resident,
    count: u64,
    progress: Progress<'a>,
}

impl<R: Rows> Loader<'_, R> {
    fn tenant(&mut self, tenant: &TenantId) -> Result<(), R::Error> {
        self.resident.put_tenant(tenant);
        for row in self.rows.of(tenant, Family::Schema) {
            let (key, value) = row?;
            self.resident.put_schema(tenant, &compiled(&decode::<StoredSchema>(&key, &value)?));
        }
        self.roles(tenant)?;
        for row in self.rows.of(tenant, Family::Grant) {
            let (key, value) = row?;
            let grant: Grant = decode(&key, &value)?;
            if grant.state.is_live() {
                self.resident.put_grant(tenant, &grant);
            }
            self.count();
        }
        let skip = self.rows.keys().of(tenant, Family::Tuple).as_bytes().len();
        for row in self.rows.of(tenant, Family::Tuple) {
            let (key, value) = row?;
            self.resident.put_tuple(tenant, &whole_tuple(&key, skip, &value)?);
            self.count();
        }
        Ok(())
    }

    /// Roles are loaded so that each comes after those that it inherits.
    fn roles(&mut self, tenant: &TenantId) -> Result<(), R::Error> {
        let mut waiting = Vec::new();
        for row in self.rows.of(tenant, Family::Role) {
            let (key, value) = row?;
            let role: Role = decode(&key, &value)?;
            waiting.push(role);
        }
        let mut loaded = BTreeSet::new();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|role| {
                let ready = role.inherits.is_subset(&loaded);
                if ready {
                    self.resident.put_role(tenant, role);
                    loaded.insert(role.id.clone());
                }
                !ready
            });
            assert!(waiting.len() < before, "INVARIANT: role inheritance is acyclic and complete");
            self.count();
        }
        Ok(())
    }

    fn count(&mut self) {
        self.count += 1;
        if self.count.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(self.count);
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    row::decode(value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })
}
