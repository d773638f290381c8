//! From the model to messages.

use std::fmt::Write;

use portcullis_model::{
    Actor, Grant, GrantState, GroupId, Reason, Revision, Role, Tenant, Timestamp, Token, TupleFilter, Which,
};

use crate::v1;

/// The position of a revision.
pub fn position(group: GroupId, revision: Revision) -> v1::Position {
    v1::Position { revision: revision.0, token: Token { group, revision }.to_string(), ..v1::Position::default() }
}

/// The position that an answer was given from, and the token that a later read needs to be no older.
pub fn shown(group: GroupId, revision: Revision, token: Revision) -> v1::Position {
    v1::Position {
        revision: revision.0,
        token: Token { group, revision: token }.to_string(),
        ..v1::Position::default()
    }
}

/// A cursor as callers see it.
pub fn page_token(next: Option<&[u8]>) -> String {
    let mut text = String::new();
    for byte in next.unwrap_or_default() {
        write!(text, "{byte:02x}").expect("INVARIANT: writing to a string never fails");
    }
    text
}

/// A point in time.
pub fn wire_timestamp(time: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.0.rem_euclid(1_000) * 1_000_000).expect("INVARIANT: below a second");
    prost_types::Timestamp { seconds: time.0.div_euclid(1_000), nanos }
}

/// A tenant.
pub fn wire_tenant(tenant: &Tenant) -> v1::Tenant {
    v1::Tenant { id: tenant.id.to_string(), created_revision: tenant.created.0 }
}

/// A filter over relationships.
pub fn wire_tuple_filter(filter: &TupleFilter) -> v1::RelationshipFilter {
    let TupleFilter { resource_type, resource_key, resource_prefix, relation, subject } = filter;
    v1::RelationshipFilter {
        resource_type: resource_type.as_ref().map(ToString::to_string).unwrap_or_default(),
        resource_id: resource_key.as_ref().map(ToString::to_string).unwrap_or_default(),
        resource_id_prefix: resource_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()).unwrap_or_default(),
        relation: relation.as_ref().map(ToString::to_string).unwrap_or_default(),
        subject: String::new(),
        subject_filter: subject.as_ref().map(|subject| v1::SubjectFilter {
            subject_type: subject.object_type.to_string(),
            subject_id: match &subject.which {
                None => String::new(),
                Some(Which::Wildcard) => "*".to_owned(),
                Some(Which::One(key)) => key.to_string(),
            },
            relation: subject
                .relation
                .as_ref()
                .map(|relation| relation.as_ref().map(ToString::to_string).unwrap_or_default()),
        }),
    }
}

/// A role.
pub fn wire_role(role: &Role) -> v1::Role {
    v1::Role {
        id: role.id.to_string(),
        permissions: role.permissions.iter().map(ToString::to_string).collect(),
        inherits: role.inherits.iter().map(ToString::to_string).collect(),
        created_revision: role.created.0,
        modified_revision: role.modified.0,
    }
}

/// A grant.
pub fn wire_grant(grant: &Grant) -> v1::Grant {
    let (ended_at, revoked_by, revoke_reason) = match &grant.state {
        GrantState::Scheduled | GrantState::Active => (None, None, None),
        GrantState::Ended { at } => (Some(*at), None, None),
        GrantState::Revoked { at, by, reason } => (Some(*at), Some(wire_actor(by)), reason.as_ref()),
    };
    let text = |reason: Option<&Reason>| reason.map(ToString::to_string).unwrap_or_default();
    v1::Grant {
        id: grant.id.to_string(),
        subject: grant.subject.to_string(),
        role: grant.role.to_string(),
        scope: grant.scope.to_string(),
        start: grant.window.start.map(wire_timestamp),
        end: grant.window.end.map(wire_timestamp),
        state: grant_state(&grant.state).into(),
        reason: text(grant.reason.as_ref()),
        granted_by: Some(wire_actor(&grant.granted_by)),
        granted_at: Some(wire_timestamp(grant.granted_at)),
        ended_at: ended_at.map(wire_timestamp),
        revoked_by,
        revoke_reason: text(revoke_reason),
        created_revision: grant.created.0,
        modified_revision: grant.modified.0,
    }
}

fn grant_state(state: &GrantState) -> v1::grant::State {
    match state {
        GrantState::Scheduled => v1::grant::State::Scheduled,
        GrantState::Active => v1::grant::State::Active,
        GrantState::Ended { .. } => v1::grant::State::Ended,
        GrantState::Revoked { .. } => v1::grant::State::Revoked,
    }
}

/// Who acted.
pub fn wire_actor(actor: &Actor) -> v1::Actor {
    v1::Actor {
        caller: actor.caller.to_string(),
        on_behalf_of: actor.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
