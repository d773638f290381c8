//! The copy of a node against the state in memory, and against itself by other ways.

mod batches;
mod changes;
mod commands;
mod doubts;
mod foresight;
mod history;
mod lists;
mod moments;
mod scripts;
mod sides;
mod snapshots;
mod tenants;

use std::fs;
use std::path::Path;

use portcullis_eval::{self as eval, Bounds, Budget, Outcome, Query, check};
use portcullis_machine::command::{CreateTenant, DeleteTenant, Initialise, Update, WriteRelationships};
use portcullis_machine::{Applied, Command, Envelope, Stamp};
use portcullis_model::{
    Actor, Clock, ClusterId, GrantId, GroupId, NodeId, Object, PermissionName, Revision, RoleId, Subject, TenantId,
    Timestamp, Verified,
};
use tempfile::TempDir;

use super::keys::{Family, Keys};
use super::snapshot::sum_of;
use super::{Key, Options, Store, Stored, Sum, View};
use crate::log::LogId;
use crate::resident::{Numbered, TenantDoubts};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ERROR_MS: u64 = 250;
const KEYS: Keys = Keys { group: GroupId::FIRST };

/// A folder of a store, gone with the test, in memory where there is such a place.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn open(path: &Path) -> Store {
    open_within(path, u64::MAX)
}

/// Opens a store in so much memory; in none, every relationship is read from the disk.
fn open_within(path: &Path, memory_budget_bytes: u64) -> Store {
    // So little that tables are written during a test.
    let options = Options { write_buffer_bytes: 64 * 1_024, memory_budget_bytes, ..Options::new(GroupId::FIRST) };
    Store::open(path, &options, &mut |_| {}).unwrap()
}

