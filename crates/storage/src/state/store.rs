//! Applying commands to the copy of this node.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_machine::{Applied, Change, Effect, Envelope, Fault};
use portcullis_model::Revision;

use super::batch::Batch;
use super::reader::{Reader, View};
use super::reads::{Reads, StoreError};
use super::sum::Sum;
use crate::log::LogId;
use crate::resident::Resident;

/// How many state hashes are kept, so that nodes at different positions can be compared.
const HASHES_KEPT: usize = 10_000;
/// How many versions are kept for reads at an exact revision.
const VERSIONS_KEPT: usize = 10_000;

/// Why a node cannot go on applying; it has to stop.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The machine cannot decide.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The copy of this node. It has one owner, the task that applies the log.
pub struct Store {
    pub(super) reads: Reads,
    pub(super) resident: Resident,
    pub(super) applied: Option<LogId>,
    pub(super) membership: Option<Vec<u8>>,
    pub(super) sum: Sum,
    pub(super) shared: Arc<Shared>,
}

/// What the owner of the store shares with readers.
pub(super) struct Shared {
    pub(super) view: ArcSwap<View>,
    pub(super) hashes: std::sync::Mutex<VecDeque<(Revision, Sum)>>,
    /// The versions after the last entries, published or not; readers are given published ones only.
    pub(super) versions: std::sync::Mutex<VecDeque<Arc<View>>>,
}

/// Appends to a queue that keeps the last `most` items.
fn push_bounded<T>(queue: &std::sync::Mutex<VecDeque<T>>, item: T, most: usize) {
    let mut queue = queue.lock().expect("INVARIANT: nothing panics while holding this lock");
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Store {
    /// The last entry that was applied.
    pub fn applied(&self) -> Option<LogId> {
        self.applied
    }

    /// The membership as of the last applied entry, in the form that [`Store::apply_membership`] was given.
    pub fn membership(&self) -> Option<&[u8]> {
        self.membership.as_deref()
    }

    /// A handle for readers, cheap to clone and usable on any thread.
    pub fn reader(&self) -> Reader {
        Reader { reads: self.reads.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Carries out the command at `id`. Nothing of it can be read before [`Store::publish`].
    ///
    /// # Panics
    ///
    /// When `id` does not follow the last applied entry: the caller has lost its place.
    pub fn apply(&mut self, id: LogId, envelope: Envelope) -> Result<Applied, ApplyError> {
        let applied = portcullis_machine::apply(&self.reads, Revision(id.index), envelope)?;
        self.write(id, None, Some(&applied.change))?;
        for effect in &applied.change.effects {
            update(&mut self.resident, effect);
        }
        push_bounded(&self.shared.versions, Arc::new(self.version()), VERSIONS_KEPT);
        Ok(applied)
    }

    /// Moves past an entry that changes nothing.
    pub fn apply_blank(&mut self, id: LogId) -> Result<(), ApplyError> {
        self.write(id, None, None)
    }

    /// Moves past an entry that changes the membership; what its bytes mean is the caller's affair.
    pub fn apply_membership(&mut self, id: LogId, membership: Vec<u8>) -> Result<(), ApplyError> {
        self.write(id, Some(membership), None)
    }

    /// Lets readers see everything that was applied so far.
    pub fn publish(&self) {
        self.shared.view.store(Arc::new(self.version()));
    }

    /// Makes everything that was applied so far survive a power loss. The log may be purged up to what is returned.
    pub fn flush(&self) -> Result<Option<LogId>, StoreError> {
        let applied = self.applied;
        self.reads.db.flush_wal(true)?;
        self.reads.db.flush()?;
        Ok(applied)
    }

    fn version(&self) -> View {
        View { resident: self.resident.clone(), revision: self.revision() }
    }

    fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |id| id.index))
    }

    fn write(&mut self, id: LogId, membership: Option<Vec<u8>>, change: Option<&Change>) -> Result<(), ApplyError> {
        let next = self.applied.map_or(0, |applied| applied.index + 1);
        assert!(id.index >= next, "INVARIANT: entry {id:?} was applied before, the next is {next}");
        let mut batch = Batch::new(&self.reads, Revision(id.index), self.sum);
        if let Some(change) = change {
            batch.change(change)?;
        }
        batch.meta("applied", &(id.term, id.index));
        if let Some(membership) = membership {
            batch.meta("membership", &membership);
            self.membership = Some(membership);
        }
        let (rows, sum) = batch.finish();
        self.reads.db.write(rows).map_err(StoreError::from)?;
        self.sum = sum;
        self.applied = Some(id);
        push_bounded(&self.shared.hashes, (Revision(id.index), sum), HASHES_KEPT);
        Ok(())
    }
}

/// Carries out an effect on what checks read.
pub(super) fn update(resident: &mut Resident, effect: &Effect) {
    match effect {
        Effect::PutTenant(tenant) => resident.put_tenant(&tenant.id),
        Effect::DropTenant(tenant) => resident.drop_tenant(tenant),
        Effect::PutRole { tenant, role } => resident.put_role(tenant, role),
        Effect::DeleteRole { tenant, role } => resident.delete_role(tenant, role),
        Effect::PutGrant { tenant, grant } => resident.put_grant(tenant, grant),
        Effect::PutRelationship { tenant, relationship } => resident.put_relationship(tenant, relationship),
        Effect::DeleteRelationship { tenant, relationship } => resident.delete_relationship(tenant, relationship),
        Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. } => {}
    }
}
