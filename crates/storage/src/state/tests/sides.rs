//! The same commands given to the store and to the state in memory.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_eval::memory::{Fact, Memory as Plain};
use portcullis_machine::memory::Memory;
use portcullis_machine::{State, apply};
use portcullis_model::{GrantFilter, GrantState, TupleFilter};

use super::commands::*;
use super::*;
use crate::dice::{self, Dice};
use crate::state::Due;

/// Sequences of commands, each from a seed of its own.
const SEEDS: u64 = 4;
const COMMANDS: u64 = 640;
const COMPARE_EVERY: u64 = 20;
const ALL: usize = 1_000;

#[expect(clippy::needless_pass_by_value, reason = "what was read is compared where it is read")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) {
    assert!(ours == theirs, "{what}:\n{ours:?}\n{theirs:?}");
}

/// Compares every read that a command may make.
pub(super) fn compare(ours: &impl State, theirs: &impl State) {
    same("version", ours.active_version().unwrap(), theirs.active_version().unwrap());
    same("stamp", ours.last_stamp().unwrap(), theirs.last_stamp().unwrap());
    same("cluster", ours.cluster().unwrap(), theirs.cluster().unwrap());
    same("floor", ours.history_floor().unwrap(), theirs.history_floor().unwrap());
    same("trust", ours.trust().unwrap(), theirs.trust().unwrap());
    same("leases", ours.leases().unwrap(), theirs.leases().unwrap());
    for node in (0..6).map(NodeId) {
        same("admitted", ours.is_admitted(node).unwrap(), theirs.is_admitted(node).unwrap());
        same("retired", ours.is_retired(node).unwrap(), theirs.is_retired(node).unwrap());
    }
    for name in TENANTS {
        compare_tenant(ours, theirs, &tenant(name));
    }
}

fn compare_tenant(ours: &impl State, theirs: &impl State, tenant: &TenantId) {
    same("tenant", ours.tenant(tenant).unwrap(), theirs.tenant(tenant).unwrap());
    for role in ROLES.map(role) {
        same("role", ours.role(tenant, &role).unwrap(), theirs.role(tenant, &role).unwrap());
        same("heirs", ours.role_heirs(tenant, &role).unwrap(), theirs.role_heirs(tenant, &role).unwrap());
        same("user of a role", ours.role_user(tenant, &role).unwrap(), theirs.role_user(tenant, &role).unwrap());
    }
    for grant in GRANTS.map(grant_id) {
        same("grant", ours.grant(tenant, &grant).unwrap(), theirs.grant(tenant, &grant).unwrap());
    }
    for filter in grant_filters() {
        let read = |most| (ours.live_grants(tenant, &filter, most), theirs.live_grants(tenant, &filter, most));
        let (ours, theirs) = read(ALL);
        same("grants", ours.unwrap(), theirs.unwrap());
        let (ours, theirs) = read(1);
        same("as many grants", ours.unwrap().len(), theirs.unwrap().len());
    }
    for relationship in relationships() {
        let has = |has: portcullis_machine::Read<bool>| has.unwrap();
        let (ours, theirs) =
            (ours.has_relationship(tenant, &relationship), theirs.has_relationship(tenant, &relationship));
        same("relationship", has(ours), has(theirs));
    }
    let wide = ["group:e…", "document:plan#viewer@user:…#…", "*@user:…", "*@user:*#…", "*@group:…#member"];
    let wide = wide.map(|filter| filter.parse().unwrap());
    for filter in relationship_filters().iter().map(TupleFilter::from).chain(wide) {
        let read = |most| (ours.relationships(tenant, &filter, most), theirs.relationships(tenant, &filter, most));
        let (ours, theirs) = read(ALL);
        same("relationships", ours.unwrap(), theirs.unwrap());
        let (ours, theirs) = read(2);
        same("as many relationships", ours.unwrap().len(), theirs.unwrap().len());
    }
    for key in memory_keys(tenant) {
        same("remembered", ours.remembered(&key).unwrap(), theirs.remembered(&key).unwrap());
    }
    same("count", ours.remembered_count(tenant).unwrap(), theirs.remembered_count(tenant).unwrap());
    for most in [1, 3, ALL] {
        let (ours, theirs) = (ours.oldest_remembered(tenant, most), theirs.oldest_remembered(tenant, most));
        same("oldest", ours.unwrap(), theirs.unwrap());
    }
}

