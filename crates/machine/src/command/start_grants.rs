use portcullis_model::{Grant, GrantId, GrantState, Object, Revision, RoleId, Subject, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Lets grants begin whose start has certainly come. Proposed by the leader, for the tenant `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartGrants {
    /// Which.
    pub due: Vec<DueStart>,
}

/// A grant that begins. It carries all that a check will see of it, so that readers know what the command may add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueStart {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: GrantId,
    /// Where it was last changed when the leader looked.
    pub version: Revision,
    /// Its subject.
    pub subject: Subject,
    /// Its role.
    pub role: RoleId,
    /// Its scope.
    pub scope: Object,
}

impl StartGrants {
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        let touch = |due: &DueStart| Touch::WholeGrant {
            tenant: due.tenant.clone(),
            id: due.id.clone(),
            subject: due.subject.clone(),
            role: due.role.clone(),
            scope: due.scope.clone(),
        };
        Footprint { may_add: self.due.iter().map(touch).collect(), may_remove: Vec::new() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut started = Vec::new();
        let mut effects = Vec::new();
        for due in &self.due {
            let Some(grant) = context.state.grant(&due.tenant, &due.id)? else {
                continue;
            };
            if grant.modified != due.version || grant.state != GrantState::Scheduled {
                continue;
            }
            if (&grant.subject, &grant.role, &grant.scope) != (&due.subject, &due.role, &due.scope) {
                return Err(Refusal::GrantDiffers(due.id.clone()).into());
            }
            let grant = Box::new(Grant { state: GrantState::Active, modified: context.revision, ..grant });
            started.push(due.id.clone());
            effects.push(Effect::PutGrant { tenant: due.tenant.clone(), grant });
        }
        Ok((Outcome::Grants(started), effects))
    }
}
