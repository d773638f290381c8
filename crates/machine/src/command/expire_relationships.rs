use portcullis_model::{Relationship, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, State, Touch};

/// Deletes relationships whose end may have come. Proposed by the leader, for the tenant `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpireRelationships {
    /// Which.
    pub due: Vec<DueRelationship>,
}

/// A relationship that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueRelationship {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub relationship: Relationship,
    /// When, as the leader read it; one that was given another end since is left alone.
    pub expires: Timestamp,
}

impl ExpireRelationships {
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        let touch = |due: &DueRelationship| Touch::Relationship(due.tenant.clone(), due.relationship.clone());
        Footprint { may_add: Vec::new(), may_remove: self.due.iter().map(touch).collect() }
    }

    /// Says how many are gone. They go in the order in which they are named.
    ///
    /// What adds ends a little early rather than late. What may take something away must not end early, since its end gives
    /// access: it is left alone until its end has certainly come.
    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut effects = Vec::new();
        for DueRelationship { tenant, relationship, expires } in &self.due {
            let Relationship { resource, relation, .. } = relationship;
            let schema = context.state.schema(tenant)?;
            let takes_away = schema.is_some_and(|schema| schema.takes_away(&resource.object_type, relation.as_str()));
            if takes_away && context.clock.earliest() < *expires {
                continue;
            }
            let qualifier = context.state.qualifier(tenant, relationship)?;
            if qualifier.is_some_and(|qualifier| qualifier.expires == Some(*expires)) {
                let (tenant, relationship) = (tenant.clone(), relationship.clone());
                effects.push(Effect::DeleteRelationship { tenant, relationship });
            }
        }
        Ok((Outcome::Relationships { created: 0, deleted: effects.len() as u64 }, effects))
    }
}