/// A version made of the state in memory, by the plainest way.
fn plain(state: &Memory, tenant: &TenantId) -> Plain {
    let mut plain = Plain::default();
    for role in ROLES.map(role) {
        if let Some(role) = state.role(tenant, &role).unwrap() {
            plain.put(&Fact::Role(role));
        }
    }
    for grant in state.live_grants(tenant, &GrantFilter::default(), ALL).unwrap() {
        plain.put(&Fact::Grant(Box::new(grant)));
    }
    if let Some(schema) = state.schema(tenant).unwrap() {
        plain.put(&Fact::Schema(schema));
    }
    for tuple in state.tuples_where(tenant, &TupleFilter::default(), ALL, &|_| true).unwrap() {
        plain.put(&Fact::Tuple(tuple));
    }
    plain
}

/// What checks read follows from the state in memory.
fn compare_view(view: &View, state: &Memory) {
    let clock = Some(Clock { reading: NOW, error_ms: ERROR_MS });
    for name in TENANTS {
        let tenant = tenant(name);
        let index = view.resident.tenant(&tenant);
        assert_eq!(index.is_some(), state.tenant(&tenant).unwrap().is_some(), "{tenant}");
        let (Some(index), plain) = (index, plain(state, &tenant)) else { continue };
        for (subject, resource) in SUBJECTS.iter().flat_map(|subject| SCOPES.map(|scope| (*subject, scope))) {
            let (subject, resource): (Subject, Object) = (subject.parse().unwrap(), resource.parse().unwrap());
            let budget = Budget::new(&in_time);
            let ours = portcullis_eval::permissions(index.as_ref(), &subject, &resource, clock, &budget).unwrap();
            let theirs = portcullis_eval::permissions(&plain, &subject, &resource, clock, &budget).unwrap();
            assert_eq!(ours, theirs, "{tenant}: {subject} on {resource}");
        }
    }
}

/// What the leader would find by looking at every grant.
fn due(state: &Memory, start_by: Timestamp, end_by: Timestamp) -> (BTreeSet<GrantKey>, BTreeSet<GrantKey>) {
    let (mut starts, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for tenant in TENANTS.map(tenant) {
        for grant in state.live_grants(&tenant, &GrantFilter::default(), ALL).unwrap() {
            let key = (tenant.clone(), grant.id.clone());
            if grant.state == GrantState::Scheduled && grant.window.start.is_some_and(|start| start <= start_by) {
                starts.insert(key.clone());
            }
            if grant.window.end.is_some_and(|end| end <= end_by) {
                ends.insert(key);
            }
        }
    }
    (starts, ends)
}

type GrantKey = (TenantId, GrantId);

fn compare_due(found: &Due, state: &Memory, start_by: Timestamp, end_by: Timestamp) {
    let starts: BTreeSet<GrantKey> = found.starts.iter().map(|due| (due.tenant.clone(), due.id.clone())).collect();
    let ends: BTreeSet<GrantKey> = found.ends.iter().map(|due| (due.tenant.clone(), due.id.clone())).collect();
    assert_eq!((starts.len(), ends.len()), (found.starts.len(), found.ends.len()), "each once");
    assert_eq!((starts, ends), due(state, start_by, end_by));
}

/// What the store must be at a revision, however it came there.
struct Moment {
    envelope: Option<Envelope>,
    sum: Sum,
    answers: Vec<(String, Bounds)>,
    membership: Option<Vec<u8>>,
}

fn check_moment(store: &Store, moments: &BTreeMap<u64, Moment>) {
    let Some(LogId { index, .. }) = store.applied() else { return };
    let moment = &moments[&index];
    let reader = store.reader();
    assert_eq!(reader.view().revision, Revision(index));
    assert_eq!(reader.state_hash(Revision(index)), Some(moment.sum), "hash at {index}");
    assert_eq!(sum_of_all(store), moment.sum, "sum over the rows at {index}");
    assert_eq!(answers(&reader.view()), moment.answers, "answers at {index}");
    assert_eq!(store.membership(), moment.membership.as_deref());
}

/// Brings a store forward from wherever it is.
fn catch_up(store: &mut Store, moments: &BTreeMap<u64, Moment>) {
    let next = store.applied().map_or(1, |applied| applied.index + 1);
    for (index, moment) in moments.range(next..) {
        match (&moment.envelope, index % 10) {
            (Some(envelope), _) => drop(store.apply(at(*index), envelope.clone()).unwrap()),
            (None, 0) => store.apply_membership(at(*index), index.to_be_bytes().to_vec()).unwrap(),
            (None, _) => store.apply_blank(at(*index)).unwrap(),
        }
        assert_eq!(store.reader().state_hash(Revision(*index)), Some(moment.sum), "hash at {index}");
    }
    store.publish().unwrap();
}

/// Cuts the end of the write-ahead log, as a power loss does to what is not synced.
fn lose_power(path: &Path, dice: &mut Dice) {
    for item in fs::read_dir(path.join("gen-1")).unwrap() {
        let path = item.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let bytes = fs::metadata(&path).unwrap().len();
            let kept = u64::try_from(dice.below(usize::try_from(bytes).unwrap() + 1)).unwrap();
            let mut contents = fs::read(&path).unwrap()[..usize::try_from(kept).unwrap()].to_vec();
            // What stood on the disk before.
            contents.extend((0..dice.below(40)).map(|_| u8::try_from(dice.below(256)).unwrap()));
            fs::write(&path, contents).unwrap();
        }
    }
}

