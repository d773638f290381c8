//! One node's copy of a world: made by the commands that a cluster would be given, and opened again.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use portcullis_machine::command::{Initialise, RaiseVersion, Update, WriteRelationships, WriteSchema};
use portcullis_machine::{Command, Envelope, Stamp, VERSION_SUPPORTED};
use portcullis_model::{Actor, ClusterId, GroupId, NodeId, TenantId, Verified};
use portcullis_storage::log::LogId;
use portcullis_storage::state::{Options, Store};
use tempfile::TempDir;

use super::evaluate::table_bytes;
use super::world::{self, World};

/// Updates in one command, and commands in one batch of rows.
const UPDATES: usize = 1_000;
const COMMANDS: u64 = 4;

/// What came of it.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) applying: Duration,
    pub(super) starting: Duration,
    pub(super) disk_bytes: u64,
    folder: TempDir,
}

impl Copied {
    /// Opens it without memory for relationships.
    pub(super) fn open_spilled(&self) -> anyhow::Result<Store> {
        let options = Options { memory_budget_bytes: 0, ..Options::new(GroupId::FIRST) };
        Ok(Store::open(self.folder.path(), &options, &mut |_| {})?)
    }
}

struct Copy {
    store: Store,
    next: u64,
    applying: Duration,
}

/// Makes the copy in a folder of its own, and opens it again.
pub(super) fn make(world: &World, tenant: &TenantId) -> anyhow::Result<Copied> {
    let folder = tempfile::tempdir()?;
    let options = Options::new(GroupId::FIRST);
    let mut copy =
        Copy { store: Store::open(folder.path(), &options, &mut |_| {})?, next: 1, applying: Duration::ZERO };
    copy.begin(tenant)?;
    let mut all = world.relationships().peekable();
    while all.peek().is_some() {
        let updates = all.by_ref().take(UPDATES).map(|text| Ok(Update::Touch(text.parse()?)));
        let updates = updates.collect::<anyhow::Result<_>>()?;
        copy.apply(tenant, Command::WriteRelationships(WriteRelationships { updates }))?;
    }
    copy.store.publish()?;
    copy.store.merge_tables()?;
    let applying = copy.applying;
    drop(copy);
    let begun = Instant::now();
    let store = Store::open(folder.path(), &options, &mut |_| {})?;
    let starting = begun.elapsed();
    drop(store);
    Ok(Copied { applying, starting, disk_bytes: table_bytes(folder.path())?, folder })
}

impl Copy {
    fn begin(&mut self, tenant: &TenantId) -> anyhow::Result<()> {
        let system = TenantId::system();
        let initialise = Initialise { cluster: ClusterId([9; 16]), node: NodeId(1) };
        self.apply(&system, Command::Initialise(initialise))?;
        self.apply(&system, Command::RaiseVersion(RaiseVersion { version: VERSION_SUPPORTED }))?;
        self.apply(tenant, Command::WriteSchema(WriteSchema { text: world::SCHEMA.to_owned() }))?;
        self.applying = Duration::ZERO;
        Ok(())
    }

    fn apply(&mut self, tenant: &TenantId, command: Command) -> anyhow::Result<()> {
        let envelope = Envelope {
            version: VERSION_SUPPORTED,
            tenant: tenant.clone(),
            actor: Actor { caller: "user:bench".parse()?, on_behalf_of: None, verified: Verified::Assumed },
            reason: None,
            idempotency: None,
            preconditions: Vec::new(),
            stamp: Stamp { reading_ms: 1_800_000_000_000, error_ms: 250 },
            salt: [7; 16],
            command,
        };
        let begun = Instant::now();
        let applied = self.store.apply(LogId { term: 1, index: self.next }, envelope).context("a command fails")?;
        if self.next.is_multiple_of(COMMANDS) {
            self.store.publish()?;
        }
        self.applying += begun.elapsed();
        self.next += 1;
        match applied.result {
            Ok(_) => Ok(()),
            Err(refusal) => bail!("a command is refused: {refusal:?}"),
        }
    }
}
