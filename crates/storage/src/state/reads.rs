//! Reading the state as commands do: the latest rows.
//!
//! Whoever decides reads what is pending over what RocksDB holds; readers are given RocksDB alone.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_lease::Configuration;
use portcullis_machine::{MemoryKey, Read, Remembered, RoleUser, State, StoredSchema, Unreadable};
use portcullis_model::{
    ClusterId, Grant, GrantFilter, GrantId, NodeId, Qualifier, Relationship, Revision, Role, RoleId, SubjectFilter,
    Tenant, TenantId, Timestamp, Trust, Tuple, TupleFilter,
};
use portcullis_schema::Schema;
use rocksdb::{Direction, IteratorMode, ReadOptions};
use serde::de::DeserializeOwned;

use super::batch::Totals;
use super::folder::Copy;
use super::hot::Hot;
use super::keys::{Family, Key, Keys, texts};
use super::oldest::Oldest;
use super::pending::{Known, Pending, merged};
use super::row;
use super::schemas::Schemas;
use super::store::compiled;
use crate::codec::DecodeError;
use crate::resident::Resident;

/// Why a row could not be read or written. The node has to stop: its copy is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB says so.
    #[error("the state store failed")]
    RocksDb(#[from] rocksdb::Error),
    /// A row does not hold what it should.
    #[error("the row `{}` of the state {}", key.escape_ascii(), remedy(source))]
    Damaged {
        /// The row's key.
        key: Vec<u8>,
        /// What is wrong with its value.
        #[source]
        source: DecodeError,
    },
}

/// What to do about a row that cannot be read.
fn remedy(source: &DecodeError) -> &'static str {
    match source {
        DecodeError::Version { .. } => "was written by a newer version: upgrade this node's binary",
        DecodeError::Empty | DecodeError::Malformed(_) | DecodeError::TooLong(_) => {
            "is damaged: stop the node, wipe its data folder and let it join again under a new node id"
        }
    }
}

impl StoreError {
    pub(super) fn damaged(key: &Key, source: DecodeError) -> Self {
        Self::Damaged { key: key.as_bytes().to_vec(), source }
    }
}

impl From<StoreError> for Unreadable {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

/// The latest rows of a group.
pub(super) struct Reads {
    pub(super) db: Arc<Copy>,
    pub(super) keys: Keys,
    /// What only the owner of the store has.
    pub(super) ahead: Option<Ahead>,
}

/// What its owner knows beyond what RocksDB says.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) pending: Pending,
    /// What checks read, as of the last change, where it is kept up.
    pub(super) resident: Option<Resident>,
    pub(super) hot: Hot,
    pub(super) oldest: Oldest,
    pub(super) schemas: Schemas,
}

impl Ahead {
    /// What a relationship held under before the change at hand.
    fn qualifier_of(&self, tenant: &TenantId, relationship: &Relationship) -> Known<Qualifier> {
        let index = self.resident.as_ref().and_then(|resident| resident.tenant(tenant));
        match index.filter(|index| !index.is_spilled()) {
            None => Known::Unknown,
            Some(index) => index.qualifier_of(relationship).map_or(Known::Absent, Known::Row),
        }
    }
}

/// A key and its value, as RocksDB has them.
pub(super) type RawRow = (Box<[u8]>, Box<[u8]>);

impl Reads {
    /// The rows that RocksDB has.
    pub(super) fn stored(db: Arc<Copy>, keys: Keys) -> Self {
        Self { db, keys, ahead: None }
    }

    /// The same rows, for their owner.
    pub(super) fn owned(&self, resident: Option<Resident>) -> Self {
        let ahead = Ahead { resident, ..Ahead::default() };
        Self { db: Arc::clone(&self.db), keys: self.keys, ahead: Some(ahead) }
    }

