//! From a resource downwards to the subjects that may have a permission on it.

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::FixedState;
use portcullis_model::ObjectKey as ObjectId;

use super::{SubjectCandidates, SubjectQuery, id_of};
use crate::budget::{Budget, Error, Meter};
use crate::joined::known_outside;
use crate::program::{Expr, Kind, Program};
use crate::snapshot::{NodeKey, ObjectKey, RelationKey, Snapshot};
use crate::walk;

/// Collects the subjects that may be an answer, and those that a wildcard may have to exclude. The budget is that of the
/// whole.
pub fn subject_candidates<S: Snapshot>(
    snapshot: &S,
    query: SubjectQuery<'_>,
    budget: &Budget<'_>,
) -> Result<SubjectCandidates, Error> {
    let mut descent = Descent { snapshot, meter: Meter::new(budget), reached: HashSet::default(), waiting: Vec::new() };
    let resource = snapshot.object(query.resource);
    if let Some(program) = snapshot.program() {
        match program.item_named(&query.resource.object_type, query.permission.as_str()) {
            None => known_outside(snapshot, &query.resource.object_type, query.permission)?,
            Some(item) => {
                let relation = program.item(item).name;
                if let Some(object) = resource {
                    descent.arrive(NodeKey { relation, object });
                }
            }
        }
    }
    descent.by_grants(query, resource)?;
    descent.all()?;
    let mut found = descent.matching(query);
    // Something may hold of itself although nothing is stored about it.
    if query.resource.object_type == *query.subject_type {
        found.0.insert(query.resource.key.clone());
    }
    let (ids, wildcard) = found;
    Ok(SubjectCandidates { ids: ids.into_iter().collect(), wildcard })
}

struct Descent<'a, 'b, S> {
    snapshot: &'a S,
    meter: Meter<'b>,
    /// Subjects, and usersets that lead to them.
    reached: HashSet<NodeKey, FixedState>,
    waiting: Vec<NodeKey>,
}

impl<S: Snapshot> Descent<'_, '_, S> {
    fn arrive(&mut self, node: NodeKey) {
        if self.reached.insert(node) && node.relation != RelationKey::NONE {
            self.waiting.push(node);
        }
    }

    /// The subjects of grants on the resource and its ancestors.
    fn by_grants(&mut self, query: SubjectQuery<'_>, resource: Option<ObjectKey>) -> Result<(), Error> {
        let snapshot = self.snapshot;
        let mut scopes: HashSet<ObjectKey, FixedState> = resource.into_iter().collect();
        let mut waiting: Vec<ObjectKey> = resource.into_iter().collect();
        while let Some(scope) = waiting.pop() {
            for row in snapshot.grants_on(scope) {
                self.meter.visit()?;
                if snapshot.holds(row.role, &query.resource.object_type, query.permission).upper {
                    self.arrive(row.subject);
                }
            }
            for edge in walk::parents_of(snapshot, NodeKey::object(scope)) {
                self.meter.visit()?;
                if scopes.insert(edge.node.object) {
                    waiting.push(edge.node.object);
                }
            }
        }
        Ok(())
    }

    fn all(&mut self) -> Result<(), Error> {
        let snapshot = self.snapshot;
        while let Some(node) = self.waiting.pop() {
            let object_type = snapshot.type_of(node.object);
            let item =
                snapshot.program().and_then(|program| Some((program, program.item_of(object_type, node.relation)?)));
            match item.map(|(program, item)| (program, &program.item(item).kind)) {
                Some((program, Kind::Permission(expr))) => self.expr(program, node.object, expr)?,
                Some((_, Kind::Group | Kind::Relation(_))) | None => {
                    for edge in snapshot.subjects_of(node) {
                        self.meter.visit()?;
                        self.arrive(edge.node);
                    }
                }
            }
        }
        Ok(())
    }

    fn expr(&mut self, program: &Program, object: ObjectKey, expr: &Expr) -> Result<(), Error> {
        match expr {
            Expr::Nil => {}
            Expr::Itself => self.arrive(NodeKey::object(object)),
            Expr::Computed(item) => self.arrive(NodeKey { relation: program.item(*item).name, object }),
            Expr::Arrow(arrow) => {
                let mut objects = vec![object];
                for (relation, _) in &arrow.steps {
                    let mut next = Vec::new();
                    for object in objects {
                        for edge in self.snapshot.subjects_of(NodeKey { relation: *relation, object }) {
                            self.meter.visit()?;
                            next.push(edge.node.object);
                        }
                    }
                    next.sort_unstable();
                    next.dedup();
                    objects = next;
                }
                for object in objects {
                    self.arrive(NodeKey { relation: arrow.target, object });
                }
            }
            // What subtracts counts too: it is what a wildcard excludes.
            Expr::Union(operands) | Expr::Intersection(operands) => {
                for operand in operands {
                    self.expr(program, object, operand)?;
                }
            }
            Expr::Exclusion(operands) => {
                for operand in &**operands {
                    self.expr(program, object, operand)?;
                }
            }
        }
        Ok(())
    }

    /// The ids of those that were reached and are what is asked for, and whether a wildcard is among them.
    fn matching(&self, query: SubjectQuery<'_>) -> (BTreeSet<ObjectId>, bool) {
        let snapshot = self.snapshot;
        let wildcard = snapshot.wildcard(query.subject_type).map(NodeKey::object);
        let wildcard = wildcard.filter(|wildcard| query.subject_relation.is_none() && self.reached.contains(wildcard));
        let relation = match query.subject_relation {
            None => Some(RelationKey::NONE),
            Some(relation) => snapshot.relation(relation.as_str()),
        };
        let of_type = format!("{}:", query.subject_type);
        let mut ids = BTreeSet::new();
        for node in self.reached.iter().filter(|node| Some(node.relation) == relation) {
            let name = snapshot.name(NodeKey::object(node.object));
            ids.extend(name.starts_with(&of_type).then(|| id_of(&name)).flatten());
        }
        (ids, wildcard.is_some())
    }
}