/// `STATE_SEED` makes other sequences.
#[test]
fn the_store_is_the_state_in_memory() {
    let mut drawn = [0; KINDS];
    for seed in dice::seeds("STATE_SEED", SEEDS) {
        println!("replay with STATE_SEED={seed}");
        let one = sequence(seed);
        drawn.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
    }
    assert!(drawn.iter().all(|drawn| *drawn > 10), "some commands were hardly drawn: {drawn:?}");
}

fn sequence(seed: u64) -> [u32; KINDS] {
    let mut commands = Commands::new(seed);
    let mut dice = Dice(seed ^ 0xffff);
    let (mut memory, mut bench) = (Memory::default(), Bench::empty());
    // Another store gets the same commands, and is reopened and loses power now and then. It reads from the disk what the
    // first has in memory.
    let mut other = Bench::within(0);
    let (mut moments, mut refused) = (BTreeMap::new(), 0);
    for index in 1..=COMMANDS {
        let (start_by, end_by) = (commands.now, commands.now.plus_ms(ERROR_MS));
        let due = bench.store.reader().due(start_by, end_by, ALL).unwrap();
        compare_due(&due, &memory, start_by, end_by);
        let envelope = match index {
            1 => Some(initialise()),
            _ if index % 25 < 2 => None,
            _ => Some(commands.next(&due)),
        };
        let mut record = None;
        if let Some(envelope) = envelope.clone() {
            let expected = apply(&memory, Revision(index), envelope.clone()).unwrap();
            memory.carry_out(&expected.change);
            let applied = bench.store.apply(at(index), envelope).unwrap();
            assert_eq!(applied, expected);
            refused += u32::from(applied.result.is_err());
            record = Some(expected.change);
        } else if index % 10 == 0 {
            bench.store.apply_membership(at(index), index.to_be_bytes().to_vec()).unwrap();
        } else {
            bench.store.apply_blank(at(index)).unwrap();
        }
        bench.store.publish().unwrap();
        assert_eq!(bench.store.reader().change(Revision(index)).unwrap(), record);
        let view = bench.store.reader();
        let (answers, sum) = (answers(&view.view()), bench.store.sum);
        let membership = bench.store.membership().map(<[u8]>::to_vec);
        moments.insert(index, Moment { envelope, sum, answers, membership });
        if index % COMPARE_EVERY == 0 {
            compare(&bench.store.reads, &memory);
            compare_view(&bench.store.reader().view(), &memory);
            check_moment(&bench.store, &moments);
        }
        if dice.below(40) == 0 {
            follow(&mut other, &moments, &mut dice);
        }
    }
    follow(&mut other, &moments, &mut dice);
    assert_eq!(rows(&other.store), rows(&bench.store));
    let refused_share = u64::from(refused) * 100 / COMMANDS;
    assert!((10..80).contains(&refused_share), "{refused_share} % were refused");
    commands.drawn
}

fn follow(other: &mut Bench, moments: &BTreeMap<u64, Moment>, dice: &mut Dice) {
    catch_up(&mut other.store, moments);
    check_moment(&other.store, moments);
    let path = other.folder.path().to_owned();
    let loses_power = dice.below(2) == 0;
    replace(&mut other.store, || {
        if loses_power {
            lose_power(&path, dice);
        }
        open_within(&path, 0)
    });
    check_moment(&other.store, moments);
    catch_up(&mut other.store, moments);
    check_moment(&other.store, moments);
}
