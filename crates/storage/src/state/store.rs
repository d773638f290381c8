//! Applying commands to the copy of this node.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use arc_swap::ArcSwap;
use portcullis_fault::{Fault as Broken, Point};
use portcullis_machine::{Applied, Change, Effect, Envelope, Fault, StoredSchema};
use portcullis_model::Revision;
use portcullis_schema::Schema;
use rocksdb::checkpoint::Checkpoint;

use super::batch::Batch;
use super::folder::Folder;
use super::incoming::{Inbox, Received};
use super::load;
use super::open::{Loaded, OpenError, Options};
use super::reader::{Reader, View};
use super::reads::{Reads, StoreError};
use super::snapshot::{Header, Snapshot};
use super::sum::Sum;
use crate::log::LogId;
use crate::resident::{Resident, TenantIndex};

/// How many state hashes are kept, so that nodes at different positions can be compared.
const HASHES_KEPT: usize = 10_000;
/// How many versions are kept for reads at an exact revision. Those between two are made again from the change records,
/// so these must be there for as long.
const VERSIONS_KEPT: usize = 64;
/// How many changes lie between two versions that are kept. Keeping one costs a copy of whatever the next changes.
const VERSIONS_APART: u64 = 16;
/// How long it takes until it is looked again whether somebody still reads what was spilled.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How much may be pending within one batch of entries, in bytes.
const PENDING_BYTES_MAX: usize = 4 * 1_024 * 1_024;

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

