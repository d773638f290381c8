use std::num::NonZeroU64;

use portcullis_model::{Clock, Grant, GrantId, GrantState, Object, RoleId, Subject, TenantId, Timestamp, Window};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop, schemaless, typed};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Grants a role to a subject on a scope and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateGrant {
    /// Its id: the caller's, or one that the leader made at random.
    pub id: GrantId,
    /// Who.
    pub subject: Subject,
    /// The role.
    pub role: RoleId,
    /// On what.
    pub scope: Object,
    /// From when; `None` is from now.
    pub start: Option<Timestamp>,
    /// Until when.
    pub end: End,
}

/// When a grant ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Never by itself.
    Never,
    /// At a point in time.
    At(Timestamp),
    /// So many milliseconds after it begins.
    After(NonZeroU64),
}

impl CreateGrant {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let touch = Touch::WholeGrant {
            tenant: tenant.clone(),
            id: self.id.clone(),
            subject: self.subject.clone(),
            role: self.role.clone(),
            scope: self.scope.clone(),
        };
        Footprint { may_add: vec![touch], may_remove: Vec::new() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let Context { state, tenant, clock, .. } = context;
        match state.schema(tenant)? {
            Some(schema) => typed::check_subject(&schema, &self.subject)?,
            None => schemaless::check_subject(&self.subject)?,
        }
        if !state.has_role(tenant, &self.role)? {
            return Err(Refusal::RoleMissing(self.role.clone()).into());
        }
        if state.grant(tenant, &self.id)?.is_some() {
            return Err(Refusal::GrantExists(self.id.clone()).into());
        }
        let window = self.window(*clock)?;
        let waits = window.start.is_some_and(|start| clock.earliest() < start);
        let grant = Box::new(Grant {
            id: self.id.clone(),
            subject: self.subject.clone(),
            role: self.role.clone(),
            scope: self.scope.clone(),
            window,
            reason: context.reason.cloned(),
            granted_by: context.actor.clone(),
            granted_at: clock.reading,
            created: context.revision,
            modified: context.revision,
            state: if waits { GrantState::Scheduled } else { GrantState::Active },
        });
        let effect = Effect::PutGrant { tenant: (*tenant).clone(), grant: grant.clone() };
        Ok((Outcome::Grant(grant), vec![effect]))
    }

    /// The window in absolute time. A duration counts from the start if that lies ahead, else from the earliest that
    /// now can be, so that the grant never lasts longer than was asked.
    fn window(&self, clock: Clock) -> Result<Window, Refusal> {
        let begins = self.start.unwrap_or(clock.earliest()).max(clock.earliest());
        let end = match self.end {
            End::Never => None,
            End::At(end) => Some(end),
            End::After(ms) => Some(begins.plus_ms(ms.get())),
        };
        let window = Window::new(self.start, end)
            .map_err(|error| Refusal::EndsBeforeStart { start: error.start, end: error.end })?;
        match window.end {
            Some(end) if end <= clock.reading => Err(Refusal::EndsInThePast { end, now: clock.reading }),
            _ => Ok(window),
        }
    }
}
