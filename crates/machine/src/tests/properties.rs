//! What holds of every history.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{Grant, GrantFilter, GrantId, GrantState, Relationship, Revision, RoleId, TenantId, limit};
use proptest::prelude::*;

use super::coverage::Coverage;
use super::histories::{GRANTS, Moment, ROLES, TENANTS, history, runner, walk};
use crate::memory::Memory;
use crate::script::Machine;
use crate::{Command, Effect, Outcome, Refusal, State};

const CASES: u32 = 400;

#[test]
fn two_machines_agree() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        let (mut other, mut revision) = (Memory::default(), Revision(0));
        let state = walk(&history, |moment| {
            revision = Revision(revision.0 + 1);
            let again = Machine::apply(&mut other, revision, moment.envelope.clone()).unwrap();
            prop_assert_eq!(&again, moment.applied);
            coverage.count_verdict(moment);
            Ok(())
        })?;
        prop_assert_eq!(state, other);
        Ok(())
    });
    tested.unwrap();
    coverage.assert_verdicts();
}

/// The record of a command says all that it did; a refused one did nothing, but for what is remembered of calls.
#[test]
fn records_tell_what_happened() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        let mut copy = Memory::default();
        let state = walk(&history, |moment| {
            let Moment { before, envelope, applied, after } = moment;
            let change = &applied.change;
            prop_assert!(before.last_stamp().unwrap() <= change.at);
            prop_assert!(change.at.0 >= envelope.stamp.reading_ms);
            prop_assert_eq!(after.last_stamp().unwrap(), change.at);
            prop_assert_eq!((&change.command, &change.result), (&envelope.command, &applied.result));
            copy.carry_out(change);
            let effects = || change.effects.iter().filter(|effect| !is_about_calls(effect));
            let footprint = envelope.command.footprint(&envelope.tenant);
            prop_assert!(effects().all(|effect| footprint.covers(effect)));
            match &applied.result {
                Err(_) => prop_assert_eq!(effects().count(), 0),
                Ok(_) if change.repeats.is_some() => prop_assert_eq!(effects().count(), 0),
                Ok(outcome) => agree(outcome, &effects().collect::<Vec<_>>(), &envelope.tenant, after)?,
            }
            coverage.count_verdict(moment);
            Ok(())
        })?;
        prop_assert_eq!(state, copy);
        Ok(())
    });
    tested.unwrap();
    coverage.assert_verdicts();
}

fn is_about_calls(effect: &Effect) -> bool {
    matches!(effect, Effect::Remember { .. } | Effect::Forget { .. })
}

/// What the caller is told is what was done, and what is stored.
fn agree(outcome: &Outcome, effects: &[&Effect], tenant: &TenantId, after: &Memory) -> Result<(), TestCaseError> {
    match outcome {
        Outcome::Done => {}
        Outcome::Tenant(made) => prop_assert_eq!(after.tenant(&made.id).unwrap(), Some(made.clone())),
        Outcome::Role(role) => prop_assert_eq!(after.role(tenant, &role.id).unwrap(), Some(role.clone())),
        Outcome::Grant(grant) => prop_assert_eq!(after.grant(tenant, &grant.id).unwrap(), Some((**grant).clone())),
        Outcome::Leases(leases) => prop_assert_eq!(after.leases().unwrap(), (**leases).clone()),
        Outcome::Grants(ids) => {
            let put = effects.iter().filter_map(|effect| match effect {
                Effect::PutGrant { grant, .. } => Some(&grant.id),
                _ => None,
            });
            prop_assert!(put.eq(ids));
        }
        Outcome::Deleted { deleted, .. } => {
            let all = effects.iter().all(|effect| matches!(effect, Effect::DeleteRelationship { .. }));
            prop_assert!(all, "it does nothing but delete");
            prop_assert_eq!(effects.len() as u64, *deleted);
        }
        Outcome::Relationships { created, deleted } => {
            let count = |wanted: fn(&Effect) -> bool| effects.iter().filter(|effect| wanted(effect)).count() as u64;
            // What is touched may be put without being new.
            let is_put = |effect: &Effect| matches!(effect, Effect::PutRelationship { .. } | Effect::PutTuple { .. });
            prop_assert!(count(is_put) >= *created);
            for (at, effect) in effects.iter().enumerate() {
                let Effect::PutTuple { tuple, .. } = effect else { continue };
                let is_last = !effects[at + 1..].iter().any(|later| relationship(later) == Some(&tuple.relationship));
                let stored = after.qualifier(tenant, &tuple.relationship).unwrap();
                prop_assert!(!is_last || stored.as_ref() == Some(&tuple.qualifier), "{tuple}");
            }
            prop_assert_eq!(count(|effect| matches!(effect, Effect::DeleteRelationship { .. })), *deleted);
        }
    }
    Ok(())
}

