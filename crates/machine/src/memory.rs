//! The state in memory, in plain ordered maps: what tests and simulations run on, and what other implementations of
//! [`State`] are compared with.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_lease::Configuration;
use portcullis_model::{
    ClusterId, Grant, GrantFilter, GrantId, NodeId, Qualifier, Relationship, Revision, Role, RoleId, Tenant, TenantId,
    Timestamp, Trust, Tuple, TupleFilter,
};
use portcullis_schema::{Schema, compile};

use crate::{Change, Effect, MemoryKey, Read, Remembered, RoleUser, State, StoredSchema};

/// The state of a machine, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    active_version: Option<u32>,
    last_stamp: Timestamp,
    cluster: Option<ClusterId>,
    leases: Configuration,
    trust: Trust,
    history_floor: Revision,
    admitted: BTreeSet<NodeId>,
    retired: BTreeSet<NodeId>,
    tenants: BTreeMap<TenantId, Contents>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    tenant: Tenant,
    roles: BTreeMap<RoleId, Role>,
    grants: BTreeMap<GrantId, Grant>,
    relationships: BTreeMap<Relationship, Qualifier>,
    schema: Option<(StoredSchema, Schema)>,
    remembered: BTreeMap<MemoryKey, Remembered>,
    remembered_by_age: BTreeSet<(Revision, MemoryKey)>,
}

impl Memory {
    /// Carries out the effects of a change.
    pub fn carry_out(&mut self, change: &Change) {
        self.last_stamp = change.at;
        for effect in &change.effects {
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: &Effect) {
        match effect {
            Effect::Cluster(cluster) => self.cluster = Some(*cluster),
            Effect::ActiveVersion(version) => self.active_version = Some(*version),
            Effect::Leases(leases) => self.leases = (**leases).clone(),
            Effect::Trust(trust) => self.trust = (**trust).clone(),
            Effect::HistoryFloor(floor) => self.history_floor = *floor,
            Effect::AdmitNode(node) => {
                self.admitted.insert(*node);
            }
            Effect::RetireNode(node) => {
                self.retired.insert(*node);
            }
            Effect::PutTenant(tenant) => {
                self.tenants.insert(tenant.id.clone(), Contents::new(tenant.clone()));
            }
            Effect::DropTenant(tenant) => {
                self.tenants.remove(tenant);
            }
            Effect::PutRole { tenant, role } => {
                self.contents_mut(tenant).roles.insert(role.id.clone(), role.clone());
            }
            Effect::DeleteRole { tenant, role } => {
                self.contents_mut(tenant).roles.remove(role);
            }
            Effect::PutGrant { tenant, grant } => {
                self.contents_mut(tenant).grants.insert(grant.id.clone(), (**grant).clone());
            }
            Effect::PutRelationship { tenant, relationship } => {
                self.contents_mut(tenant).relationships.insert(relationship.clone(), Qualifier::default());
            }
            Effect::DeleteRelationship { tenant, relationship } => {
                self.contents_mut(tenant).relationships.remove(relationship);
            }
            Effect::PutTuple { tenant, tuple } => {
                let Tuple { relationship, qualifier } = (**tuple).clone();
                self.contents_mut(tenant).relationships.insert(relationship, qualifier);
            }
            Effect::PutSchema { tenant, schema } => {
                let compiled = compile(&schema.text).expect("INVARIANT: a schema is stored only if it is sound");
                self.contents_mut(tenant).schema = Some(((**schema).clone(), compiled));
            }
            Effect::Remember { tenant, caller, key, remembered } => {
                let key = MemoryKey { tenant: tenant.clone(), caller: caller.clone(), key: key.clone() };
                self.contents_mut(tenant).remember(key, (**remembered).clone());
            }
            Effect::Forget { tenant, caller, key, revision } => {
                let key = MemoryKey { tenant: tenant.clone(), caller: caller.clone(), key: key.clone() };
                let contents = self.contents_mut(tenant);
                contents.remembered.remove(&key);
                contents.remembered_by_age.remove(&(*revision, key));
            }
        }
    }

    fn contents(&self, tenant: &TenantId) -> Option<&Contents> {
        self.tenants.get(tenant)
    }

    fn contents_mut(&mut self, tenant: &TenantId) -> &mut Contents {
        self.tenants.get_mut(tenant).expect("INVARIANT: effects are for tenants that exist")
    }
}

impl Contents {
    fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            roles: BTreeMap::new(),
            grants: BTreeMap::new(),
            relationships: BTreeMap::new(),
            schema: None,
            remembered: BTreeMap::new(),
            remembered_by_age: BTreeSet::new(),
        }
    }

    fn remember(&mut self, key: MemoryKey, remembered: Remembered) {
        let revision = remembered.revision;
        if let Some(old) = self.remembered.insert(key.clone(), remembered) {
            self.remembered_by_age.remove(&(old.revision, key.clone()));
        }
        self.remembered_by_age.insert((revision, key));
    }
}

