//! The index against worlds in plain maps, and against its own past.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use portcullis_eval::memory::{Fact, Memory};
use portcullis_eval::script::{self, play};
use portcullis_eval::{Bounds, Budget, Query, check, explain, permissions};
use portcullis_model::{
    Clock, Grant, GrantId, GrantState, Object, PermissionName, Relationship, Role, RoleId, Subject, TenantId, Timestamp,
};

use super::{Resident, TenantIndex};
use crate::dice::{self, Dice};

const NOW: Timestamp = Timestamp(1_000_000);
const CLOCK: Clock = Clock { reading: NOW, error_ms: 250 };
/// Sequences of mutations, each from a seed of its own.
const SEEDS: u64 = 12;
const MUTATIONS: usize = 3_000;
/// Mutations between two comparisons.
const COMPARE_EVERY: usize = 40;
/// Comparisons between two versions that are kept to the end.
const KEEP_EVERY: usize = 15;

fn in_time() -> bool {
    false
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn resident() -> Resident {
    let mut resident = Resident::default();
    resident.put_tenant(&tenant());
    resident
}

fn index(resident: &Resident) -> &TenantIndex {
    resident.tenant(&tenant()).unwrap()
}

impl Dice {
    fn subject(&mut self) -> String {
        match self.below(8) {
            0..3 => format!("user:u{}", self.below(3)),
            3..7 => format!("group:g{}#member", self.below(4)),
            _ => "user:*".to_owned(),
        }
    }

    fn relationship(&mut self) -> Relationship {
        let text = match self.below(4) {
            0 => format!("document:d{}#parent@folder:f{}", self.below(3), self.below(3)),
            1 => format!("folder:f{}#parent@folder:f{}", self.below(3), self.below(3)),
            _ => format!("group:g{}#member@{}", self.below(4), self.subject()),
        };
        text.parse().unwrap()
    }

    fn grant(&mut self) -> Grant {
        let scope = [format!("document:d{}", self.below(3)), format!("folder:f{}", self.below(3))];
        let end = [None, None, Some(NOW.plus_ms(10_000)), Some(NOW.plus_ms(100))][self.below(4)];
        let states = [GrantState::Active, GrantState::Active, GrantState::Scheduled, GrantState::Ended { at: NOW }];
        let words = [
            format!("grant{}", self.below(12)),
            self.subject(),
            format!("r{}", self.below(5)),
            scope[self.below(2)].clone(),
        ];
        script::grant(words.each_ref().map(String::as_str), end, states[self.below(4)].clone()).unwrap()
    }

    /// A role that inherits only roles of smaller numbers that exist, so that there is no cycle.
    fn role(&mut self, known: &BTreeMap<RoleId, Role>) -> Role {
        let number = self.below(5);
        let patterns = ["document#view", "document#edit", "folder#view", "folder#*", "document#*"];
        let mut words: Vec<String> = (0..self.below(3)).map(|_| patterns[self.below(5)].to_owned()).collect();
        words.push("inherits".to_owned());
        words.extend((0..number).map(|lower| format!("r{lower}")).filter(|lower| {
            let exists = known.contains_key(&lower.parse::<RoleId>().unwrap());
            exists && self.below(2) == 0
        }));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        script::role(&format!("r{number}"), &words).unwrap()
    }
}

/// What is so, as plainly as can be.
#[derive(Clone, Default)]
struct Facts {
    roles: BTreeMap<RoleId, Role>,
    grants: BTreeMap<GrantId, Grant>,
    relationships: BTreeSet<Relationship>,
}

impl Facts {
    fn load(&self) -> Memory {
        let mut memory = Memory::default();
        self.roles.values().cloned().for_each(|role| memory.put(&Fact::Role(role)));
        self.grants.values().cloned().for_each(|grant| memory.put(&Fact::Grant(Box::new(grant))));
        self.relationships.iter().cloned().for_each(|one| memory.put(&Fact::Tuple(one.into())));
        memory
    }

    fn is_used(&self, role: &RoleId) -> bool {
        self.roles.values().any(|heir| heir.inherits.contains(role))
            || self.grants.values().any(|grant| grant.state.is_live() && grant.role == *role)
    }

    fn active(&self) -> usize {
        self.grants.values().filter(|grant| grant.state == GrantState::Active).count()
    }
}

fn mutate(resident: &mut Resident, facts: &mut Facts, dice: &mut Dice) {
    let tenant = tenant();
    match dice.below(10) {
        0..3 => {
            let relationship = dice.relationship();
            resident.put_tuple(&tenant, &relationship.clone().into());
            facts.relationships.insert(relationship);
        }
        3..5 => {
            let relationship = dice.relationship();
            resident.delete_relationship(&tenant, &relationship);
            facts.relationships.remove(&relationship);
        }
        5..8 => {
            let grant = dice.grant();
            resident.put_grant(&tenant, &grant);
            facts.grants.insert(grant.id.clone(), grant);
        }
        8 => {
            let role = dice.role(&facts.roles);
            resident.put_role(&tenant, &role);
            facts.roles.insert(role.id.clone(), role);
        }
        _ => {
            let role: RoleId = format!("r{}", dice.below(5)).parse().unwrap();
            if !facts.is_used(&role) {
                resident.delete_role(&tenant, &role);
                facts.roles.remove(&role);
            }
        }
    }
}

#[derive(Default)]
struct Shares {
    allows: u32,
    denies: u32,
    undecided: u32,
}

/// Compares every answer and every explanation, word by word.
fn compare(index: &TenantIndex, facts: &Facts, shares: &mut Shares) {
    let (memory, budget) = (facts.load(), Budget::new(&in_time));
    assert_eq!(index.grants(), facts.active() as u64);
    assert_eq!(index.relationships(), facts.relationships.len() as u64);
    for subject in ["user:u0", "user:u1", "user:stranger", "user:*", "group:g0#member"] {
        for resource in ["document:d0", "document:d1", "folder:f0"] {
            let (subject, resource): (Subject, Object) = (subject.parse().unwrap(), resource.parse().unwrap());
            let held = permissions(index, &subject, &resource, Some(CLOCK), &budget);
            assert_eq!(held, permissions(&memory, &subject, &resource, Some(CLOCK), &budget));
            for permission in ["view", "edit", "burn"] {
                let permission: PermissionName = permission.parse().unwrap();
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                let bounds = check(index, query, Some(CLOCK), &budget).unwrap().bounds;
                assert_eq!(bounds, check(&memory, query, Some(CLOCK), &budget).unwrap().bounds);
                let explained = explain(index, query, Some(CLOCK), &budget);
                assert_eq!(explained, explain(&memory, query, Some(CLOCK), &budget));
                match bounds.decided() {
                    Some(true) => shares.allows += 1,
                    Some(false) => shares.denies += 1,
                    None => shares.undecided += 1,
                }
            }
        }
    }
}

/// `RESIDENT_SEED` makes other sequences.
#[test]
fn answers_are_those_of_the_surviving_facts_and_versions_never_change() {
    let mut shares = Shares::default();
    for seed in dice::seeds("RESIDENT_SEED", SEEDS) {
        println!("replay with RESIDENT_SEED={seed}");
        sequence(&mut Dice(seed), &mut shares);
    }
    let Shares { allows, denies, undecided } = shares;
    let all = allows + denies + undecided;
    println!("{allows} allows, {denies} denies, {undecided} undecided of {all}");
    assert!(allows * 100 / all >= 20 && denies * 100 / all >= 20, "the worlds are too thin to mean anything");
}

fn sequence(dice: &mut Dice, shares: &mut Shares) {
    let (mut resident, mut facts, mut kept) = (resident(), Facts::default(), Vec::new());
    for mutation in 1..=MUTATIONS {
        mutate(&mut resident, &mut facts, dice);
        if mutation % COMPARE_EVERY == 0 {
            compare(index(&resident), &facts, shares);
        }
        if mutation % (COMPARE_EVERY * KEEP_EVERY) == 0 {
            kept.push((resident.clone(), facts.clone()));
        }
    }
    assert!(!kept.is_empty());
    for (version, facts) in &kept {
        compare(index(version), facts, &mut Shares::default());
    }
}

#[test]
fn scripts_play_as_they_do_over_plain_maps() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../eval/testscripts");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {folder}");
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let load = |facts: &[Fact]| {
            let (mut resident, mut has_schema) = (resident(), false);
            // Heirs before what they inherit, and so on: the order in which rows are loaded is none of the script's.
            for fact in facts.iter().rev() {
                match fact {
                    Fact::Role(role) => resident.put_role(&tenant(), role),
                    Fact::Grant(grant) => resident.put_grant(&tenant(), grant),
                    Fact::Tuple(tuple) => resident.put_tuple(&tenant(), tuple),
                    // The last is the one that counts.
                    Fact::Schema(_) if has_schema => {}
                    Fact::Schema(schema) => {
                        resident.put_schema(&tenant(), schema);
                        has_schema = true;
                    }
                }
            }
            index(&resident).clone()
        };
        let played = play(&script, load).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(played == script, "{} plays differently:\n{played}", path.display());
    }
}

