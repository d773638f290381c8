//! Reading the published state.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::Guard;
use portcullis_lease::Configuration;
use portcullis_machine::command::{DueEnd, DueRelationship, DueStart};
use portcullis_machine::{Change, Read, State};
use portcullis_model::{
    ClusterId, Grant, GrantId, GrantState, NodeId, Relationship, Revision, TenantId, Timestamp, Trust,
};

use super::compaction::{self, Ripe};
use super::keys::{Family, texts};
use super::past::Past;
use super::reads::{RawRow, Reads, StoreError};
use super::row;
use super::spilled::{Earlier, Spilled, Stored};
use super::still::Still;
use super::store::{Shared, update};
use super::sum::Sum;
use crate::codec::DecodeError;
use crate::resident::Resident;

/// One published version of what checks read. Immutable.
#[derive(Debug)]
pub struct View {
    /// What checks read.
    pub resident: Resident,
    /// The last entry that it includes.
    pub revision: Revision,
    /// What the database held then; only where tenants are read from it.
    pub(super) still: Option<Arc<Still>>,
    /// What has changed in them since, if the moment is a later one.
    pub(super) earlier: Option<Earlier>,
}

impl View {
    /// One that is in memory as a whole, or of which nobody asks for more.
    pub fn in_memory(resident: Resident, revision: Revision) -> Self {
        Self { resident, revision, still: None, earlier: None }
    }

    /// The newest one, right after its rows were written.
    pub(super) fn published(resident: Resident, revision: Revision, reads: &Reads) -> Self {
        let still = (resident.spilled() > 0).then(|| Arc::new(Still::now(Arc::clone(&reads.db), reads.keys)));
        Self { resident, revision, still, earlier: None }
    }

    /// A tenant, if it exists.
    pub fn tenant<'a>(&'a self, tenant: &'a TenantId) -> Option<Stored<'a>> {
        let index = self.resident.tenant(tenant)?;
        if !index.is_spilled() {
            return Some(Stored::Resident(index));
        }
        let still = self.still.as_ref().expect("INVARIANT: readers are given views that tell what is on disk");
        Some(Stored::Spilled(Spilled { tenant, index, still, earlier: self.earlier.as_ref() }))
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in their order.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one. Opaque to callers of the interface.
    pub next: Option<Vec<u8>>,
}

/// The starts and ends that have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Grants that may begin.
    pub starts: Vec<DueStart>,
    /// Grants that have to end.
    pub ends: Vec<DueEnd>,
    /// Relationships that have to end.
    pub relationships: Vec<DueRelationship>,
}

