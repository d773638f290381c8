use portcullis_model::{Relationship, RelationshipFilter, TenantId, TupleFilter, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Deletes every relationship that matches, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRelationships {
    /// Which.
    pub filter: RelationshipFilter,
}

impl DeleteRelationships {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        Footprint {
            may_add: Vec::new(),
            may_remove: vec![Touch::Relationships(tenant.clone(), self.filter.clone().into())],
        }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let most = limit::ENDED_BY_FILTER_MAX;
        let selected = context.state.relationships(context.tenant, &TupleFilter::from(&self.filter), most + 1)?;
        if selected.len() > most {
            return Err(Refusal::FilterTooWide { most: most as u64 }.into());
        }
        let delete = |relationship: &Relationship| Effect::DeleteRelationship {
            tenant: context.tenant.clone(),
            relationship: relationship.clone(),
        };
        let effects = selected.iter().map(delete).collect();
        Ok((Outcome::Relationships { created: 0, deleted: selected.len() as u64 }, effects))
    }
}
