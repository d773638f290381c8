//! From effects to rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_machine::{Change, Effect, MemoryKey, Remembered};
use portcullis_model::{Grant, GrantState, Relationship, Revision, Role, TenantId, Timestamp, Tuple};

use super::compaction;
use super::keys::{Family, Key, Keys};
use super::reads::{Ahead, Reads, StoreError, qualifier};
use super::row;
use super::sum::Sum;

/// What is counted and summed for one tenant, so that it can be dropped without a walk over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Totals {
    /// The sum of its rows, as [`Sum::to_bytes`].
    pub(super) sum: [u8; 32],
    /// How many outcomes are remembered for it.
    pub(super) remembered: u64,
}

/// The rows that one change writes, to what is pending.
pub(super) struct Batch<'a> {
    reads: &'a mut Reads,
    keys: Keys,
    revision: Revision,
    totals: BTreeMap<TenantId, Totals>,
    sum: Sum,
}

impl<'a> Batch<'a> {
    pub(super) fn new(reads: &'a mut Reads, revision: Revision, sum: Sum) -> Self {
        Self { keys: reads.keys, reads, revision, totals: BTreeMap::new(), sum }
    }

    /// Writes the rows of a change, its record included.
    pub(super) fn change(&mut self, change: &Change) -> Result<(), StoreError> {
        for effect in &change.effects {
            self.effect(effect)?;
        }
        self.put(None, Family::Cluster, self.keys.global(Family::Cluster).text("stamp"), &change.at.0)?;
        self.put(None, Family::Change, self.keys.change(change.revision), change)
    }

    /// Ends the change: totals and the state hash join the rows.
    pub(super) fn finish(mut self) -> Sum {
        for (tenant, totals) in std::mem::take(&mut self.totals) {
            let key = self.keys.of(&tenant, Family::Totals);
            self.write(key, Some(row::encode(self.revision, &totals)));
        }
        let sum = self.sum.to_bytes();
        self.meta("sum", &sum);
        self.sum
    }

    /// Writes a row that only this copy has.
    pub(super) fn meta<T: serde::Serialize>(&mut self, name: &str, value: &T) {
        let key = self.keys.global(Family::Meta).text(name);
        self.write(key, Some(row::encode(self.revision, value)));
    }

    fn effect(&mut self, effect: &Effect) -> Result<(), StoreError> {
        let keys = self.keys;
        match effect {
            Effect::Cluster(cluster) => {
                self.put(None, Family::Cluster, keys.global(Family::Cluster).text("id"), cluster)
            }
            Effect::ActiveVersion(version) => {
                self.put(None, Family::Cluster, keys.global(Family::Cluster).text("version"), version)
            }
            Effect::Leases(leases) => {
                self.put(None, Family::Cluster, keys.global(Family::Cluster).text("leases"), leases)
            }
            Effect::Trust(trust) => self.put(None, Family::Cluster, keys.global(Family::Cluster).text("trust"), trust),
            Effect::HistoryFloor(floor) => {
                for key in compaction::outdated(self.reads, *floor)? {
                    self.write(key, None);
                }
                self.put(None, Family::Cluster, keys.history_floor(), floor)
            }
            Effect::AdmitNode(node) => self.put(None, Family::AdmittedNode, keys.admitted(*node), &()),
            Effect::RetireNode(node) => self.put(None, Family::RetiredNode, keys.retired(*node), &()),
            Effect::PutTenant(tenant) => {
                // One that exists keeps its own, as its rows do.
                self.totals(&tenant.id)?;
                self.put(None, Family::Tenant, keys.tenant(&tenant.id), tenant)
            }
            Effect::DropTenant(tenant) => self.drop_tenant(tenant),
            Effect::PutRole { tenant, role } => self.put_role(tenant, role),
            Effect::DeleteRole { tenant, role } => {
                if let Some(old) = self.reads.get::<Role>(&keys.role(tenant, role))? {
                    self.heirs(tenant, &old, false);
                }
                self.delete(tenant, Family::Role, keys.role(tenant, role))
            }
            Effect::PutGrant { tenant, grant } => self.put_grant(tenant, grant),
            Effect::PutRelationship { tenant, relationship } => {
                self.write_tuple(tenant, relationship, Some((row::encode(self.revision, &()), None)))
            }
            Effect::PutTuple { tenant, tuple } => self.put_tuple(tenant, tuple),
            Effect::PutSchema { tenant, schema } => self.put(Some(tenant), Family::Schema, keys.schema(tenant), schema),
            Effect::DeleteRelationship { tenant, relationship } => self.write_tuple(tenant, relationship, None),
            Effect::Remember { tenant, caller, key, remembered } => {
                let memory = MemoryKey { tenant: tenant.clone(), caller: caller.clone(), key: key.clone() };
                self.remember(&memory, remembered)
            }
            Effect::Forget { tenant, caller, key, revision } => {
                let memory = MemoryKey { tenant: tenant.clone(), caller: caller.clone(), key: key.clone() };
                self.forget(&memory, *revision)
            }
        }
    }