/// A handle for readers.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The rows of the copy that counts now.
    pub(super) fn reads(&self) -> Guard<Arc<Reads>> {
        self.shared.reads.load()
    }

    /// The newest published version. Held for the length of one evaluation; it takes no lock.
    pub fn view(&self) -> Guard<Arc<View>> {
        self.shared.view.load()
    }

    /// The version at exactly a revision, for questions about one tenant, if it is published and one of the last 1,000 since
    /// this process started. One that was not kept is made again: from the one before it that was, and the records of the
    /// changes between the two. `None` also for a tenant that was on disk then.
    pub fn view_at(&self, tenant: &TenantId, revision: Revision) -> Result<Option<Arc<View>>, StoreError> {
        let newest = self.shared.view.load_full();
        if revision >= newest.revision {
            return Ok((revision == newest.revision).then_some(newest));
        }
        let (kept, reads) = {
            // A copy and its versions are replaced together.
            let versions = self.shared.versions.lock().expect("INVARIANT: nothing panics while holding the versions");
            let after = versions.partition_point(|version| version.revision <= revision);
            let kept = after.checked_sub(1).and_then(|nth| versions.get(nth)).map(Arc::clone);
            (kept, self.shared.reads.load_full())
        };
        let Some(kept) = kept else { return Ok(None) };
        if kept.resident.tenant(tenant).is_some_and(|index| index.is_spilled()) {
            return Ok(None);
        }
        if kept.revision == revision {
            return Ok(Some(kept));
        }
        let mut resident = kept.resident.clone();
        let records = reads.keys.global(Family::Change);
        let last = reads.keys.change(revision);
        for row in reads.rows_after(&records, Some(&kept.revision.0.to_be_bytes())) {
            let (key, value) = row?;
            if *key > *last.as_bytes() {
                break;
            }
            let change: Option<Change> = decoded(&key, &value)?;
            change.iter().flat_map(|change| &change.effects).for_each(|effect| update(&mut resident, effect));
        }
        Ok(Some(Arc::new(View::in_memory(resident, revision))))
    }

    /// The state hash at a revision, if it is one of the last 10,000 since this process started.
    pub fn state_hash(&self, revision: Revision) -> Option<Sum> {
        let hashes = self.shared.hashes.lock().expect("INVARIANT: nothing panics while holding the hashes");
        let nth = hashes.binary_search_by_key(&revision, |(revision, _)| *revision).ok()?;
        Some(hashes[nth].1)
    }

    /// The identity of the cluster, once it is initialised.
    pub fn cluster(&self) -> Read<Option<ClusterId>> {
        self.reads().cluster()
    }

    /// The version that gates commands.
    pub fn active_version(&self) -> Read<u32> {
        self.reads().active_version()
    }

    /// Whether a node id was used up.
    pub fn is_retired(&self, node: NodeId) -> Read<bool> {
        self.reads().is_retired(node)
    }

    /// How leases are granted, and to whom.
    pub fn leases(&self) -> Read<Configuration> {
        self.reads().leases()
    }

    /// Who signs certificates of nodes, and who may become one.
    pub fn trust(&self) -> Read<Trust> {
        self.reads().trust()
    }

    /// The oldest revision that can still be read.
    pub fn history_floor(&self) -> Read<Revision> {
        self.reads().history_floor()
    }

    /// How far history may be compacted in one go, beyond `after`: up to a change that was made at `by` or before.
    pub fn ripe(&self, after: Revision, by: Timestamp) -> Result<Option<Ripe>, StoreError> {
        compaction::ripe(&self.reads(), after, by)
    }

    /// The state as it was at a revision that is published.
    pub fn past(&self, revision: Revision) -> Past {
        Past { reads: self.shared.reads.load_full(), revision }
    }

    /// The nodes that were let in and whose ids are not used up.
    pub fn members(&self) -> Read<BTreeSet<NodeId>> {
        let reads = self.reads();
        let prefix = reads.keys.global(Family::AdmittedNode);
        let skip = prefix.as_bytes().len();
        let mut members = BTreeSet::new();
        for row in reads.rows(&prefix) {
            let (key, _) = row?;
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let node = NodeId(u64::from_be_bytes(key[skip..].try_into().map_err(|_| damaged())?));
            if !reads.is_retired(node)? {
                members.insert(node);
            }
        }
        Ok(members)
    }

    /// A change record, if there was a command at that revision.
    pub fn change(&self, revision: Revision) -> Result<Option<Change>, StoreError> {
        self.reads().get(&self.reads().keys.change(revision))
    }

    /// Up to `most` starts that lie at or before `start_by`, and as many ends of either kind at or before `end_by`.
    pub fn due(&self, start_by: Timestamp, end_by: Timestamp, most: usize) -> Result<Due, StoreError> {
        let starts = self.due_grants(Family::StartDue, start_by, most)?;
        let starts = starts.into_iter().filter(|(_, grant)| grant.state == GrantState::Scheduled);
        let start = |(tenant, grant): (TenantId, Grant)| DueStart {
            tenant,
            id: grant.id,
            version: grant.modified,
            subject: grant.subject,
            role: grant.role,
            scope: grant.scope,
        };
        let ends = self.due_grants(Family::EndDue, end_by, most)?;
        let end = |(tenant, grant): (TenantId, Grant)| DueEnd { tenant, id: grant.id, version: grant.modified };
        let relationships = self.due_relationships(end_by, most)?;
        Ok(Due { starts: starts.map(start).collect(), ends: ends.into_iter().map(end).collect(), relationships })
    }

    fn due_relationships(&self, by: Timestamp, most: usize) -> Result<Vec<DueRelationship>, StoreError> {
        let reads = self.reads();
        let prefix = reads.keys.global(Family::TupleDue);
        let skip = prefix.as_bytes().len();
        let last = prefix.clone().time(by);
        let mut due = Vec::new();
        for row in reads.rows(&prefix).take(most) {
            let (key, _) = row?;
            if key[..skip + size_of::<u64>()] > *last.as_bytes() {
                break;
            }
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let [tenant, relationship] = texts(&key, skip + size_of::<u64>())[..] else { return Err(damaged()) };
            let (Ok(tenant), Ok(relationship)) = (tenant.parse::<TenantId>(), relationship.parse::<Relationship>())
            else {
                return Err(damaged());
            };
            // Another batch may have replaced it since the iterator was made.
            let qualifier = reads.qualifier_of(&tenant, &relationship)?;
            if let Some(expires) = qualifier.and_then(|qualifier| qualifier.expires).filter(|expires| *expires <= by) {
                due.push(DueRelationship { tenant, relationship, expires });
            }
        }
        Ok(due)
    }

    fn due_grants(&self, family: Family, by: Timestamp, most: usize) -> Result<Vec<(TenantId, Grant)>, StoreError> {
        let reads = self.reads();
        let keys = reads.keys;
        let prefix = keys.global(family);
        let skip = prefix.as_bytes().len();
        let last = prefix.clone().time(by);
        let mut due = Vec::new();
        for row in self.reads().rows(&prefix).take(most) {
            let (key, _) = row?;
            if key[..skip + size_of::<u64>()] > *last.as_bytes() {
                break;
            }
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let [tenant, id] = texts(&key, skip + size_of::<u64>())[..] else { return Err(damaged()) };
            let (Ok(tenant), Ok(id)) = (tenant.parse::<TenantId>(), id.parse::<GrantId>()) else {
                return Err(damaged());
            };
            // Another batch may have ended it since the iterator was made.
            if let Some(grant) = self.reads().get::<Grant>(&keys.grant(&tenant, &id))?.filter(|g| g.state.is_live()) {
                due.push((tenant, grant));
            }
        }
        Ok(due)
    }
}

/// The first items of rows whose keys begin with `skip` bytes that say nothing.
pub(super) fn page<T>(
    rows: impl Iterator<Item = Result<RawRow, StoreError>>,
    skip: usize,
    most: usize,
    decode: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let mut items = Vec::new();
    let mut last = None;
    for row in rows {
        let (key, value) = row?;
        let Some(item) = decode(&key, &value)? else { continue };
        if items.len() == most {
            return Ok(Page { items, next: last });
        }
        items.push(item);
        last = Some(key[skip..].to_vec());
    }
    Ok(Page { items, next: None })
}

fn decoded<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<Option<T>, StoreError> {
    let value = row::decode(value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })?;
    Ok(Some(value))
}
