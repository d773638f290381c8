//! What a permission is made of, for one object.
//!
//! The expression of the permission, with the subjects of its relations filled in. Usersets among these are named and not
//! followed; what they are made of is a question of its own.

use std::sync::Arc;

use portcullis_model::{Object, PermissionName};
use portcullis_schema::Mode;

use crate::budget::{Budget, Error, Meter};
use crate::joined::known_outside;
use crate::members::UNKNOWN;
use crate::program::{Expr, ItemKey, Kind, Program};
use crate::snapshot::{NodeKey, ObjectKey, RelationKey, Snapshot};

/// What a relation, a permission or a part of one is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The object.
    pub object: Arc<str>,
    /// Its relation or permission.
    pub relation: Arc<str>,
    /// Its parts.
    pub parts: Parts,
}

/// What something is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// These subjects, in order, whatever they hold under.
    Subjects(Vec<Arc<str>>),
    /// Whoever is in one of these.
    Union(Vec<Expanded>),
    /// Whoever is in all of these.
    Intersection(Vec<Expanded>),
    /// Whoever is in the first and not in the second.
    Exclusion(Box<[Expanded; 2]>),
}

/// Expands a permission of the schema; `None` for one that only roles name. A loop in the data ends where it repeats, with
/// nobody.
pub fn expand<S: Snapshot>(
    snapshot: &S,
    resource: &Object,
    permission: &PermissionName,
    budget: &Budget<'_>,
) -> Result<Option<Expanded>, Error> {
    let item = snapshot
        .program()
        .and_then(|program| Some((program, program.item_named(&resource.object_type, permission.as_str())?)));
    let Some((program, item)) = item else {
        known_outside(snapshot, &resource.object_type, permission)?;
        return Ok(None);
    };
    let mut expansion = Expansion { snapshot, program, meter: Meter::new(budget), path: Vec::new() };
    let object = (snapshot.object(resource).unwrap_or(UNKNOWN), Arc::from(resource.to_string()));
    expansion.item(&object, item).map(Some)
}

struct Expansion<'a, 'b, S> {
    snapshot: &'a S,
    program: &'a Program,
    meter: Meter<'b>,
    /// What is being expanded, from the outside inwards.
    path: Vec<(ObjectKey, ItemKey)>,
}

/// An object and its name.
type Named = (ObjectKey, Arc<str>);

impl<S: Snapshot> Expansion<'_, '_, S> {
    fn item(&mut self, object: &Named, key: ItemKey) -> Result<Expanded, Error> {
        let (program, place) = (self.program, (object.0, key));
        let item = program.item(key);
        let relation = self.snapshot.relation_name(item.name);
        if self.path.contains(&place) {
            return Ok(Expanded { object: Arc::clone(&object.1), relation, parts: Parts::Subjects(Vec::new()) });
        }
        self.path.push(place);
        self.meter.descend(u32::try_from(self.path.len()).unwrap_or(u32::MAX))?;
        let parts = match &item.kind {
            Kind::Group | Kind::Relation(_) => {
                Parts::Subjects(self.subjects(NodeKey { relation: item.name, object: object.0 })?)
            }
            // A permission that is another is told as a choice of one, so that both are named.
            Kind::Permission(expr @ (Expr::Computed(_) | Expr::Arrow(_) | Expr::Nil | Expr::Itself)) => {
                Parts::Union(vec![self.expr(object, &relation, expr)?])
            }
            Kind::Permission(expr) => self.expr(object, &relation, expr)?.parts,
        };
        self.path.pop();
        Ok(Expanded { object: Arc::clone(&object.1), relation, parts })
    }

    fn expr(&mut self, object: &Named, relation: &Arc<str>, expr: &Expr) -> Result<Expanded, Error> {
        let parts = match expr {
            Expr::Nil => Parts::Subjects(Vec::new()),
            Expr::Itself => Parts::Subjects(vec![Arc::clone(&object.1)]),
            Expr::Computed(item) => return self.item(object, *item),
            Expr::Arrow(arrow) => return self.arrow(object, relation, (&arrow.steps, arrow.target)),
            Expr::Union(operands) => Parts::Union(self.all(object, relation, operands)?),
            Expr::Intersection(operands) => Parts::Intersection(self.all(object, relation, operands)?),
            Expr::Exclusion(operands) => {
                let [base, taken] = &**operands;
                Parts::Exclusion(Box::new([self.expr(object, relation, base)?, self.expr(object, relation, taken)?]))
            }
        };
        Ok(Expanded { object: Arc::clone(&object.1), relation: Arc::clone(relation), parts })
    }

    fn all(&mut self, object: &Named, relation: &Arc<str>, operands: &[Expr]) -> Result<Vec<Expanded>, Error> {
        operands.iter().map(|operand| self.expr(object, relation, operand)).collect()
    }

    fn arrow(
        &mut self,
        object: &Named,
        relation: &Arc<str>,
        (steps, target): (&[(RelationKey, Mode)], RelationKey),
    ) -> Result<Expanded, Error> {
        let Some(((followed, mode), steps)) = steps.split_first() else {
            let item = self.program.item_of(self.snapshot.type_of(object.0), target);
            let nobody = || Expanded {
                object: Arc::clone(&object.1),
                relation: self.snapshot.relation_name(target),
                parts: Parts::Subjects(Vec::new()),
            };
            return item.map_or_else(|| Ok(nobody()), |item| self.item(object, item));
        };
        let node = NodeKey { relation: *followed, object: object.0 };
        let mut objects: Vec<Named> = Vec::new();
        for edge in self.snapshot.subjects_of(node).filter(|edge| edge.certainty.lower) {
            self.meter.visit()?;
            let name = self.snapshot.name(NodeKey::object(edge.node.object));
            objects.push((edge.node.object, name));
        }
        objects.sort_by(|one, other| one.1.cmp(&other.1));
        objects.dedup();
        let all = objects.iter().map(|object| self.arrow(object, relation, (steps, target)));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let parts = match mode {
            Mode::Any => Parts::Union(all),
            Mode::All => Parts::Intersection(all),
        };
        Ok(Expanded { object: Arc::clone(&object.1), relation: Arc::clone(relation), parts })
    }

    fn subjects(&mut self, node: NodeKey) -> Result<Vec<Arc<str>>, Error> {
        let mut subjects = Vec::new();
        for edge in self.snapshot.subjects_of(node).filter(|edge| edge.certainty.lower) {
            self.meter.visit()?;
            subjects.push(self.snapshot.name(edge.node));
        }
        subjects.sort();
        Ok(subjects)
    }
}