    pub(super) fn raw(&self, key: &Key) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let Some(Ahead { pending, hot, .. }) = &self.ahead else {
            return Ok(self.db.get(key.as_bytes())?.map(Cow::Owned));
        };
        match pending.get(key) {
            Known::Row(value) => return Ok(Some(Cow::Borrowed(value))),
            Known::Absent => return Ok(None),
            Known::Unknown => {}
        }
        match hot.get(key) {
            Known::Row(value) => return Ok(Some(Cow::Owned(value))),
            Known::Absent => return Ok(None),
            Known::Unknown => {}
        }
        let value = self.db.get(key.as_bytes())?;
        hot.put(key, value.as_deref());
        Ok(value.map(Cow::Owned))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let raw = self.raw(key)?;
        raw.map(|raw| row::decode(&raw).map_err(|error| StoreError::damaged(key, error))).transpose()
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub(super) fn rows<'a>(&'a self, prefix: &Key) -> impl Iterator<Item = Result<RawRow, StoreError>> + use<'a> {
        self.rows_after(prefix, None)
    }

    /// The rows whose keys begin with `prefix`, from behind the one that ends with `after`.
    pub(super) fn rows_after<'a>(
        &'a self,
        prefix: &Key,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<RawRow, StoreError>> + use<'a> {
        let mut first = prefix.as_bytes().to_vec();
        if let Some(after) = after {
            first.extend_from_slice(after);
            first.push(0);
        }
        let end = prefix.end_of_prefix();
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end.clone());
        let from = IteratorMode::From(&first, Direction::Forward);
        let stored = self.db.iterator_opt(from, options).map(|row| Ok(row?));
        merged(self.ahead.as_ref().map(|ahead| &ahead.pending), stored, &first, &end)
    }

    /// The last text of each key that begins with `prefix`, parsed.
    fn last_texts<T: std::str::FromStr>(&self, prefix: &Key) -> impl Iterator<Item = Result<T, StoreError>> {
        let skip = prefix.as_bytes().len();
        self.rows(prefix).map(move |row| {
            let (key, _) = row?;
            let id = texts(&key, skip).last().and_then(|text| text.parse().ok());
            id.ok_or_else(|| StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty })
        })
    }

    /// The starts and ends of a tenant's grants that are still to come.
    pub(super) fn dues_of(&self, tenant: &TenantId) -> Result<Vec<(Family, Timestamp, GrantId)>, StoreError> {
        let mut dues = Vec::new();
        for id in self.last_texts::<GrantId>(&self.keys.of(tenant, Family::GrantByRole)) {
            let key = self.keys.grant(tenant, &id?);
            let grant: Option<Grant> = self.get(&key)?;
            let grant = grant.ok_or_else(|| StoreError::damaged(&key, DecodeError::Empty))?;
            dues.extend(dues_of(&grant));
        }
        Ok(dues)
    }

    fn grants_where(&self, tenant: &TenantId, filter: &GrantFilter, most: usize) -> Result<Vec<Grant>, StoreError> {
        // The narrowest index that the filter allows; the rest of the filter is checked on each grant.
        let prefix = match filter {
            GrantFilter { subject: Some(subject), .. } => self.keys.grants_by_subject(tenant, subject),
            GrantFilter { scope: Some(scope), .. } => self.keys.grants_by_scope(tenant, scope),
            GrantFilter { role: Some(role), .. } => self.keys.grants_by_role(tenant, role),
            GrantFilter { subject: None, scope: None, role: None } => self.keys.of(tenant, Family::GrantByRole),
        };
        let mut grants = Vec::new();
        for id in self.last_texts::<GrantId>(&prefix) {
            let key = self.keys.grant(tenant, &id?);
            let grant: Option<Grant> = self.get(&key)?;
            let grant = grant.ok_or_else(|| StoreError::damaged(&key, DecodeError::Empty))?;
            if filter.matches(&grant) {
                grants.push(grant);
            }
            if grants.len() >= most {
                break;
            }
        }
        grants.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(grants)
    }

    fn matching(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        most: usize,
        is_wanted: &dyn Fn(&Tuple) -> bool,
    ) -> Result<Vec<Tuple>, StoreError> {
        let (all, of_subject) = (self.keys.of(tenant, Family::Tuple), self.keys.of(tenant, Family::TupleBySubject));
        let whole = filter.subject.as_ref().and_then(SubjectFilter::whole);
        let (prefix, by_subject) = match filter {
            TupleFilter { resource_type: Some(resource_type), resource_key: Some(key), .. } => {
                (all.text(resource_type.as_str()).text(key.as_str()), false)
            }
            TupleFilter { .. } if let Some(subject) = &whole => (of_subject.text(&subject.to_string()), true),
            TupleFilter { resource_type: Some(resource_type), resource_prefix: Some(prefix), .. } => {
                (all.text(resource_type.as_str()).beginning(prefix.as_str()), false)
            }
            TupleFilter { resource_type: Some(resource_type), .. } => (all.text(resource_type.as_str()), false),
            TupleFilter { subject: Some(SubjectFilter { object_type, .. }), .. } => {
                (of_subject.beginning(&format!("{object_type}:")), true)
            }
            TupleFilter { .. } => (all, false),
        };
        let skip = self.keys.of(tenant, Family::Tuple).as_bytes().len();
        let mut tuples = Vec::new();
        for row in self.rows(&prefix) {
            let (key, value) = row?;
            let relationship = relationship(&texts(&key, skip), by_subject);
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let relationship = relationship.ok_or_else(damaged)?;
            if !filter.matches(&relationship) {
                continue;
            }
            let tuple = if by_subject {
                let qualifier = self.qualifier_of(tenant, &relationship)?;
                Tuple { relationship, qualifier: qualifier.ok_or_else(damaged)? }
            } else {
                Tuple { relationship, qualifier: qualifier(&key, &value)? }
            };
            if is_wanted(&tuple) {
                tuples.push(tuple);
            }
            if tuples.len() >= most {
                break;
            }
        }
        tuples.sort();
        Ok(tuples)
    }

    /// What a relationship holds under, if it is stored.
    pub(super) fn qualifier_of(
        &self,
        tenant: &TenantId,
        relationship: &Relationship,
    ) -> Result<Option<Qualifier>, StoreError> {
        match self.ahead.as_ref().map(|ahead| ahead.qualifier_of(tenant, relationship)) {
            Some(Known::Row(qualifier)) => return Ok(Some(qualifier)),
            Some(Known::Absent) => return Ok(None),
            Some(Known::Unknown) | None => {}
        }
        let key = self.keys.tuple(tenant, relationship);
        self.raw(&key)?.map(|value| qualifier(key.as_bytes(), &value)).transpose()
    }

    /// The row of a relationship, while a change is written: what the change has written already counts.
    pub(super) fn tuple_row(
        &self,
        tenant: &TenantId,
        relationship: &Relationship,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(ahead) = &self.ahead
            && ahead.pending.get(key) == Known::Unknown
            && ahead.qualifier_of(tenant, relationship) == Known::Absent
        {
            return Ok(None);
        }
        Ok(self.raw(key)?.map(Cow::into_owned))
    }

    /// The ends of a tenant's relationships that are still to come.
    pub(super) fn tuple_dues_of(&self, tenant: &TenantId) -> Result<Vec<Key>, StoreError> {
        if self.raw(&self.keys.schema(tenant))?.is_none() {
            // Without a schema none has an end, and there is no need to walk over them.
            return Ok(Vec::new());
        }
        let prefix = self.keys.of(tenant, Family::Tuple);
        let skip = prefix.as_bytes().len();
        let mut dues = Vec::new();
        for row in self.rows(&prefix) {
            let (key, value) = row?;
            if let Some(expires) = qualifier(&key, &value)?.expires {
                dues.push(self.keys.tuple_due(expires, tenant, &whole_tuple(&key, skip, &value)?.relationship));
            }
        }
        Ok(dues)
    }

    /// The schema of a tenant as it is stored.
    pub(super) fn stored_schema(&self, tenant: &TenantId) -> Result<Option<StoredSchema>, StoreError> {
        self.get(&self.keys.schema(tenant))
    }
}