/// Lists that have become trees, on both sides, and back down to nothing.
#[test]
fn long_lists_answer_like_short_ones() {
    let (tenant, mut resident) = (tenant(), resident());
    resident.put_role(&tenant, &script::role("viewer", &["document#view"]).unwrap());
    let view = |resident: &Resident, subject: &str| {
        let (subject, permission) = (subject.parse().unwrap(), "view".parse().unwrap());
        let resource = "document:plan".parse().unwrap();
        let query = Query { subject: &subject, permission: &permission, resource: &resource };
        check(index(resident), query, Some(CLOCK), &Budget::new(&in_time)).unwrap().bounds
    };
    let member = |n: usize| format!("group:g{n}#member@user:u").parse::<Relationship>().unwrap();
    let grant = |n: usize, state| {
        let (id, subject) = (format!("grant{n}"), format!("group:g{n}#member"));
        script::grant([&id, &subject, "viewer", "document:plan"], None, state).unwrap()
    };
    for n in 0..1_100 {
        resident.put_tuple(&tenant, &member(n).into());
        resident.put_grant(&tenant, &grant(n, GrantState::Active));
    }
    let full = resident.clone();
    assert_eq!(view(&resident, "user:u"), Bounds::YES);
    for n in 0..1_100 {
        resident.delete_relationship(&tenant, &member(n));
    }
    assert_eq!((view(&resident, "user:u"), view(&resident, "group:g1099#member")), (Bounds::NO, Bounds::YES));
    for n in 0..1_100 {
        resident.put_grant(&tenant, &grant(n, GrantState::Ended { at: NOW }));
    }
    assert_eq!((view(&resident, "group:g1099#member"), index(&resident).grants()), (Bounds::NO, 0));
    assert_eq!((view(&full, "user:u"), index(&full).grants()), (Bounds::YES, 1_100));
}

#[test]
fn tenants_are_worlds_of_their_own() {
    let (here, there) = (tenant(), TenantId::system());
    let mut resident = resident();
    resident.put_tenant(&there);
    let member: Relationship = "group:eng#member@user:alice".parse().unwrap();
    resident.put_tuple(&here, &member.into());
    let relationships = |resident: &Resident, tenant| resident.tenant(tenant).map(|index| index.relationships());
    assert_eq!((relationships(&resident, &here), relationships(&resident, &there)), (Some(1), Some(0)));
    // A tenant that exists keeps what it has.
    resident.put_tenant(&here);
    let before = resident.clone();
    resident.drop_tenant(&here);
    assert_eq!((relationships(&resident, &here), relationships(&before, &here)), (None, Some(1)));
    assert!(before.bytes_estimate() > resident.bytes_estimate());
    resident.put_tenant(&here);
    assert_eq!(relationships(&resident, &here), Some(0));
}

/// Questions and deletions about what is not there add nothing.
#[test]
fn names_are_interned_by_facts_only() {
    let mut resident = resident();
    resident.delete_relationship(&tenant(), &"group:eng#member@user:alice".parse().unwrap());
    assert_eq!(resident.bytes_estimate(), 0);
}
