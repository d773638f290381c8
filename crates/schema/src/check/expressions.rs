//! What permissions are computed from.

use std::collections::BTreeSet;

use portcullis_model::TypeName;

use super::{World, circles, unknown_member};
use crate::excerpt::Found;
use crate::expression::{Arrow, Expression};
use crate::graph::Way;
use crate::limit;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::schema::{Definition, Member, Relation};

pub(super) fn check(world: &World<'_>, definition: &Definition, found: &mut Found) {
    for permission in definition.permissions() {
        for ((leaf, _), place) in permission.expression.leaves().into_iter().zip(&permission.leaves) {
            match leaf {
                Expression::Computed(name) => computed(world, definition, name.as_str(), *place, found),
                Expression::Arrow(arrow) => follow(world, definition, arrow, *place, found),
                // Operators are no leaves.
                Expression::Nil
                | Expression::SelfObject
                | Expression::Union(_)
                | Expression::Intersection(_)
                | Expression::Exclusion(..) => {}
            }
        }
    }
}

fn computed(world: &World<'_>, definition: &Definition, name: &str, place: Place, found: &mut Found) {
    if definition.member(name).is_some() {
        return;
    }
    let kind = if name == "self" && !world.features.contains("self") {
        ProblemKind::NotInUse { what: "`self`", feature: "self" }
    } else {
        unknown_member(definition, name)
    };
    found.add(place, kind);
}

/// Each step has to be a relation without wildcards, wherever it is there. That it is nowhere is left to `lint`, but for
/// the first, which is looked for in one place only.
fn follow(world: &World<'_>, definition: &Definition, arrow: &Arrow, place: Place, found: &mut Found) {
    let mut types: BTreeSet<&TypeName> = [definition.name()].into();
    for (index, step) in arrow.steps.iter().enumerate() {
        let name = step.relation.as_str();
        let mut next = BTreeSet::new();
        for object_type in types {
            let Some(other) = world.definitions.get(object_type) else { continue };
            match other.member(name) {
                None if index > 0 => {}
                None => drop(found.add(place, unknown_member(other, name))),
                Some(Member::Permission(_)) => {
                    let (object_type, name) = (object_type.to_string(), name.to_owned());
                    found.add(place, ProblemKind::ArrowOverPermission { object_type, name });
                }
                Some(Member::Relation(relation)) => {
                    no_wildcard(world, other, relation, place, found);
                    next.extend(relation.subjects.iter().map(|subject| &subject.object_type));
                }
            }
        }
        // The types of the last step are where the target is asked for.
        types = if index + 1 < arrow.steps.len() { next } else { BTreeSet::new() };
    }
}

fn no_wildcard(world: &World<'_>, definition: &Definition, relation: &Relation, place: Place, found: &mut Found) {
    if let Some((wildcard, via)) = world.wildcard(definition.name(), relation.name.as_str()) {
        let relation = relation.name.to_string();
        found.add(place, ProblemKind::ArrowOverWildcard { relation, wildcard, via });
    }
}

/// No permission may be computed from itself on the same object.
pub(super) fn check_cycles(world: &World<'_>, found: &mut Found) {
    let nodes = &world.graph.nodes;
    let computed = |id: usize| nodes[id].edges.iter().filter(|edge| edge.way == Way::Computed).map(|edge| edge.to);
    for circle in circles::walk(nodes.len(), computed, limit::PROBLEMS_MAX).circles {
        let first = &nodes[circle[0]];
        let member = world.definitions.get(&first.object_type).and_then(|found| found.member(first.name.as_str()));
        let place = member.map_or_else(Place::default, Member::place);
        let cycle = circles::named(&circle, |id| nodes[id].name.to_string());
        found.add(place, ProblemKind::CyclicPermission { cycle });
    }
}
