use std::collections::BTreeSet;

use portcullis_model::{PermissionPattern, Role, RoleId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop, inheritance};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Replaces what a role names and inherits; every grant of it changes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRole {
    /// Its id.
    pub id: RoleId,
    /// The permissions that it names from now on.
    pub permissions: BTreeSet<PermissionPattern>,
    /// The roles that it inherits from now on.
    pub inherits: BTreeSet<RoleId>,
}

impl UpdateRole {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let touch = vec![Touch::Role(tenant.clone(), self.id.clone())];
        Footprint { may_add: touch.clone(), may_remove: touch }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let Self { id, permissions, inherits } = self;
        let old = context.state.role(context.tenant, id)?.ok_or_else(|| Refusal::RoleMissing(id.clone()))?;
        inheritance::check(context, id, permissions, inherits)?;
        let role =
            Role { permissions: permissions.clone(), inherits: inherits.clone(), modified: context.revision, ..old };
        let effect = Effect::PutRole { tenant: context.tenant.clone(), role: role.clone() };
        Ok((Outcome::Role(role), vec![effect]))
    }
}
