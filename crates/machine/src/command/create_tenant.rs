use portcullis_model::{Tenant, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Makes a tenant. Given for the tenant `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTenant {
    /// Its id.
    pub id: TenantId,
}

impl CreateTenant {
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint { may_add: vec![Touch::Tenant(self.id.clone())], may_remove: Vec::new() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if context.state.tenant(&self.id)?.is_some() {
            return Err(Refusal::TenantExists(self.id.clone()).into());
        }
        let tenant = Tenant { id: self.id.clone(), created: context.revision };
        Ok((Outcome::Tenant(tenant.clone()), vec![Effect::PutTenant(tenant)]))
    }
}