impl State for Memory {
    fn active_version(&self) -> Read<u32> {
        Ok(self.active_version.unwrap_or(1))
    }

    fn last_stamp(&self) -> Read<Timestamp> {
        Ok(self.last_stamp)
    }

    fn cluster(&self) -> Read<Option<ClusterId>> {
        Ok(self.cluster)
    }

    fn leases(&self) -> Read<Configuration> {
        Ok(self.leases.clone())
    }

    fn trust(&self) -> Read<Trust> {
        Ok(self.trust.clone())
    }

    fn history_floor(&self) -> Read<Revision> {
        Ok(self.history_floor)
    }

    fn is_admitted(&self, node: NodeId) -> Read<bool> {
        Ok(self.admitted.contains(&node))
    }

    fn is_retired(&self, node: NodeId) -> Read<bool> {
        Ok(self.retired.contains(&node))
    }

    fn tenant(&self, tenant: &TenantId) -> Read<Option<Tenant>> {
        Ok(self.contents(tenant).map(|contents| contents.tenant.clone()))
    }

    fn role(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<Role>> {
        Ok(self.contents(tenant).and_then(|contents| contents.roles.get(role).cloned()))
    }

    fn role_user(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<RoleUser>> {
        let Some(contents) = self.contents(tenant) else {
            return Ok(None);
        };
        let mut live = contents.grants.values().filter(|grant| grant.state.is_live());
        if let Some(grant) = live.find(|grant| grant.role == *role) {
            return Ok(Some(RoleUser::Grant(grant.id.clone())));
        }
        Ok(self.role_heirs(tenant, role)?.into_iter().next().map(RoleUser::Role))
    }

    fn role_heirs(&self, tenant: &TenantId, role: &RoleId) -> Read<Vec<RoleId>> {
        let heirs = self.contents(tenant).into_iter().flat_map(|contents| contents.roles.values());
        Ok(heirs.filter(|heir| heir.inherits.contains(role)).map(|heir| heir.id.clone()).collect())
    }

    fn grant(&self, tenant: &TenantId, grant: &GrantId) -> Read<Option<Grant>> {
        Ok(self.contents(tenant).and_then(|contents| contents.grants.get(grant).cloned()))
    }

    fn live_grants(&self, tenant: &TenantId, filter: &GrantFilter, most: usize) -> Read<Vec<Grant>> {
        let Some(contents) = self.contents(tenant) else {
            return Ok(Vec::new());
        };
        let live = contents.grants.values().filter(|grant| grant.state.is_live());
        Ok(live.filter(|grant| filter.matches(grant)).take(most).cloned().collect())
    }

    fn schema(&self, tenant: &TenantId) -> Read<Option<Schema>> {
        Ok(self.contents(tenant).and_then(|contents| Some(contents.schema.as_ref()?.1.clone())))
    }

    fn qualifier(&self, tenant: &TenantId, relationship: &Relationship) -> Read<Option<Qualifier>> {
        Ok(self.contents(tenant).and_then(|contents| contents.relationships.get(relationship).cloned()))
    }

    fn tuples_where(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        most: usize,
        is_wanted: &dyn Fn(&Tuple) -> bool,
    ) -> Read<Vec<Tuple>> {
        let Some(contents) = self.contents(tenant) else {
            return Ok(Vec::new());
        };
        let selected = contents.relationships.iter().filter(|(relationship, _)| filter.matches(relationship));
        let tuple = |(relationship, qualifier): (&Relationship, &Qualifier)| Tuple {
            relationship: relationship.clone(),
            qualifier: qualifier.clone(),
        };
        Ok(selected.map(tuple).filter(|tuple| is_wanted(tuple)).take(most).collect())
    }

    fn remembered(&self, key: &MemoryKey) -> Read<Option<Remembered>> {
        Ok(self.contents(&key.tenant).and_then(|contents| contents.remembered.get(key).cloned()))
    }

    fn remembered_count(&self, tenant: &TenantId) -> Read<u64> {
        Ok(self.contents(tenant).map_or(0, |contents| contents.remembered.len() as u64))
    }

    fn oldest_remembered(&self, tenant: &TenantId, most: usize) -> Read<Vec<(MemoryKey, Remembered)>> {
        let Some(contents) = self.contents(tenant) else {
            return Ok(Vec::new());
        };
        let oldest = contents.remembered_by_age.iter().take(most);
        Ok(oldest.map(|(_, key)| (key.clone(), contents.remembered[key].clone())).collect())
    }
}
