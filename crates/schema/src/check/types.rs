//! Whether permissions hold only for the types that they declare.

use std::collections::BTreeSet;

use portcullis_model::TypeName;

use super::World;
use crate::excerpt::Found;
use crate::limit;
use crate::problem::ProblemKind;
use crate::schema::Permission;

pub(super) fn check(world: &World<'_>, found: &mut Found) {
    let mut left = limit::TYPE_STEPS_MAX;
    for definition in world.definitions.values() {
        for permission in definition.permissions().iter().filter(|permission| !permission.types.is_empty()) {
            for unknown in permission.types.iter().filter(|name| !world.definitions.contains_key(name)) {
                found.add(permission.place, world.unknown_type(unknown));
            }
            let Some(id) = world.graph.id(definition.name(), permission.name.as_str()) else { continue };
            let reached = world.graph.reach(world.graph.nodes[id].edges.iter().copied());
            let walked = reached.walked.iter().chain([&id]).map(|id| &world.graph.nodes[*id]);
            let steps = walked.clone().map(|node| 1 + node.edges.len() + node.subjects.len()).sum();
            let Some(rest) = left.checked_sub(steps) else {
                found.add(permission.place, ProblemKind::TypesTooLarge { most: limit::TYPE_STEPS_MAX });
                return;
            };
            left = rest;
            undeclared(permission, walked.flat_map(|node| &node.subjects).collect(), found);
        }
    }
}

fn undeclared(permission: &Permission, mut types: BTreeSet<&TypeName>, found: &mut Found) {
    types.retain(|name| !permission.types.contains(name));
    if !types.is_empty() {
        let (name, types) = (permission.name.to_string(), types.into_iter().map(ToString::to_string).collect());
        found.add(permission.place, ProblemKind::UndeclaredTypes { name, types });
    }
}