/// The relationship that an effect changes.
fn relationship(effect: &Effect) -> Option<&Relationship> {
    match effect {
        Effect::PutRelationship { relationship, .. } | Effect::DeleteRelationship { relationship, .. } => {
            Some(relationship)
        }
        Effect::PutTuple { tuple, .. } => Some(&tuple.relationship),
        _ => None,
    }
}

#[test]
fn grants_that_ended_never_come_back() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        let mut over: BTreeMap<(TenantId, GrantId), Grant> = BTreeMap::new();
        walk(&history, |moment| {
            for effect in &moment.applied.change.effects {
                match effect {
                    // Whatever has the same name in a new tenant is another grant.
                    Effect::DropTenant(gone) => over.retain(|(tenant, _), _| tenant != gone),
                    Effect::PutGrant { tenant, grant } => {
                        let old = moment.before.grant(tenant, &grant.id).unwrap();
                        prop_assert!(may_follow(old.as_ref(), grant), "{old:?} {grant:?}");
                        prop_assert_eq!(grant.modified, moment.applied.revision);
                        if !grant.state.is_live() {
                            over.insert((tenant.clone(), grant.id.clone()), (**grant).clone());
                        }
                        coverage.count(match (&grant.state, &old) {
                            (GrantState::Scheduled | GrantState::Active, None) => "made",
                            (GrantState::Scheduled | GrantState::Active, Some(_)) => "started",
                            (GrantState::Ended { .. }, _) => "ended",
                            (GrantState::Revoked { .. }, _) => "revoked",
                        });
                    }
                    _ => {}
                }
            }
            for ((tenant, id), grant) in &over {
                prop_assert_eq!(moment.after.grant(tenant, id).unwrap(), Some(grant.clone()));
            }
            let wanted = names_grants(moment);
            if over.keys().any(|(tenant, id)| wanted.contains(&(tenant, id))) {
                coverage.count("named again");
            }
            Ok(())
        })?;
        Ok(())
    });
    tested.unwrap();
    for what in ["made", "started", "ended", "revoked", "named again"] {
        println!("{what}: {}", coverage.of(what));
        assert!(coverage.of(what) >= CASES / 2, "hardly a grant is {what}");
    }
}

/// Whether a grant may be what it is after what it was. Only where it stands ever changes.
fn may_follow(old: Option<&Grant>, new: &Grant) -> bool {
    use GrantState::{Active, Ended, Revoked, Scheduled};
    let Some(old) = old else {
        return new.created == new.modified && new.state.is_live();
    };
    let step = match (&old.state, &new.state) {
        (Scheduled, Active | Ended { .. } | Revoked { .. }) | (Active, Ended { .. } | Revoked { .. }) => true,
        (Scheduled | Active, Scheduled | Active) | (Ended { .. } | Revoked { .. }, _) => false,
    };
    step && *new == Grant { state: new.state.clone(), modified: new.modified, ..old.clone() }
}

/// The grants that a command names.
fn names_grants<'a>(moment: &Moment<'a>) -> BTreeSet<(&'a TenantId, &'a GrantId)> {
    let tenant = &moment.envelope.tenant;
    match &moment.envelope.command {
        Command::CreateGrant(command) => BTreeSet::from([(tenant, &command.id)]),
        Command::RevokeGrants(command) => command.ids.iter().map(|id| (tenant, id)).collect(),
        Command::StartGrants(command) => command.due.iter().map(|due| (&due.tenant, &due.id)).collect(),
        Command::ExpireGrants(command) => command.due.iter().map(|due| (&due.tenant, &due.id)).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn revocation_by_filter_leaves_no_live_grant_that_matches() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        walk(&history, |moment| {
            let Command::RevokeByFilter(command) = &moment.envelope.command else { return Ok(()) };
            let (Ok(Outcome::Grants(revoked)), None) = (&moment.applied.result, moment.applied.change.repeats) else {
                return Ok(());
            };
            let live = |state: &Memory, filter: &GrantFilter| {
                let live = state.live_grants(&moment.envelope.tenant, filter, usize::MAX).unwrap();
                live.into_iter().map(|grant| grant.id).collect::<Vec<_>>()
            };
            prop_assert_eq!(&live(moment.before, &command.filter), revoked);
            prop_assert!(live(moment.after, &command.filter).is_empty());
            // The others are not touched.
            let all = GrantFilter::default();
            let mut others = live(moment.before, &all);
            others.retain(|id| !revoked.contains(id));
            prop_assert_eq!(live(moment.after, &all), others.clone());
            coverage.count(match (revoked.is_empty(), others.is_empty()) {
                (true, _) => "none",
                (false, true) => "all",
                (false, false) => "some",
            });
            Ok(())
        })?;
        Ok(())
    });
    tested.unwrap();
    let [none, some, all] = ["none", "some", "all"].map(|what| coverage.of(what));
    println!("revoked none {none}, some {some}, all {all} times");
    assert!(none.min(some).min(all) * 100 / (none + some + all) >= 3, "filters hardly ever select");
}

