//! Who relations allow.

use std::collections::BTreeSet;

use super::{World, similar, unknown_member};
use crate::excerpt::Found;
use crate::graph::{Graph, Way};
use crate::problem::ProblemKind;
use crate::schema::{AllowedSubject, Definition, SubjectKind};

pub(super) fn check(world: &World<'_>, definition: &Definition, found: &mut Found) {
    for relation in definition.relations() {
        let mut seen = BTreeSet::new();
        for subject in &relation.subjects {
            let key = (&subject.object_type, &subject.kind, &subject.caveat, subject.expiration);
            if !seen.insert(key) {
                let (relation, subject_text) = (relation.name.to_string(), subject.to_string());
                found.add(subject.place, ProblemKind::DuplicateSubject { relation, subject: subject_text });
            }
            subject_type(world, definition, subject, found);
            condition(world, subject, found);
        }
    }
}

fn subject_type(world: &World<'_>, definition: &Definition, subject: &AllowedSubject, found: &mut Found) {
    let Some(other) = world.definitions.get(&subject.object_type) else {
        found.add(subject.place, world.unknown_type(&subject.object_type));
        return;
    };
    let SubjectKind::Userset(name) = &subject.kind else { return };
    if other.member(name.as_str()).is_none() {
        found.add(subject.place, unknown_member(other, name.as_str()));
        return;
    }
    // As in SpiceDB, a definition may name its own usersets with wildcards: `relation member: user:* | group#member`.
    if other.name() == definition.name() {
        return;
    }
    if let Some((wildcard, via)) = world.wildcard(other.name(), name.as_str()) {
        let userset = format!("{}#{name}", other.name());
        found.add(subject.place, ProblemKind::UsersetOfWildcard { userset, wildcard, via });
    }
}

fn condition(world: &World<'_>, subject: &AllowedSubject, found: &mut Found) {
    let Some(caveat) = &subject.caveat else { return };
    if world.caveats.contains_key(caveat) {
        return;
    }
    let kind = if caveat.as_str() == "expiration" {
        // Without the `use` it is a caveat like any other, which nobody means.
        ProblemKind::NotInUse { what: "`with expiration`", feature: "expiration" }
    } else {
        let similar = similar::to(caveat.as_str(), world.caveats.keys().map(|name| name.as_str()));
        ProblemKind::UnknownCaveat { name: caveat.to_string(), similar }
    };
    found.add(subject.place, kind);
}

/// The relation from which each relation has a wildcard: itself, or one that it reaches through usersets.
pub(super) fn wildcards(graph: &Graph) -> Vec<Option<usize>> {
    let reversed = graph.reversed();
    let mut sources: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut waiting = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        if node.wildcard.is_some() {
            sources[id] = Some(id);
            waiting.push(id);
        }
    }
    while let Some(id) = waiting.pop() {
        for edge in reversed[id].iter().filter(|edge| edge.way == Way::Userset) {
            if sources[edge.to].is_none() {
                sources[edge.to] = sources[id];
                waiting.push(edge.to);
            }
        }
    }
    sources
}