/// The start and the end of a grant, whether or not it still waits for them.
pub(super) fn dues_of(grant: &Grant) -> impl Iterator<Item = (Family, Timestamp, GrantId)> {
    let due = |family, at: Option<Timestamp>| at.map(|at| (family, at, grant.id.clone()));
    due(Family::StartDue, grant.window.start).into_iter().chain(due(Family::EndDue, grant.window.end))
}

/// A relationship from the texts of its key.
fn relationship(texts: &[&str], by_subject: bool) -> Option<Relationship> {
    match (by_subject, texts) {
        (false, [object_type, key, relation, subject]) => {
            format!("{object_type}:{key}#{relation}@{subject}").parse().ok()
        }
        (true, [subject, relation, resource]) => format!("{resource}#{relation}@{subject}").parse().ok(),
        _ => None,
    }
}

/// What the row of a relationship says that it holds under. That of one that holds always says nothing.
pub(super) fn qualifier(key: &[u8], value: &[u8]) -> Result<Qualifier, StoreError> {
    let damaged = |source| StoreError::Damaged { key: key.to_vec(), source };
    if row::is_empty(value).map_err(damaged)? {
        return Ok(Qualifier::default());
    }
    row::decode(value).map_err(damaged)
}

/// A tuple from a row by resource, whose texts begin after `skip` bytes of its key.
pub(super) fn whole_tuple(key: &[u8], skip: usize, value: &[u8]) -> Result<Tuple, StoreError> {
    let relationship = relationship(&texts(key, skip), false);
    let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
    Ok(Tuple { relationship: relationship.ok_or_else(damaged)?, qualifier: qualifier(key, value)? })
}

