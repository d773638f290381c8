use portcullis_model::TenantId;
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Deletes a tenant and everything in it but its change records. Given for the tenant `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTenant {
    /// Its id.
    pub id: TenantId,
}

impl DeleteTenant {
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint { may_add: Vec::new(), may_remove: vec![Touch::Tenant(self.id.clone())] }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if self.id == TenantId::default_tenant() || self.id == TenantId::system() {
            return Err(Refusal::TenantBuiltIn(self.id.clone()).into());
        }
        if context.state.tenant(&self.id)?.is_none() {
            return Err(Refusal::TenantMissing(self.id.clone()).into());
        }
        Ok((Outcome::Done, vec![Effect::DropTenant(self.id.clone())]))
    }
}
