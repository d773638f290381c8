use portcullis_model::{Grant, GrantId, GrantState, Revision, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, State, Touch};

/// Ends grants whose end may have come. Proposed by the leader, for the tenant `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpireGrants {
    /// Which.
    pub due: Vec<DueEnd>,
}

/// A grant that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueEnd {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: GrantId,
    /// Where it was last changed when the leader looked; one that was changed since is left alone.
    pub version: Revision,
}

impl ExpireGrants {
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        let touch = |due: &DueEnd| Touch::Grant(due.tenant.clone(), due.id.clone());
        Footprint { may_add: Vec::new(), may_remove: self.due.iter().map(touch).collect() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut ended = Vec::new();
        let mut effects = Vec::new();
        for due in &self.due {
            let Some(grant) = context.state.grant(&due.tenant, &due.id)? else {
                continue;
            };
            if grant.modified != due.version || !grant.state.is_live() || grant.window.end.is_none() {
                continue;
            }
            let state = GrantState::Ended { at: context.clock.reading };
            let grant = Box::new(Grant { state, modified: context.revision, ..grant });
            ended.push(due.id.clone());
            effects.push(Effect::PutGrant { tenant: due.tenant.clone(), grant });
        }
        Ok((Outcome::Grants(ended), effects))
    }
}
