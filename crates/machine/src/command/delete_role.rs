use portcullis_model::{RoleId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, RoleUser, State, Touch};

/// Deletes a role that no live grant and no other role uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRole {
    /// Its id.
    pub id: RoleId,
}

impl DeleteRole {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        Footprint { may_add: Vec::new(), may_remove: vec![Touch::Role(tenant.clone(), self.id.clone())] }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let role = &self.id;
        if context.state.role(context.tenant, role)?.is_none() {
            return Err(Refusal::RoleMissing(role.clone()).into());
        }
        match context.state.role_user(context.tenant, role)? {
            Some(RoleUser::Grant(grant)) => Err(Refusal::RoleGranted { role: role.clone(), grant }.into()),
            Some(RoleUser::Role(heir)) => Err(Refusal::RoleInherited { role: role.clone(), heir }.into()),
            None => {
                let effect = Effect::DeleteRole { tenant: context.tenant.clone(), role: role.clone() };
                Ok((Outcome::Done, vec![effect]))
            }
        }
    }
}
