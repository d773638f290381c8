use portcullis_model::{Relationship, TenantId, TupleFilter, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Deletes relationships that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTuples {
    /// Which.
    pub filter: TupleFilter,
    /// How many at most; no more than [`limit::ENDED_BY_FILTER_MAX`].
    pub most: u64,
    /// What happens where more match: the first of them are deleted, or it is refused.
    pub partly: bool,
}

impl DeleteTuples {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        Footprint { may_add: Vec::new(), may_remove: vec![Touch::Relationships(tenant.clone(), self.filter.clone())] }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX).min(limit::ENDED_BY_FILTER_MAX);
        let mut selected = context.state.relationships(context.tenant, &self.filter, most + 1)?;
        let more = selected.len() > most;
        if more && !self.partly {
            return Err(Refusal::FilterTooWide { most: most as u64 }.into());
        }
        selected.truncate(most);
        let delete = |relationship: &Relationship| Effect::DeleteRelationship {
            tenant: context.tenant.clone(),
            relationship: relationship.clone(),
        };
        let effects = selected.iter().map(delete).collect();
        Ok((Outcome::Deleted { deleted: selected.len() as u64, more }, effects))
    }
}
