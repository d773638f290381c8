//! The scripts of the evaluator and of the machine, played over a store.

use std::cell::RefCell;
use std::sync::Arc;

use portcullis_eval::memory::Fact;
use portcullis_eval::script::play;
use portcullis_machine::script::{self as machine_script, Machine};
use portcullis_machine::{Change, Effect, Fault, Outcome, StoredSchema};
use portcullis_model::Tenant;

use super::*;
use crate::state::reads::Reads;
use crate::state::store::{ApplyError, update};

/// A store that facts are written to. Scripts tell of grants that no command makes, such as of a role that does not
/// exist, so facts become effects.
struct World {
    bench: Bench,
    known: usize,
}

impl World {
    fn new() -> Self {
        Self::within(u64::MAX)
    }

    /// One in so much memory.
    fn within(memory_budget_bytes: u64) -> Self {
        let mut bench = Bench::within(memory_budget_bytes);
        let id = TenantId::default_tenant();
        carry_out(&mut bench, vec![Effect::PutTenant(Tenant { id, created: Revision(1) })]);
        Self { bench, known: 0 }
    }

    /// Writes what is new, and returns what is loaded from the rows.
    fn load(&mut self, facts: &[Fact]) -> Arc<View> {
        let tenant = TenantId::default_tenant();
        let effects = facts[self.known..].iter().cloned().map(|fact| match fact {
            Fact::Role(role) => Effect::PutRole { tenant: tenant.clone(), role },
            Fact::Grant(grant) => Effect::PutGrant { tenant: tenant.clone(), grant },
            Fact::Tuple(tuple) => Effect::put(tenant.clone(), tuple),
            Fact::Schema(schema) => Effect::PutSchema {
                tenant: tenant.clone(),
                schema: Box::new(StoredSchema { text: schema.to_string(), written: Revision(1) }),
            },
        });
        self.known = facts.len();
        carry_out(&mut self.bench, effects.collect());
        let written = answers(&self.bench.store.reader().view());
        self.bench.reopen();
        let view = self.bench.store.reader().view().clone();
        assert_eq!(answers(&view), written, "rows and memory came apart");
        view
    }
}

fn carry_out(bench: &mut Bench, effects: Vec<Effect>) {
    let revision = Revision(bench.next);
    let Envelope { tenant, actor, reason, salt, command, .. } = create_tenant("t");
    let (result, repeats) = (Ok(Outcome::Done), None);
    let change = Change { revision, tenant, actor, reason, at: NOW, salt, command, result, repeats, effects };
    bench.store.write(at(bench.next), None, Some(&change)).unwrap();
    change.effects.iter().for_each(|effect| update(bench.store.resident_mut(), effect));
    bench.store.spill();
    bench.store.publish().unwrap();
    bench.next += 1;
}

impl Machine for Bench {
    type State = Reads;

    fn apply(&mut self, revision: Revision, envelope: Envelope) -> Result<Applied, Fault> {
        match self.store.apply(at(revision.0), envelope) {
            Ok(applied) => Ok(applied),
            Err(ApplyError::Fault(fault)) => Err(fault),
            Err(ApplyError::Store(error)) => panic!("{error}"),
        }
    }

    fn state(&self) -> &Reads {
        &self.store.reads
    }
}

#[test]
fn scripts_of_the_evaluator_play_as_they_do_over_plain_maps() {
    let here = TenantId::default_tenant();
    for (name, script) in scripts("eval") {
        let world = RefCell::new(World::new());
        let index = |facts: &[Fact]| {
            let view = world.borrow_mut().load(facts);
            view.resident.tenant(&here).unwrap().as_ref().clone()
        };
        same(&name, &script, play(&script, index));
    }
}

/// The same without memory for relationships.
#[test]
fn scripts_of_the_evaluator_play_alike_from_the_disk() {
    let here: &TenantId = Box::leak(Box::new(TenantId::default_tenant()));
    for (name, script) in scripts("eval") {
        let reading = |facts: &[Fact]| {
            let mut world = World::within(0);
            let loaded = world.load(facts);
            let mut resident = loaded.resident.clone();
            // Where there is nothing to be spilled it is not, by itself.
            resident.spill(here);
            let view = View::published(resident, loaded.revision, &world.bench.store.reads);
            // What a script is played over is nobody's: it stays until the test ends.
            let view: &View = Box::leak(Box::new(view));
            let Some(Stored::Spilled(spilled)) = view.tenant(here) else { panic!("it was spilled") };
            spilled.read(None)
        };
        same(&name, &script, play(&script, reading));
    }
}

fn same<E: std::fmt::Display>(name: &str, script: &str, played: Result<String, E>) {
    let played = played.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(played == script, "{name} plays differently:\n{played}");
}

#[test]
fn scripts_of_the_machine_play_as_they_do_in_memory() {
    for (name, script) in scripts("machine") {
        let played = machine_script::play(&script, Bench::empty).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(played == script, "{name} plays differently:\n{played}");
    }
}

/// The scripts of another crate, by their paths.
fn scripts(of: &str) -> Vec<(String, String)> {
    let folder = format!("{}/../{of}/testscripts", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {folder}");
    paths.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}
