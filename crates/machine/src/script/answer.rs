//! What came of commands, and what they left, as scripts write it.

use std::fmt::Display;

use portcullis_lease::{Configuration, Roster};
use portcullis_model::{Actor, Grant, GrantState, Reason, Role, Tenant, Trust, Verified, Window};

use crate::{Applied, Effect, Outcome};

/// Longer lists are written by their ends.
const LISTED_MAX: usize = 20;

/// The answer to a command. What was written is in its effects, and in the state.
pub(super) fn applied(applied: &Applied) -> String {
    let repeats = match applied.change.repeats {
        Some(repeats) => format!("repeats {repeats}, "),
        None => String::new(),
    };
    let decided_at = applied.change.repeats.unwrap_or(applied.change.revision);
    assert_eq!(applied.revision, decided_at, "INVARIANT: a repeated call has the revision of the first");
    assert_eq!(applied.result, applied.change.result, "INVARIANT: the record says what the caller is told");
    match &applied.result {
        Ok(outcome) => format!("{repeats}{}", self::outcome(outcome)),
        // Those that show a schema have several lines.
        Err(refusal) => {
            format!("{repeats}REFUSED {}: {}", refusal.reason(), refusal.to_string().replace('\n', super::INDENT))
        }
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Tenant(_) | Outcome::Role(_) => "written".to_owned(),
        Outcome::Grant(grant) => format!("{}{}", state(&grant.state), window(grant.window)),
        Outcome::Grants(ids) => listed(ids, ", "),
        Outcome::Leases(leases) => self::leases(leases),
        Outcome::Relationships { created, deleted } => format!("{created} created, {deleted} deleted"),
        Outcome::Deleted { deleted, more } => format!("{deleted} deleted{}", if *more { ", more match" } else { "" }),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Cluster(cluster) => format!("cluster {cluster}"),
        Effect::ActiveVersion(version) => format!("version {version}"),
        Effect::AdmitNode(node) => format!("admit node {node}"),
        Effect::RetireNode(node) => format!("retire node {node}"),
        Effect::PutTenant(tenant) => format!("put tenant {} {}", tenant.id, self::tenant(tenant)),
        Effect::DropTenant(tenant) => format!("drop tenant {tenant}"),
        Effect::PutRole { tenant, role } => format!("{tenant}: put role {} {}", role.id, self::role(role)),
        Effect::DeleteRole { tenant, role } => format!("{tenant}: delete role {role}"),
        Effect::PutGrant { tenant, grant } => format!("{tenant}: put grant {} {}", grant.id, self::grant(grant)),
        Effect::PutRelationship { tenant, relationship } => format!("{tenant}: put {relationship}"),
        Effect::DeleteRelationship { tenant, relationship } => format!("{tenant}: delete {relationship}"),
        Effect::PutTuple { tenant, tuple } => format!("{tenant}: put {tuple}"),
        Effect::PutSchema { tenant, schema } => format!("{tenant}: put schema of {}", schema.written),
        Effect::HistoryFloor(floor) => format!("history from {floor}"),
        Effect::Trust(trust) => format!("trust {}", self::trust(trust)),
        Effect::Leases(leases) => format!("leases {}", self::leases(leases)),
        Effect::Remember { tenant, caller, key, .. } => format!("{tenant}: remember {key} of {caller}"),
        Effect::Forget { tenant, caller, key, revision } => {
            format!("{tenant}: forget {key} of {caller} at {revision}")
        }
    }
}

/// Fingerprints by their first digits.
pub(super) fn trust(trust: &Trust) -> String {
    let authorities = trust.authorities.iter().map(|authority| authority.fingerprint.to_string()[..8].to_owned());
    let tokens = trust.join_tokens.iter().map(|(id, token)| {
        let used = token.used_by.map(|node| format!(" used by {node}")).unwrap_or_default();
        format!("{id} until {}{used}", token.expires)
    });
    format!("authorities {}; tokens {}", listed(authorities, " "), listed(tokens, ", "))
}

pub(super) fn leases(leases: &Configuration) -> String {
    let parameters = leases.parameters();
    let roster = match leases.roster() {
        Roster::Everyone => "all".to_owned(),
        Roster::Only(nodes) => listed(nodes, " "),
    };
    let settles = leases.settles_after().map(|after| format!(", settled after {after:?}"));
    format!(
        "{:?} renewed {:?} lag {:?} drift {} ppm for {roster}, changed at {}{}",
        parameters.length(),
        parameters.renewal(),
        parameters.lag(),
        parameters.drift().ppm(),
        leases.changed_at(),
        settles.unwrap_or_default()
    )
}

pub(super) fn tenant(tenant: &Tenant) -> String {
    format!("made at {}", tenant.created)
}

pub(super) fn role(role: &Role) -> String {
    let inherits = match role.inherits.len() {
        0 => String::new(),
        _ => format!(" inherits {}", listed(&role.inherits, " ")),
    };
    let permissions = listed(&role.permissions, " ");
    format!("{permissions}{inherits}, made at {}, changed at {}", role.created, role.modified)
}

pub(super) fn grant(grant: &Grant) -> String {
    format!(
        "{} {} {} {}{}, made at {} on {} by {}{}, changed at {}",
        grant.subject,
        grant.role,
        grant.scope,
        state(&grant.state),
        window(grant.window),
        grant.created,
        grant.granted_at,
        actor(&grant.granted_by),
        because(grant.reason.as_ref()),
        grant.modified,
    )
}

fn state(state: &GrantState) -> String {
    match state {
        GrantState::Scheduled => "scheduled".to_owned(),
        GrantState::Active => "active".to_owned(),
        GrantState::Ended { at } => format!("ended on {at}"),
        GrantState::Revoked { at, by, reason } => {
            format!("revoked on {at} by {}{}", actor(by), because(reason.as_ref()))
        }
    }
}

fn window(window: Window) -> String {
    let start = window.start.map(|start| format!(" from {start}"));
    let end = window.end.map(|end| format!(" until {end}"));
    format!("{}{}", start.unwrap_or_default(), end.unwrap_or_default())
}

fn actor(actor: &Actor) -> String {
    let internal = match actor.verified {
        Verified::Internal => "internal ",
        Verified::Assumed => "",
    };
    let other = actor.on_behalf_of.as_ref().map(|other| format!(" for {other}"));
    format!("{internal}{}{}", actor.caller, other.unwrap_or_default())
}

fn because(reason: Option<&Reason>) -> String {
    reason.map(|reason| format!(" because {reason}")).unwrap_or_default()
}

/// Names one after the other; `nothing` where there are none, and the ends of a long list.
pub(super) fn listed<T: Display>(names: impl IntoIterator<Item = T>, separator: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [first, .., last] if names.len() > LISTED_MAX => format!("{first} … {last}, {} in all", names.len()),
        names => names.join(separator),
    }
}
