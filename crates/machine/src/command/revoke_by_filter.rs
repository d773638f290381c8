use portcullis_model::{GrantFilter, TenantId, limit};
use serde::{Deserialize, Serialize};

use super::revoke_grants::revoke;
use super::{Context, Decided, Stop};
use crate::{Footprint, Refusal, State, Touch};

/// Revokes every live grant that matches, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeByFilter {
    /// Which.
    pub filter: GrantFilter,
}

impl RevokeByFilter {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        Footprint { may_add: Vec::new(), may_remove: vec![Touch::Grants(tenant.clone(), self.filter.clone())] }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let most = limit::ENDED_BY_FILTER_MAX;
        let live = context.state.live_grants(context.tenant, &self.filter, most + 1)?;
        if live.len() > most {
            return Err(Refusal::FilterTooWide { most: most as u64 }.into());
        }
        Ok(revoke(context, live))
    }
}
