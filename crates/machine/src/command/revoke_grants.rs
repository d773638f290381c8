use std::collections::BTreeSet;

use portcullis_model::{Grant, GrantId, GrantState, TenantId, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Revokes grants by their ids. One that has ended already is left as it is; one that never existed refuses the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeGrants {
    /// Their ids.
    pub ids: BTreeSet<GrantId>,
}

impl RevokeGrants {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let touch = |id: &GrantId| Touch::Grant(tenant.clone(), id.clone());
        Footprint { may_add: Vec::new(), may_remove: self.ids.iter().map(touch).collect() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if self.ids.len() > limit::UPDATES_MAX {
            let (given, most) = (self.ids.len() as u64, limit::UPDATES_MAX as u64);
            return Err(Refusal::TooMany { what: "grants to revoke".to_owned(), given, most }.into());
        }
        let mut live = Vec::new();
        for id in &self.ids {
            let grant = context.state.grant(context.tenant, id)?;
            let grant = grant.ok_or_else(|| Refusal::GrantMissing(id.clone()))?;
            if grant.state.is_live() {
                live.push(grant);
            }
        }
        Ok(revoke(context, live))
    }
}

/// Revokes `live` grants for the reason of the command.
pub(super) fn revoke<S: State>(context: &Context<'_, S>, live: Vec<Grant>) -> Decided {
    let ids = live.iter().map(|grant| grant.id.clone()).collect();
    let end = |grant: Grant| {
        let state = GrantState::Revoked {
            at: context.clock.reading,
            by: context.actor.clone(),
            reason: context.reason.cloned(),
        };
        let grant = Box::new(Grant { state, modified: context.revision, ..grant });
        Effect::PutGrant { tenant: context.tenant.clone(), grant }
    };
    (Outcome::Grants(ids), live.into_iter().map(end).collect())
}
