use std::collections::BTreeMap;

use portcullis_model::{Relationship, TenantId, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop, schemaless};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Creates, touches and deletes relationships, all or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRelationships {
    /// What to do, in order.
    pub updates: Vec<Update>,
}

/// One update of a relationship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    /// It must not exist, and does afterwards.
    Create(Relationship),
    /// It exists afterwards.
    Touch(Relationship),
    /// It does not exist afterwards.
    Delete(Relationship),
}

impl Update {
    fn relationship(&self) -> &Relationship {
        match self {
            Self::Create(relationship) | Self::Touch(relationship) | Self::Delete(relationship) => relationship,
        }
    }
}

impl WriteRelationships {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let mut footprint = Footprint::default();
        for update in &self.updates {
            let touch = Touch::Relationship(tenant.clone(), update.relationship().clone());
            match update {
                Update::Create(_) | Update::Touch(_) => footprint.may_add.push(touch),
                Update::Delete(_) => footprint.may_remove.push(touch),
            }
        }
        footprint
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if self.updates.len() > limit::UPDATES_MAX {
            let (given, most) = (self.updates.len() as u64, limit::UPDATES_MAX as u64);
            return Err(Refusal::TooMany { what: "updates".to_owned(), given, most }.into());
        }
        // Later updates of a write see earlier ones.
        let mut exists: BTreeMap<&Relationship, bool> = BTreeMap::new();
        let (mut created, mut deleted) = (0, 0);
        let mut effects = Vec::new();
        for update in &self.updates {
            let relationship = update.relationship();
            let existed = match exists.get(relationship) {
                Some(existed) => *existed,
                None => context.state.has_relationship(context.tenant, relationship)?,
            };
            let tenant = context.tenant.clone();
            match update {
                Update::Create(_) if existed => {
                    return Err(Refusal::RelationshipExists(Box::new(relationship.clone())).into());
                }
                Update::Create(_) | Update::Touch(_) => {
                    schemaless::check_relationship(relationship)?;
                    if !existed {
                        created += 1;
                        effects.push(Effect::PutRelationship { tenant, relationship: relationship.clone() });
                    }
                    exists.insert(relationship, true);
                }
                Update::Delete(_) => {
                    if existed {
                        deleted += 1;
                        effects.push(Effect::DeleteRelationship { tenant, relationship: relationship.clone() });
                    }
                    exists.insert(relationship, false);
                }
            }
        }
        Ok((Outcome::Relationships { created, deleted }, effects))
    }
}
