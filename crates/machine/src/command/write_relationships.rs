use std::collections::HashMap;

use foldhash::fast::FixedState;
use portcullis_model::{Qualifier, Relationship, TenantId, Tuple, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop, schemaless, typed};
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
    /// It exists afterwards, and holds always.
    Touch(Relationship),
    /// It does not exist afterwards.
    Delete(Relationship),
    /// It must not exist, and does afterwards, under what the tuple says.
    CreateQualified(Box<Tuple>),
    /// It exists afterwards, under what the tuple says.
    TouchQualified(Box<Tuple>),
}

impl Update {
    /// It must not exist, and does afterwards.
    pub fn create(tuple: Tuple) -> Self {
        if tuple.qualifier.is_none() {
            Self::Create(tuple.relationship)
        } else {
            Self::CreateQualified(Box::new(tuple))
        }
    }

    /// It exists afterwards, as the tuple says.
    pub fn touch(tuple: Tuple) -> Self {
        if tuple.qualifier.is_none() { Self::Touch(tuple.relationship) } else { Self::TouchQualified(Box::new(tuple)) }
    }

    /// The relationship that it is about.
    pub fn relationship(&self) -> &Relationship {
        match self {
            Self::Create(relationship) | Self::Touch(relationship) | Self::Delete(relationship) => relationship,
            Self::CreateQualified(tuple) | Self::TouchQualified(tuple) => &tuple.relationship,
        }
    }

    /// What it leaves of it.
    fn leaves(&self) -> Option<Qualifier> {
        match self {
            Self::Create(_) | Self::Touch(_) => Some(Qualifier::default()),
            Self::CreateQualified(tuple) | Self::TouchQualified(tuple) => Some(tuple.qualifier.clone()),
            Self::Delete(_) => None,
        }
    }

    fn must_be_new(&self) -> bool {
        match self {
            Self::Create(_) | Self::CreateQualified(_) => true,
            Self::Touch(_) | Self::TouchQualified(_) | Self::Delete(_) => false,
        }
    }
}

impl WriteRelationships {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let mut footprint = Footprint::default();
        for update in &self.updates {
            let touch = Touch::Relationship(tenant.clone(), update.relationship().clone());
            match update {
                Update::Create(_) | Update::Touch(_) | Update::CreateQualified(_) => footprint.may_add.push(touch),
                // What held always, or under something else, may hold less from then on.
                Update::TouchQualified(_) => {
                    footprint.may_add.push(touch.clone());
                    footprint.may_remove.push(touch);
                }
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
        let schema = context.state.schema(context.tenant)?;
        // Later updates of a write see earlier ones.
        let mut known: HashMap<&Relationship, Option<Qualifier>, FixedState> = HashMap::default();
        let (mut created, mut deleted) = (0, 0);
        let mut effects = Vec::new();
        for update in &self.updates {
            let relationship = update.relationship();
            let before = match known.get(relationship) {
                Some(before) => before.clone(),
                None => context.state.qualifier(context.tenant, relationship)?,
            };
            if update.must_be_new() && before.is_some() {
                return Err(Refusal::RelationshipExists(Box::new(relationship.clone())).into());
            }
            let after = update.leaves();
            let tenant = context.tenant.clone();
            match &after {
                Some(qualifier) => {
                    let tuple = Tuple { relationship: relationship.clone(), qualifier: qualifier.clone() };
                    match &schema {
                        Some(schema) => typed::check_tuple(schema, &tuple)?,
                        None => schemaless::check_tuple(&tuple)?,
                    }
                    created += u64::from(before.is_none());
                    if before != after {
                        effects.push(Effect::put(tenant, tuple));
                    }
                }
                None => {
                    if before.is_some() {
                        deleted += 1;
                        effects.push(Effect::DeleteRelationship { tenant, relationship: relationship.clone() });
                    }
                }
            }
            known.insert(relationship, after);
        }
        Ok((Outcome::Relationships { created, deleted }, effects))
    }

    /// Refuses what may take something away although it adds.
    pub(crate) fn check_only_adds<S: State>(&self, state: &S, tenant: &TenantId) -> Result<(), Stop> {
        let Some(schema) = state.schema(tenant)? else { return Ok(()) };
        for update in &self.updates {
            let Relationship { resource, relation, .. } = update.relationship();
            if schema.takes_away(&resource.object_type, relation.as_str()) {
                let (object_type, relation) = (resource.object_type.clone(), relation.clone());
                return Err(Refusal::MayTakeAway { object_type, relation }.into());
            }
        }
        Ok(())
    }
}
