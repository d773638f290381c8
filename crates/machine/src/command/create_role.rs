use std::collections::BTreeSet;

use portcullis_model::{PermissionPattern, Role, RoleId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop, inheritance};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Makes a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRole {
    /// Its id.
    pub id: RoleId,
    /// The permissions that it names.
    pub permissions: BTreeSet<PermissionPattern>,
    /// The roles that it inherits.
    pub inherits: BTreeSet<RoleId>,
}

impl CreateRole {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        Footprint { may_add: vec![Touch::Role(tenant.clone(), self.id.clone())], may_remove: Vec::new() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let Self { id, permissions, inherits } = self;
        if context.state.role(context.tenant, id)?.is_some() {
            return Err(Refusal::RoleExists(id.clone()).into());
        }
        inheritance::check(context, id, permissions, inherits)?;
        let role = Role {
            id: id.clone(),
            permissions: permissions.clone(),
            inherits: inherits.clone(),
            created: context.revision,
            modified: context.revision,
        };
        let effect = Effect::PutRole { tenant: context.tenant.clone(), role: role.clone() };
        Ok((Outcome::Role(role), vec![effect]))
    }
}