/// Why a snapshot is not installed; the node has to stop, and starts again with the copy that it had.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The folder cannot be changed.
    #[error("the snapshot cannot become `{}`", path.display())]
    Folder {
        /// The folder that it was to become.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was received cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The copy of this node. It has one owner, the task that applies the log.
pub struct Store {
    pub(super) reads: Reads,
    /// Whether what is pending holds whole entries only. It does not after a failure.
    pub(super) whole: bool,
    /// How many changes came since a version was kept.
    pub(super) changes: u64,
    pub(super) applied: Option<LogId>,
    pub(super) membership: Option<Vec<u8>>,
    pub(super) sum: Sum,
    pub(super) shared: Arc<Shared>,
    pub(super) folder: Folder,
    pub(super) generation: u64,
    pub(super) options: Options,
    /// How many snapshots this process has made.
    pub(super) snapshots: u64,
}

/// What the owner of the store shares with readers.
pub(super) struct Shared {
    pub(super) reads: ArcSwap<Reads>,
    pub(super) view: ArcSwap<View>,
    pub(super) hashes: std::sync::Mutex<VecDeque<(Revision, Sum)>>,
    /// Versions after some of the last entries, published or not; readers are given published ones only.
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

impl Shared {
    /// Shows another copy to readers. What was kept of the old one is of other entries, and goes.
    fn start_anew(&self, reads: Reads, view: Arc<View>, sum: Sum) {
        let mut hashes = self.hashes.lock().expect("INVARIANT: nothing panics while holding the hashes");
        let mut versions = self.versions.lock().expect("INVARIANT: nothing panics while holding the versions");
        *hashes = VecDeque::from([(view.revision, sum)]);
        *versions = VecDeque::from([Arc::clone(&view)]);
        self.reads.store(Arc::new(reads));
        self.view.store(view);
    }
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
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// Carries out the command at `id`. Nothing of it can be read before [`Store::publish`].
    ///
    /// # Panics
    ///
    /// When `id` does not follow the last applied entry: the caller has lost its place.
    pub fn apply(&mut self, id: LogId, envelope: Envelope) -> Result<Applied, ApplyError> {
        let applied = portcullis_machine::apply(&self.reads, Revision(id.index), envelope)?;
        self.write(id, None, Some(&applied.change))?;
        let resident = self.resident_mut();
        for effect in &applied.change.effects {
            update(resident, effect);
        }
        if resident.bytes_estimate() > self.options.memory_budget_bytes {
            self.spill();
        }
        self.changes += 1;
        if self.changes == VERSIONS_APART {
            self.changes = 0;
            let version = View::in_memory(self.resident().clone(), self.revision());
            push_bounded(&self.shared.versions, Arc::new(version), VERSIONS_KEPT);
        }
        Ok(applied)
    }

    /// Spills what there is no room for. Versions that still hold it go, so that the room is there.
    pub(super) fn spill(&mut self) {
        let budget = self.options.memory_budget_bytes;
        let spilled = load::keep_to(self.resident_mut(), budget);
        if !spilled.is_empty() {
            let mut versions =
                self.shared.versions.lock().expect("INVARIANT: nothing panics while holding the versions");
            let versions = std::mem::take(&mut *versions);
            let_go(spilled, versions);
        }
    }

    /// Moves past an entry that changes nothing.
    pub fn apply_blank(&mut self, id: LogId) -> Result<(), ApplyError> {
        self.write(id, None, None)
    }

    /// Moves past an entry that changes the membership; what its bytes mean is the caller's affair.
    pub fn apply_membership(&mut self, id: LogId, membership: Vec<u8>) -> Result<(), ApplyError> {
        self.write(id, Some(membership), None)
    }

    /// Writes everything that was applied so far, and lets readers see it.
    pub fn publish(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        let view = View::published(self.resident().clone(), self.revision(), &self.reads);
        self.shared.view.store(Arc::new(view));
        self.options.points.pass(Point::StateViewPublished);
        Ok(())
    }

    /// Writes what is pending, as one batch.
    ///
    /// # Panics
    ///
    /// When an entry failed half way: its node must not go on.
    fn flush(&mut self) -> Result<(), StoreError> {
        assert!(self.whole, "INVARIANT: nothing is written after a failure");
        let ahead = self.reads.ahead.as_mut().expect("INVARIANT: the store owns its rows");
        self.options.points.pass(Point::StateBatchBeforeWrite);
        self.reads.db.write(ahead.pending.batch())?;
        self.options.points.pass(Point::StateBatchWritten);
        let written = std::mem::take(&mut ahead.pending);
        ahead.hot.settle(&written);
        Ok(())
    }

    /// Freezes the state as of the last applied entry. Everything up to there survives a power loss on return, so the
    /// log may be purged up to it. Blocks for as long as a flush takes.
    pub fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.options.points.pass(Point::SnapshotBuildBegun);
        self.flush()?;
        self.reads.db.flush_wal(true)?;
        self.options.points.pass(Point::SnapshotBuildSynced);
        self.snapshots += 1;
        let path = self.folder.snapshot(self.revision().0, self.snapshots);
        Checkpoint::new(&self.reads.db)?.create_checkpoint(&path)?;
        self.options.points.pass(Point::SnapshotBuildFrozen);
        let header = Header {
            applied: self.applied.map(|id| (id.term, id.index)),
            membership: self.membership.clone(),
            sum: self.sum.to_bytes(),
        };
        Snapshot::open(header, self.reads.keys, &path, &self.options)
    }

    /// Merges all tables into those that they become in time, so that what they take can be told. Blocks for as long as
    /// that takes.
    pub fn merge_tables(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.reads.db.flush()?;
        self.reads.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    /// Where snapshots of other nodes are received.
    pub fn inbox(&self) -> Inbox {
        Inbox { folder: self.folder.clone(), options: self.options.clone() }
    }

    /// Replaces the whole copy by a snapshot. Readers see it from then on; the old copy goes with its last reader. After
    /// a crash at any moment one of the two is there as a whole.
    pub fn install(&mut self, received: &Received) -> Result<(), InstallError> {
        let (generation, from) = (self.generation + 1, received.removal.path());
        let path = self.folder.generation(generation);
        let io = |source| InstallError::Folder { path: path.clone(), source };
        fs::rename(from, &path).map_err(io)?;
        received.removal.disarm();
        self.folder.sync().map_err(io)?;
        self.options.points.pass(Point::SnapshotInstallRenamed);
        let mut progress = |rows: u64| tracing::info!(rows, "loading a snapshot");
        let loaded = Loaded::open(&path, &self.options, &mut progress)?;
        self.options.points.pass(Point::SnapshotInstallLoaded);
        self.folder.choose(generation).map_err(io)?;
        self.options.points.pass(Point::SnapshotInstallSwitched);
        let view = Arc::new(loaded.view());
        let old = std::mem::replace(&mut self.reads, loaded.reads.owned(Some(loaded.resident)));
        old.db.is_obsolete();
        self.generation = generation;
        self.changes = 0;
        self.applied = loaded.applied;
        self.membership = loaded.membership;
        self.sum = loaded.sum;
        self.shared.start_anew(loaded.reads, view, self.sum);
        self.options.points.pass(Point::SnapshotInstallShown);
        Ok(())
    }

    fn resident(&self) -> &Resident {
        let ahead = self.reads.ahead.as_ref();
        ahead.and_then(|ahead| ahead.resident.as_ref()).expect("INVARIANT: the store keeps up what checks read")
    }

    pub(super) fn resident_mut(&mut self) -> &mut Resident {
        let ahead = self.reads.ahead.as_mut();
        ahead.and_then(|ahead| ahead.resident.as_mut()).expect("INVARIANT: the store keeps up what checks read")
    }

    fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |id| id.index))
    }

    pub(super) fn write(
        &mut self,
        id: LogId,
        membership: Option<Vec<u8>>,
        change: Option<&Change>,
    ) -> Result<(), ApplyError> {
        let next = self.applied.map_or(0, |applied| applied.index + 1);
        assert!(id.index >= next, "INVARIANT: entry {id:?} was applied before, the next is {next}");
        self.whole = false;
        let is_first = self.reads.ahead.as_ref().is_some_and(|ahead| ahead.pending.bytes() == 0);
        let mut batch = Batch::new(&mut self.reads, Revision(id.index), self.sum);
        if let Some(change) = change {
            batch.change(change)?;
        }
        batch.meta("applied", &(id.term, id.index));
        if let Some(membership) = membership {
            batch.meta("membership", &membership);
            self.membership = Some(membership);
        }
        self.sum = batch.finish();
        if self.options.faults.has(Broken::HashByBatch) && !is_first {
            self.sum = self.sum.plus(Sum::of_row(b"batch", b""));
        }
        self.whole = true;
        self.applied = Some(id);
        push_bounded(&self.shared.hashes, (Revision(id.index), self.sum), HASHES_KEPT);
        if self.reads.ahead.as_ref().is_some_and(|ahead| ahead.pending.bytes() > PENDING_BYTES_MAX) {
            self.flush()?;
        }
        Ok(())
    }
}