impl State for Reads {
    fn active_version(&self) -> Read<u32> {
        Ok(self.get(&self.keys.global(Family::Cluster).text("version"))?.unwrap_or(1))
    }

    fn last_stamp(&self) -> Read<Timestamp> {
        Ok(self.get(&self.keys.global(Family::Cluster).text("stamp"))?.map_or(Timestamp(0), Timestamp))
    }

    fn cluster(&self) -> Read<Option<ClusterId>> {
        Ok(self.get(&self.keys.global(Family::Cluster).text("id"))?)
    }

    fn leases(&self) -> Read<Configuration> {
        Ok(self.get(&self.keys.global(Family::Cluster).text("leases"))?.unwrap_or_default())
    }

    fn trust(&self) -> Read<Trust> {
        Ok(self.get(&self.keys.global(Family::Cluster).text("trust"))?.unwrap_or_default())
    }

    fn history_floor(&self) -> Read<Revision> {
        Ok(self.get(&self.keys.history_floor())?.unwrap_or_default())
    }

    fn is_admitted(&self, node: NodeId) -> Read<bool> {
        Ok(self.raw(&self.keys.admitted(node))?.is_some())
    }

    fn is_retired(&self, node: NodeId) -> Read<bool> {
        Ok(self.raw(&self.keys.retired(node))?.is_some())
    }

    fn tenant(&self, tenant: &TenantId) -> Read<Option<Tenant>> {
        Ok(self.get(&self.keys.tenant(tenant))?)
    }

    fn has_tenant(&self, tenant: &TenantId) -> Read<bool> {
        Ok(self.raw(&self.keys.tenant(tenant))?.is_some())
    }

    fn has_role(&self, tenant: &TenantId, role: &RoleId) -> Read<bool> {
        Ok(self.raw(&self.keys.role(tenant, role))?.is_some())
    }

