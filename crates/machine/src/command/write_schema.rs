use portcullis_model::{TenantId, Tuple, TupleFilter};
use portcullis_schema::{Relation, Schema, compile};
use serde::{Deserialize, Serialize};

use super::typed::check_tuple;
use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, StoredSchema, Touch};

/// How many relationships that are in the way of a schema are named at most.
const NAMED_MAX: usize = 10;

/// Gives a tenant a schema, in place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteSchema {
    /// Its text.
    pub text: String,
}

impl WriteSchema {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        let touch = || vec![Touch::Schema(tenant.clone())];
        Footprint { may_add: touch(), may_remove: touch() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let Context { state, tenant, .. } = context;
        let schema = compile(&self.text).map_err(|problems| Refusal::SchemaInvalid(problems.to_string()))?;
        let old = state.schema(tenant)?;
        if old.as_ref() == Some(&schema) {
            return Ok((Outcome::Done, Vec::new()));
        }
        let mut in_the_way = Vec::new();
        for filter in narrowed(old.as_ref(), &schema) {
            let is_in_the_way = |tuple: &Tuple| check_tuple(&schema, tuple).is_err();
            let most = NAMED_MAX + 1 - in_the_way.len();
            in_the_way.extend(state.tuples_where(tenant, &filter, most, &is_in_the_way)?);
            if in_the_way.len() > NAMED_MAX {
                break;
            }
        }
        if !in_the_way.is_empty() {
            let more = in_the_way.len() > NAMED_MAX;
            in_the_way.truncate(NAMED_MAX);
            return Err(Refusal::SchemaInUse { in_the_way, more }.into());
        }
        let stored = Box::new(StoredSchema { text: self.text.clone(), written: context.revision });
        Ok((Outcome::Done, vec![Effect::PutSchema { tenant: (*tenant).clone(), schema: stored }]))
    }
}

/// The relationships that the new schema may not allow any more: where there was none, all of them may be.
fn narrowed(old: Option<&Schema>, new: &Schema) -> Vec<TupleFilter> {
    let Some(old) = old else { return vec![TupleFilter::default()] };
    let mut filters = Vec::new();
    for definition in old.definitions() {
        let kept = new.definition(definition.name());
        for relation in definition.relations() {
            let kept = kept.and_then(|definition| definition.relation(relation.name.as_str()));
            if !kept.is_some_and(|kept| is_same(relation, kept, old, new)) {
                filters.push(TupleFilter {
                    resource_type: Some(definition.name().clone()),
                    relation: Some(relation.name.clone()),
                    ..TupleFilter::default()
                });
            }
        }
    }
    filters
}

/// Whether what a relation allows is allowed as before, its caveats included.
fn is_same(old: &Relation, new: &Relation, old_schema: &Schema, new_schema: &Schema) -> bool {
    old.subjects.iter().all(|allowed| {
        let parameters = |schema: &Schema| {
            let caveat = allowed.caveat.as_ref().and_then(|name| schema.caveat(name).cloned());
            caveat.map(|caveat| caveat.parameters)
        };
        new.subjects.contains(allowed) && parameters(old_schema) == parameters(new_schema)
    })
}