/// Frees what was spilled once nobody reads it any more. That may take seconds, for which neither applying nor a reader may
/// be held up, so it is a thread's only work.
fn let_go(spilled: Vec<Arc<TenantIndex>>, versions: VecDeque<Arc<View>>) {
    let free = move || {
        drop(versions);
        for index in spilled {
            while Arc::strong_count(&index) > 1 {
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    };
    // Without a thread it is freed by whoever comes last.
    let _ = std::thread::Builder::new().name("spilled".to_owned()).spawn(free);
}

/// Carries out an effect on what checks read.
pub(super) fn update(resident: &mut Resident, effect: &Effect) {
    match effect {
        Effect::PutTenant(tenant) => resident.put_tenant(&tenant.id),
        Effect::DropTenant(tenant) => resident.drop_tenant(tenant),
        Effect::PutRole { tenant, role } => resident.put_role(tenant, role),
        Effect::DeleteRole { tenant, role } => resident.delete_role(tenant, role),
        Effect::PutGrant { tenant, grant } => resident.put_grant(tenant, grant),
        Effect::PutRelationship { tenant, relationship } => resident.put_tuple(tenant, &relationship.clone().into()),
        Effect::PutTuple { tenant, tuple } => resident.put_tuple(tenant, tuple),
        Effect::PutSchema { tenant, schema } => resident.put_schema(tenant, &compiled(schema)),
        Effect::DeleteRelationship { tenant, relationship } => resident.delete_relationship(tenant, relationship),
        Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::Leases(_)
        | Effect::HistoryFloor(_)
        | Effect::Trust(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. } => {}
    }
}

/// A schema that was stored.
pub(super) fn compiled(schema: &StoredSchema) -> Schema {
    portcullis_schema::compile(&schema.text).expect("INVARIANT: a schema is stored only if it is sound")
}