    fn put_role(&mut self, tenant: &TenantId, role: &Role) -> Result<(), StoreError> {
        let key = self.keys.role(tenant, &role.id);
        if let Some(old) = self.reads.get::<Role>(&key)? {
            self.heirs(tenant, &old, false);
        }
        self.heirs(tenant, role, true);
        self.put(Some(tenant), Family::Role, key, role)
    }

    fn heirs(&mut self, tenant: &TenantId, role: &Role, present: bool) {
        for inherited in &role.inherits {
            self.index(self.keys.role_heirs(tenant, inherited).text(role.id.as_str()), present);
        }
    }

    fn put_grant(&mut self, tenant: &TenantId, grant: &Grant) -> Result<(), StoreError> {
        let keys = self.keys;
        let key = keys.grant(tenant, &grant.id);
        let old_state = self.reads.get::<Grant>(&key)?.map(|old| old.state);
        let (was_live, is_live) = (old_state.as_ref().is_some_and(GrantState::is_live), grant.state.is_live());
        if was_live != is_live {
            let id = grant.id.as_str();
            self.index(keys.grants_by_subject(tenant, &grant.subject).text(id), is_live);
            self.index(keys.grants_by_scope(tenant, &grant.scope).text(id), is_live);
            self.index(keys.grants_by_role(tenant, &grant.role).text(id), is_live);
            if let Some(end) = grant.window.end {
                self.index(keys.due(Family::EndDue, end, tenant, &grant.id), is_live);
            }
        }
        if let Some(start) = grant.window.start {
            let (waited, waits) = (old_state == Some(GrantState::Scheduled), grant.state == GrantState::Scheduled);
            if waited != waits {
                self.index(keys.due(Family::StartDue, start, tenant, &grant.id), waits);
            }
        }
        self.put(Some(tenant), Family::Grant, key, grant)
    }

    fn put_tuple(&mut self, tenant: &TenantId, tuple: &Tuple) -> Result<(), StoreError> {
        let Tuple { relationship, qualifier } = tuple;
        self.write_tuple(tenant, relationship, Some((row::encode(self.revision, qualifier), qualifier.expires)))
    }

    /// Writes a relationship, and when it ends by itself, in place of what was stored of it; or removes it.
    fn write_tuple(
        &mut self,
        tenant: &TenantId,
        relationship: &Relationship,
        new: Option<(Vec<u8>, Option<Timestamp>)>,
    ) -> Result<(), StoreError> {
        let (keys, key) = (self.keys, self.keys.tuple(tenant, relationship));
        let old = self.reads.tuple_row(tenant, relationship, &key)?;
        if let Some(old) = &old
            && let Some(expired) = qualifier(key.as_bytes(), old)?.expires
        {
            self.index(keys.tuple_due(expired, tenant, relationship), false);
        }
        self.index(keys.tuple_by_subject(tenant, relationship), new.is_some());
        let (value, expires) = new.unzip();
        if let Some(expires) = expires.flatten() {
            self.index(keys.tuple_due(expires, tenant, relationship), true);
        }
        self.replace_old(Some(tenant), Family::Tuple, key, old.as_deref(), value)
    }

    fn remember(&mut self, memory: &MemoryKey, remembered: &Remembered) -> Result<(), StoreError> {
        let key = self.keys.remembered(memory);
        match self.reads.get::<Remembered>(&key)? {
            Some(old) => {
                self.ahead().oldest.changes(memory);
                self.index(self.keys.remembered_by_age(memory, old.revision), false);
            }
            None => self.totals(&memory.tenant)?.remembered += 1,
        }
        self.index(self.keys.remembered_by_age(memory, remembered.revision), true);
        self.put(Some(&memory.tenant), Family::Remembered, key, remembered)
    }

