//! From rows to what checks read.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_machine::StoredSchema;
use portcullis_model::{Grant, Role, Tenant, TenantId};

use super::keys::{Family, Keys};
use super::open::Progress;
use super::reads::{RawRow, Reads, StoreError, whole_tuple};
use super::row;
use super::store::compiled;
use crate::resident::{Resident, TenantIndex};

/// How many rows are loaded between two calls of [`Progress`].
const PROGRESS_ROWS: u64 = 50_000;
/// How many rows are loaded between two looks at what they take.
const ROWS_BETWEEN_LOOKS: u64 = 1_000;

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

/// Loads all tenants as they are. Those that take most are spilled where all of them would take more than `budget` bytes.
pub(super) fn everything(reads: &Reads, budget: u64, progress: Progress<'_>) -> Result<Resident, StoreError> {
    let mut loader = Loader { rows: reads, resident: Resident::default(), budget, count: 0, progress };
    let tenants: Vec<RawRow> = reads.rows(&reads.keys.global(Family::Tenant)).collect::<Result<_, _>>()?;
    for (key, value) in tenants {
        let tenant: Tenant = decode(&key, &value)?;
        loader.tenant(&tenant.id)?;
        keep_to(&mut loader.resident, budget);
    }
    Ok(loader.resident)
}

/// Loads one tenant from rows.
pub(super) fn one<R: Rows>(rows: &R, tenant: &TenantId) -> Result<Resident, R::Error> {
    let mut nobody = |_| {};
    let mut loader = Loader::of_one(rows, &mut nobody);
    loader.tenant(tenant)?;
    Ok(loader.resident)
}

/// The same, but for its relationships.
pub(super) fn spilled<R: Rows>(rows: &R, tenant: &TenantId) -> Result<Resident, R::Error> {
    let mut nobody = |_| {};
    let mut loader = Loader::of_one(rows, &mut nobody);
    loader.all_but_relationships(tenant)?;
    loader.resident.spill(tenant);
    Ok(loader.resident)
}

/// Spills tenants until the others take no more than `budget` bytes; returns what those were that it spilled.
pub(super) fn keep_to(resident: &mut Resident, budget: u64) -> Vec<Arc<TenantIndex>> {
    let mut spilled = Vec::new();
    while resident.bytes_estimate() > budget {
        let Some((tenant, before)) = resident.spill_largest() else { break };
        tracing::warn!(
            %tenant, bytes = before.bytes_estimate(), budget,
            "there is no room in memory for the relationships of a tenant: checks read them from the disk from now on"
        );
        spilled.push(before);
    }
    spilled
}

struct Loader<'a, R> {
    rows: &'a R,
    resident: Resident,
    budget: u64,
    count: u64,
    progress: Progress<'a>,
}

impl<'a, R: Rows> Loader<'a, R> {
    fn of_one(rows: &'a R, progress: Progress<'a>) -> Self {
        Self { rows, resident: Resident::default(), budget: u64::MAX, count: 0, progress }
    }

    fn tenant(&mut self, tenant: &TenantId) -> Result<(), R::Error> {
        self.all_but_relationships(tenant)?;
        let skip = self.rows.keys().of(tenant, Family::Tuple).as_bytes().len();
        for row in self.rows.of(tenant, Family::Tuple) {
            let (key, value) = row?;
            self.resident.put_tuple(tenant, &whole_tuple(&key, skip, &value)?);
            self.count();
            if self.count.is_multiple_of(ROWS_BETWEEN_LOOKS) {
                keep_to(&mut self.resident, self.budget);
                if self.resident.tenant(tenant).is_some_and(|index| index.is_spilled()) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn all_but_relationships(&mut self, tenant: &TenantId) -> Result<(), R::Error> {
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