    fn role(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<Role>> {
        Ok(self.get(&self.keys.role(tenant, role))?)
    }

    fn role_user(&self, tenant: &TenantId, role: &RoleId) -> Read<Option<RoleUser>> {
        let grant = self.last_texts(&self.keys.grants_by_role(tenant, role)).next().transpose()?;
        if let Some(grant) = grant {
            return Ok(Some(RoleUser::Grant(grant)));
        }
        let heir = self.last_texts(&self.keys.role_heirs(tenant, role)).next().transpose()?;
        Ok(heir.map(RoleUser::Role))
    }

    fn role_heirs(&self, tenant: &TenantId, role: &RoleId) -> Read<Vec<RoleId>> {
        Ok(self.last_texts(&self.keys.role_heirs(tenant, role)).collect::<Result<_, _>>()?)
    }

    fn grant(&self, tenant: &TenantId, grant: &GrantId) -> Read<Option<Grant>> {
        Ok(self.get(&self.keys.grant(tenant, grant))?)
    }

    fn live_grants(&self, tenant: &TenantId, filter: &GrantFilter, most: usize) -> Read<Vec<Grant>> {
        Ok(self.grants_where(tenant, filter, most)?)
    }

    fn schema(&self, tenant: &TenantId) -> Read<Option<Schema>> {
        let key = self.keys.schema(tenant);
        let Some(stored) = self.raw(&key)? else { return Ok(None) };
        let written = row::revision(&stored).map_err(|error| StoreError::damaged(&key, error))?;
        let known = self.ahead.as_ref().map(|ahead| &ahead.schemas);
        if let Some(schema) = known.and_then(|known| known.get(tenant, written)) {
            return Ok(Some(schema));
        }
        let Some(stored) = self.stored_schema(tenant)? else { return Ok(None) };
        let schema = compiled(&stored);
        if let Some(known) = known {
            known.put(tenant, written, schema.clone());
        }
        Ok(Some(schema))
    }

    fn has_relationship(&self, tenant: &TenantId, relationship: &Relationship) -> Read<bool> {
        Ok(self.qualifier_of(tenant, relationship)?.is_some())
    }

    fn qualifier(&self, tenant: &TenantId, relationship: &Relationship) -> Read<Option<Qualifier>> {
        Ok(self.qualifier_of(tenant, relationship)?)
    }

    fn tuples_where(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        most: usize,
        is_wanted: &dyn Fn(&Tuple) -> bool,
    ) -> Read<Vec<Tuple>> {
        Ok(self.matching(tenant, filter, most, is_wanted)?)
    }

    fn remembered(&self, key: &MemoryKey) -> Read<Option<Remembered>> {
        Ok(self.get(&self.keys.remembered(key))?)
    }

    fn remembered_count(&self, tenant: &TenantId) -> Read<u64> {
        let totals = self.get::<Totals>(&self.keys.of(tenant, Family::Totals))?;
        Ok(totals.map_or(0, |totals| totals.remembered))
    }

    fn oldest_remembered(&self, tenant: &TenantId, most: usize) -> Read<Vec<(MemoryKey, Remembered)>> {
        let known = self.ahead.as_ref().map(|ahead| &ahead.oldest);
        if most == 1
            && let Some(oldest) = known.and_then(|known| known.get(tenant))
        {
            return Ok(vec![oldest]);
        }
        let prefix = self.keys.of(tenant, Family::RememberedByAge);
        let skip = prefix.as_bytes().len() + size_of::<Revision>();
        let mut oldest = Vec::new();
        for row in self.rows(&prefix).take(most) {
            let (key, _) = row?;
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let [caller, name] = texts(&key, skip)[..] else { return Err(damaged().into()) };
            let (Ok(caller), Ok(name)) = (caller.parse(), name.parse()) else { return Err(damaged().into()) };
            let memory = MemoryKey { tenant: tenant.clone(), caller, key: name };
            let remembered = self.remembered(&memory)?.ok_or_else(damaged)?;
            oldest.push((memory, remembered));
        }
        if let Some((known, first)) = known.zip(oldest.first()) {
            known.put(tenant, first.clone());
        }
        Ok(oldest)
    }
}