fn at(index: u64) -> LogId {
    LogId { term: 1 + index / 50, index }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn role(name: &str) -> RoleId {
    name.parse().unwrap()
}

fn grant_id(name: &str) -> GrantId {
    name.parse().unwrap()
}

fn actor() -> Actor {
    Actor { caller: "user:admin".parse().unwrap(), on_behalf_of: None, verified: Verified::Assumed }
}

fn envelope(tenant: &TenantId, command: Command) -> Envelope {
    Envelope {
        version: 1,
        tenant: tenant.clone(),
        actor: actor(),
        reason: None,
        idempotency: None,
        preconditions: Vec::new(),
        stamp: Stamp { reading_ms: NOW.0, error_ms: ERROR_MS },
        salt: [7; 16],
        command,
    }
}

fn initialise() -> Envelope {
    let command = Command::Initialise(Initialise { cluster: ClusterId([9; 16]), node: NodeId(1) });
    envelope(&TenantId::system(), command)
}

fn create_tenant(name: &str) -> Envelope {
    envelope(&TenantId::system(), Command::CreateTenant(CreateTenant { id: tenant(name) }))
}

fn delete_tenant(name: &str) -> Envelope {
    envelope(&TenantId::system(), Command::DeleteTenant(DeleteTenant { id: tenant(name) }))
}

fn write(tenant: &TenantId, updates: Vec<Update>) -> Envelope {
    envelope(tenant, Command::WriteRelationships(WriteRelationships { updates }))
}

fn touch(text: &str) -> Update {
    Update::Touch(text.parse().unwrap())
}

/// A store that is given commands one after the other.
struct Bench {
    folder: TempDir,
    store: Store,
    next: u64,
}

impl Bench {
    fn empty() -> Self {
        Self::within(u64::MAX)
    }

    /// An empty store in so much memory.
    fn within(memory_budget_bytes: u64) -> Self {
        let folder = folder();
        let store = open_within(folder.path(), memory_budget_bytes);
        Self { folder, store, next: 1 }
    }

    /// A store of an initialised cluster.
    fn new() -> Self {
        let mut bench = Self::empty();
        bench.done(initialise());
        bench
    }

    fn apply(&mut self, envelope: Envelope) -> Applied {
        let applied = self.store.apply(at(self.next), envelope).unwrap();
        self.store.publish().unwrap();
        self.next += 1;
        applied
    }

    /// Applies a command that must not be refused, and returns where.
    fn done(&mut self, envelope: Envelope) -> Revision {
        let applied = self.apply(envelope);
        assert!(applied.result.is_ok(), "{:?}", applied.result);
        applied.change.revision
    }

    fn reopen(&mut self) {
        let path = self.folder.path().to_owned();
        let budget = self.store.options.memory_budget_bytes;
        // The database has one owner at a time.
        replace(&mut self.store, || open_within(&path, budget));
    }
}

/// Drops the old value before the new one is made.
fn replace(store: &mut Store, make: impl FnOnce() -> Store) {
    let elsewhere = folder();
    drop(std::mem::replace(store, open(elsewhere.path())));
    *store = make();
}

/// All rows of the database of a store but those about this copy alone, in order.
fn rows(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let meta = KEYS.global(Family::Meta);
    let group = Key::group(GroupId::FIRST);
    let all = store.reads.rows(&group).map(|row| row.unwrap());
    all.filter(|(key, _)| !key.starts_with(meta.as_bytes())).map(|(key, value)| (key.into(), value.into())).collect()
}

fn sum_of_all(store: &Store) -> Sum {
    sum_of(&store.reads.db, KEYS).unwrap()
}

fn in_time() -> bool {
    false
}

/// What a version answers: every subject, permission and object of the tests, in every tenant.
fn answers(view: &View) -> Vec<(String, Bounds)> {
    let clock = Some(Clock { reading: NOW, error_ms: ERROR_MS });
    let mut answers = Vec::new();
    for name in commands::TENANTS {
        let tenant = tenant(name);
        let Some(stored) = view.tenant(&tenant) else { continue };
        for subject in ["user:a", "user:ab", "user:other", "group:g#member"] {
            for (permission, resource) in
                [("view", "document:a"), ("view", "document:ab"), ("edit", "document:a"), ("burn", "folder:f")]
            {
                let (subject, resource): (Subject, Object) = (subject.parse().unwrap(), resource.parse().unwrap());
                let permission: PermissionName = permission.parse().unwrap();
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                let question = format!("{name}: {subject} {permission} {resource}");
                answers.push(match judge(stored, None, query, clock) {
                    Ok(outcome) => (format!("{question}, missing {:?}", outcome.missing), outcome.bounds),
                    Err(error) => (format!("{question}: {error}"), Bounds::NO),
                });
            }
        }
        let grants = view.resident.tenant(&tenant).unwrap().grants();
        answers.push((format!("{name}: {grants} grants"), Bounds::YES));
    }
    answers
}

/// Checks in a tenant, wherever it is, with what is in doubt in it.
fn judge(
    stored: Stored<'_>,
    doubts: Option<&TenantDoubts>,
    query: Query<'_>,
    clock: Option<Clock>,
) -> Result<Outcome, eval::Error> {
    let budget = Budget::new(&in_time);
    match (stored, doubts) {
        (Stored::Resident(index), None) => check(index, query, clock, &budget),
        (Stored::Resident(index), Some(doubts)) => check(&index.doubted_by(doubts), query, clock, &budget),
        (Stored::Spilled(spilled), doubts) => {
            let reading = spilled.read(doubts);
            let outcome = match doubts {
                None => check(&reading, query, clock, &budget),
                Some(doubts) => check(&reading.doubted_by(doubts), query, clock, &budget),
            };
            assert!(reading.failure().is_none(), "the rows cannot be read");
            outcome
        }
    }
}

/// What a newer build wrote is told apart from what is damaged: the one wants another binary, the other another copy.
#[test]
fn a_row_of_a_newer_format_is_refused_as_such() {
    let mut bench = Bench::new();
    let (row, path) = (KEYS.tenant(&TenantId::default_tenant()), bench.folder.path().to_owned());
    let whole = bench.store.reads.raw(&row).unwrap().unwrap().into_owned();
    for (byte, says) in [
        (2, "was written by a newer version: upgrade this node's binary"),
        (0, "is damaged: stop the node, wipe its data folder and let it join again under a new node id"),
    ] {
        // The version stands behind the revision.
        let mut value = whole.clone();
        value[8] = byte;
        if byte == 0 {
            value = whole[..9].to_vec();
        }
        bench.store.reads.db.put(row.as_bytes(), value).unwrap();
        let elsewhere = folder();
        drop(std::mem::replace(&mut bench.store, open(elsewhere.path())));
        let Err(refused) = Store::open(&path, &Options::new(GroupId::FIRST), &mut |_| {}) else { panic!("it opened") };
        let said = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
        assert!(said.ends_with(says), "{said}");
        assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
        let db = rocksdb::DB::open_default(path.join("gen-1")).unwrap();
        db.put(row.as_bytes(), &whole).unwrap();
        drop(db);
        bench.store = open(&path);
    }
}