/// A call with a key is carried out once a day, whatever comes between: checked against a plain list of calls.
#[test]
fn calls_with_a_key_are_carried_out_once() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        let mut calls = BTreeMap::new();
        walk(&history, |moment| {
            let Moment { envelope, applied, after, .. } = moment;
            let change = &applied.change;
            if let Some(idempotency) = &envelope.idempotency {
                let name = (envelope.tenant.clone(), envelope.actor.caller.clone(), idempotency.key.clone());
                let day = limit::IDEMPOTENCY_RETENTION_MS;
                match calls.get(&name).filter(|(_, _, at, _)| change.at.0 - at < day) {
                    Some((digest, revision, _, result)) if *digest == idempotency.digest => {
                        prop_assert_eq!((applied.revision, change.repeats), (*revision, Some(*revision)));
                        prop_assert_eq!(&applied.result, result);
                        coverage.count(if result.is_ok() { "repeated" } else { "refused again" });
                    }
                    Some(_) => {
                        let reused = Refusal::IdempotencyKeyReused(idempotency.key.clone());
                        prop_assert_eq!(&applied.result, &Err(reused));
                        coverage.count("reused");
                    }
                    None => {
                        prop_assert_eq!((applied.revision, change.repeats), (change.revision, None));
                        coverage.count(if calls.contains_key(&name) { "outdated" } else { "first" });
                        let call = (idempotency.digest, change.revision, change.at.0, applied.result.clone());
                        calls.insert(name, call);
                    }
                }
            } else {
                prop_assert_eq!((applied.revision, change.repeats), (change.revision, None));
            }
            // A tenant that is gone remembers nothing.
            calls.retain(|(tenant, _, _), _| after.tenant(tenant).unwrap().is_some());
            Ok(())
        })?;
        Ok(())
    });
    tested.unwrap();
    for what in ["first", "repeated", "refused again", "reused", "outdated"] {
        println!("{what}: {}", coverage.of(what));
        assert!(coverage.of(what) >= CASES / 2, "hardly a call is {what}");
    }
}

/// What other crates rely on: roles inherit roles that exist and never themselves, live grants have a role.
#[test]
fn states_are_whole() {
    let coverage = Coverage::default();
    let tested = runner(CASES).run(&history(), |history| {
        walk(&history, |moment| {
            coverage.count_verdict(moment);
            let tenants: BTreeSet<TenantId> = TENANTS.iter().map(|tenant| tenant.parse().unwrap()).collect();
            for tenant in &tenants {
                is_whole(moment.after, tenant)?;
            }
            Ok(())
        })?;
        Ok(())
    });
    tested.unwrap();
    for reason in ["INHERITANCE_CYCLE", "ROLE_IN_USE", "ROLE_NOT_FOUND"] {
        assert!(coverage.of(&format!("reason {reason}")) >= CASES / 2, "hardly a command is refused for {reason}");
    }
}

fn is_whole(state: &Memory, tenant: &TenantId) -> Result<(), TestCaseError> {
    let role = |id: &RoleId| state.role(tenant, id).unwrap();
    for id in GRANTS {
        let grant = state.grant(tenant, &id.parse().unwrap()).unwrap();
        if let Some(grant) = grant.filter(|grant| grant.state.is_live()) {
            prop_assert!(role(&grant.role).is_some(), "grant {} has no role", grant.id);
        }
    }
    for id in ROLES {
        let start: RoleId = id.parse().unwrap();
        let (mut reached, mut waiting) = (BTreeSet::new(), Vec::from_iter(role(&start)));
        while let Some(next) = waiting.pop() {
            for parent in next.inherits {
                prop_assert!(parent != start, "role {} inherits itself", start);
                let inherited = role(&parent);
                prop_assert!(inherited.is_some(), "role {} inherits {}, which is not there", next.id, parent);
                if reached.insert(parent) {
                    waiting.extend(inherited);
                }
            }
        }
    }
    Ok(())
}