    fn forget(&mut self, memory: &MemoryKey, revision: Revision) -> Result<(), StoreError> {
        self.ahead().oldest.changes(memory);
        self.index(self.keys.remembered_by_age(memory, revision), false);
        let totals = self.totals(&memory.tenant)?;
        totals.remembered = totals.remembered.saturating_sub(1);
        self.delete(&memory.tenant, Family::Remembered, self.keys.remembered(memory))
    }

    fn drop_tenant(&mut self, tenant: &TenantId) -> Result<(), StoreError> {
        let dropped = *self.totals(tenant)?;
        self.totals.remove(tenant);
        self.sum = self.sum.minus(Sum::from_bytes(dropped.sum));
        self.ahead().oldest.drop_tenant(tenant);
        // The dues of its grants and relationships stand outside its range.
        for (family, at, grant) in self.reads.dues_of(tenant)? {
            self.index(self.keys.due(family, at, tenant, &grant), false);
        }
        for key in self.reads.tuple_dues_of(tenant)? {
            self.index(key, false);
        }
        let range = Key::tenant(self.keys.group, tenant);
        self.ahead().pending.drop_all(range);
        let key = self.keys.tenant(tenant);
        if let Some(old) = self.reads.raw(&key)? {
            self.sum = self.sum.minus(Sum::of_row(key.as_bytes(), &old));
        }
        self.write(key, None);
        Ok(())
    }

    /// Writes or removes a row that is derived from others.
    fn index(&mut self, key: Key, present: bool) {
        self.write(key, present.then(Vec::new));
    }

    fn put<T: serde::Serialize>(
        &mut self,
        tenant: Option<&TenantId>,
        family: Family,
        key: Key,
        value: &T,
    ) -> Result<(), StoreError> {
        self.replace(tenant, family, key, Some(row::encode(self.revision, value)))
    }

    fn delete(&mut self, tenant: &TenantId, family: Family, key: Key) -> Result<(), StoreError> {
        self.replace(Some(tenant), family, key, None)
    }

    /// Writes a row in place of an old one, which joins the history and leaves the state hash.
    fn replace(
        &mut self,
        tenant: Option<&TenantId>,
        family: Family,
        key: Key,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let old = if family == Family::Change { None } else { self.reads.raw(&key)?.map(Cow::into_owned) };
        self.replace_old(tenant, family, key, old.as_deref(), value)
    }

    /// The same for a row that was read.
    fn replace_old(
        &mut self,
        tenant: Option<&TenantId>,
        family: Family,
        key: Key,
        old: Option<&[u8]>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let mut earlier = None;
        if let (Some(old), Some(tenant), true) = (old, tenant, family.keeps_history()) {
            let created = row::revision(old).map_err(|error| StoreError::damaged(&key, error))?;
            // What this very change wrote was never seen by anybody.
            if created < self.revision {
                earlier = Some((self.keys.history(tenant, &key, created, self.revision), old.to_vec()));
            }
        }
        if family.is_hashed() {
            let gone = old.map(|old| Sum::of_row(key.as_bytes(), old)).unwrap_or_default();
            let new = value.as_ref().map(|new| Sum::of_row(key.as_bytes(), new)).unwrap_or_default();
            self.sum = self.sum.minus(gone).plus(new);
            if let Some(tenant) = tenant {
                let totals = self.totals(tenant)?;
                totals.sum = Sum::from_bytes(totals.sum).minus(gone).plus(new).to_bytes();
            }
        }
        if let Some((key, old)) = earlier {
            self.write(key, Some(old));
        }
        self.write(key, value);
        Ok(())
    }

    fn totals(&mut self, tenant: &TenantId) -> Result<&mut Totals, StoreError> {
        if !self.totals.contains_key(tenant) {
            let stored = self.reads.get::<Totals>(&self.keys.of(tenant, Family::Totals))?;
            self.totals.insert(tenant.clone(), stored.unwrap_or_default());
        }
        Ok(self.totals.get_mut(tenant).expect("INVARIANT: the totals were just inserted"))
    }

    fn write(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.ahead().pending.put(key, value);
    }

    fn ahead(&mut self) -> &mut Ahead {
        self.reads.ahead.as_mut().expect("INVARIANT: only the owner of the store writes")
    }
}
