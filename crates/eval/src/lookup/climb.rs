//! From a subject upwards to the resources on which it may have a permission.

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::FixedState;
use portcullis_model::{ObjectKey as ObjectId, Subject};

use super::plan::Plan;
use super::{ResourceQuery, id_of};
use crate::budget::{Budget, Error, Meter};
use crate::joined::known_outside;
use crate::snapshot::{NodeKey, ObjectKey, RelationKey, Snapshot};
use crate::walk;

/// Collects the ids of the resources that may be an answer, in order, each once. The budget is that of the whole.
pub fn resource_candidates<S: Snapshot>(
    snapshot: &S,
    query: ResourceQuery<'_>,
    budget: &Budget<'_>,
) -> Result<Vec<ObjectId>, Error> {
    let mut climb = Climb { snapshot, meter: Meter::new(budget), reached: HashSet::default(), waiting: Vec::new() };
    let wildcard = walk::wildcard_of(query.subject).and_then(|object_type| snapshot.wildcard(object_type));
    let starts = snapshot.subject(query.subject).into_iter().chain(wildcard.map(NodeKey::object));
    starts.for_each(|start| climb.arrive(start));
    let target =
        snapshot.program().and_then(|program| program.item_named(query.object_type, query.permission.as_str()));
    let mut found = BTreeSet::new();
    match snapshot.program() {
        None => climb.groups()?,
        Some(program) => {
            if target.is_none() {
                known_outside(snapshot, query.object_type, query.permission)?;
            }
            let granted = snapshot.granted_usersets().into_iter();
            let granted = granted.filter_map(|(object_type, relation)| program.item_of(object_type, relation));
            climb.by_schema(&Plan::new(program, target.into_iter().chain(granted).collect()))?;
        }
    }
    if let Some(target) = target.and_then(|target| snapshot.program().map(|program| program.item(target))) {
        let is_target =
            |node: &&NodeKey| node.relation == target.name && snapshot.type_of(node.object) == target.object_type;
        let objects = climb.reached.iter().filter(is_target).map(|node| node.object);
        found.extend(objects.filter_map(|object| id_of(&snapshot.name(NodeKey::object(object)))));
    }
    found.extend(climb.by_grants(query)?);
    // Something may hold of itself although nothing is stored about it.
    match query.subject {
        Subject::Object(object) | Subject::Userset { object, .. } if object.object_type == *query.object_type => {
            found.insert(object.key.clone());
        }
        Subject::Object(_) | Subject::Userset { .. } | Subject::Wildcard(_) => {}
    }
    Ok(found.into_iter().collect())
}

struct Climb<'a, 'b, S> {
    snapshot: &'a S,
    meter: Meter<'b>,
    /// The subject, and what it may be in.
    reached: HashSet<NodeKey, FixedState>,
    waiting: Vec<NodeKey>,
}

impl<S: Snapshot> Climb<'_, '_, S> {
    fn arrive(&mut self, node: NodeKey) {
        if self.reached.insert(node) {
            self.waiting.push(node);
        }
    }

    /// Where there is no schema: the groups, and theirs.
    fn groups(&mut self) -> Result<(), Error> {
        let snapshot = self.snapshot;
        while let Some(node) = self.waiting.pop() {
            for edge in walk::groups_of(snapshot, node) {
                self.meter.visit()?;
                self.arrive(edge.node);
            }
        }
        Ok(())
    }

    fn by_schema(&mut self, plan: &Plan<'_>) -> Result<(), Error> {
        let snapshot = self.snapshot;
        while let Some(node) = self.waiting.pop() {
            for relation in plan.relations() {
                for edge in snapshot.usersets_of(node, *relation) {
                    self.meter.visit()?;
                    if plan.is_relevant(snapshot, edge.node) {
                        self.arrive(edge.node);
                    }
                }
            }
            for above in plan.above(snapshot, node, || self.meter.visit())? {
                self.arrive(above);
            }
        }
        Ok(())
    }

    /// The resources on and below the scopes of grants to what was reached.
    fn by_grants(&mut self, query: ResourceQuery<'_>) -> Result<Vec<ObjectId>, Error> {
        let snapshot = self.snapshot;
        let mut scopes: HashSet<ObjectKey, FixedState> = HashSet::default();
        let mut waiting = Vec::new();
        for node in &self.reached {
            for row in snapshot.grants_of(*node) {
                self.meter.visit()?;
                let holds = snapshot.holds(row.role, query.object_type, query.permission);
                if holds.upper && scopes.insert(row.scope) {
                    waiting.push(row.scope);
                }
            }
        }
        let mut found = Vec::new();
        let of_type = format!("{}:", query.object_type);
        while let Some(scope) = waiting.pop() {
            let name = snapshot.name(NodeKey::object(scope));
            found.extend(name.starts_with(&of_type).then(|| id_of(&name)).flatten());
            for edge in snapshot.usersets_of(NodeKey::object(scope), RelationKey::PARENT) {
                self.meter.visit()?;
                if scopes.insert(edge.node.object) {
                    waiting.push(edge.node.object);
                }
            }
        }
        Ok(found)
    }
}
