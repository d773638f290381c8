//! Relationships at random, as many as a schema allows among few objects, so that worlds are dense.

use std::collections::BTreeMap;

use portcullis_model::{Relationship, Tuple};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use crate::condition;
use crate::world::{Allowed, Schema, Which, object_of};

/// The ids that objects of each type have in relationships.
pub(crate) const IDS: &[&str] = &["one", "two", "three"];
/// The most relationships of a world. SpiceDB takes 1,000 in a call.
const TUPLES_MAX: usize = 150;
/// The most where there may be loops, in which SpiceDB spends more time than it gives itself if there are many ways.
const LOOPING_TUPLES_MAX: usize = 14;
/// The share of worlds with a relationship that may not be allowed.
const STRAY_SHARE: f64 = 0.04;
const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2099-01-01T00:00:00Z";

pub(crate) fn random(dice: &mut StdRng, schema: &Schema, may_loop: bool) -> Vec<Tuple> {
    // Without loops, objects lead only to those that come later.
    let mut order: Vec<String> = schema.definitions.iter().flat_map(|one| ids(&one.name)).collect();
    order.shuffle(dice);
    let place = |object: &str| order.iter().position(|one| one == object);
    // Of each relationship there is one.
    let mut tuples: BTreeMap<Relationship, Tuple> = BTreeMap::new();
    for definition in &schema.definitions {
        for (resource, relation) in
            ids(&definition.name).flat_map(|id| definition.relations.iter().map(move |one| (id.clone(), one)))
        {
            for allowed in &relation.subjects {
                for _ in 0..*[1, 2, 2, 3].choose(dice).expect("there are counts") {
                    let id = IDS.choose(dice).expect("there are ids");
                    let object = format!("{}:{id}", allowed.object_type);
                    if !may_loop && allowed.which != Which::Everyone && place(&object) <= place(&resource) {
                        continue;
                    }
                    let text = text(dice, schema, &format!("{resource}#{}", relation.name), &object, allowed);
                    let tuple: Tuple = text.parse().expect("it is written as relationships are");
                    tuples.insert(tuple.relationship.clone(), tuple);
                }
            }
        }
    }
    let mut tuples: Vec<Tuple> = tuples.into_values().collect();
    tuples.shuffle(dice);
    tuples.truncate(if may_loop { LOOPING_TUPLES_MAX } else { TUPLES_MAX });
    if dice.random_bool(STRAY_SHARE) {
        tuples.extend(stray(dice, schema, &tuples));
    }
    tuples.sort();
    tuples
}

/// A relationship that the schema may not allow: one with the subject of another.
fn stray(dice: &mut StdRng, schema: &Schema, tuples: &[Tuple]) -> Option<Tuple> {
    let (mut stray, other) = (tuples.choose(dice)?.clone(), tuples.choose(dice)?.clone());
    stray.relationship.subject = other.relationship.subject;
    stray.qualifier = other.qualifier;
    if dice.random_bool(0.3) {
        let definition = schema.definitions.choose(dice)?;
        stray.relationship.relation = definition.relations.choose(dice)?.name.parse().ok()?;
    }
    let is_new = tuples.iter().all(|tuple| tuple.relationship != stray.relationship);
    // A loop would be one more reason to differ.
    (is_new && object_of(&stray.relationship.subject) != Some(&stray.relationship.resource)).then_some(stray)
}

fn ids(object_type: &str) -> impl Iterator<Item = String> {
    IDS.iter().map(move |id| format!("{object_type}:{id}"))
}

fn text(dice: &mut StdRng, schema: &Schema, userset: &str, object: &str, allowed: &Allowed) -> String {
    let subject = match &allowed.which {
        Which::One => object.to_owned(),
        Which::Userset(relation) => format!("{object}#{relation}"),
        Which::Everyone => format!("{}:*", allowed.object_type),
    };
    let caveat = allowed.caveat.as_ref().map(|name| {
        let known = schema.caveats.iter().find(|caveat| caveat.name == *name).expect("it allows caveats that it has");
        let fields = condition::context(dice, &known.condition.parameters(), 0.4);
        if fields.is_empty() { format!("[{name}]") } else { format!("[{name}:{}]", condition::json(&fields)) }
    });
    let end = if dice.random_bool(0.3) { PAST } else { FUTURE };
    let expires = if allowed.expires { format!("[expiration:{end}]") } else { String::new() };
    format!("{userset}@{subject}{}{expires}", caveat.unwrap_or_default())
}
