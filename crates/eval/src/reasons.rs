//! Why a schema gives the answer that it gives, in words.
//!
//! Told from the object downwards, each relation and permission with its answer, and indented below what it is for: where
//! something holds, only what makes it hold; where nothing does, all that was tried. Each is told once.

use std::collections::BTreeSet;

use crate::budget::Error;
use crate::joined::Order;
use crate::members::Members;
use crate::program::{Arrow, Expr, ItemKey, Kind};
use crate::snapshot::{Edge, NodeKey, ObjectKey, RelationKey, Snapshot};
use crate::value::Value;

/// A telling that is under way.
pub(crate) struct Reasons<'m, 'a, 'b, S> {
    members: &'m mut Members<'a, 'b, S>,
    /// How the subject is called.
    subject: String,
    most: usize,
    steps: Vec<String>,
    told: BTreeSet<(ObjectKey, ItemKey)>,
}

impl<'m, 'a, 'b, S: Snapshot> Reasons<'m, 'a, 'b, S> {
    /// Tells at most `most` steps, and one more where there were more.
    pub(crate) fn tell(
        members: &'m mut Members<'a, 'b, S>,
        subject: String,
        (object, name, item): (ObjectKey, String, ItemKey),
        most: usize,
    ) -> Result<Vec<String>, Error> {
        let mut reasons = Self { members, subject, most, steps: Vec::new(), told: BTreeSet::new() };
        reasons.item(object, &name, item, 0)?;
        Ok(reasons.steps)
    }

    fn say(&mut self, depth: usize, step: &str) {
        self.steps.push(format!("{:indent$}{step}", "", indent = depth * 2));
    }

    fn is_full(&self) -> bool {
        self.steps.len() > self.most
    }

    fn item(&mut self, object: ObjectKey, name: &str, key: ItemKey, depth: usize) -> Result<(), Error> {
        let value = self.members.item(object, key)?;
        self.say(depth, &format!("{name} {}", answer(&value)));
        if self.is_full() || !self.told.insert((object, key)) {
            return Ok(());
        }
        let item = self.members.program.item(key);
        match &item.kind {
            Kind::Permission(expr) => self.expr(object, name, expr, depth + 1),
            Kind::Group | Kind::Relation { .. } => {
                self.relation(NodeKey { relation: item.name, object }, &value, depth + 1)
            }
        }
    }

    fn expr(&mut self, object: ObjectKey, name: &str, expr: &Expr, depth: usize) -> Result<(), Error> {
        match expr {
            Expr::Nil => self.say(depth, "nil is nobody"),
            Expr::Itself => {
                let itself = format!("self is {}", name.split('#').next().unwrap_or(name));
                self.say(depth, &itself);
            }
            Expr::Computed(item) => {
                let relation = self.members.program.item(*item).name;
                let node = self.name(object, name, relation);
                self.item(object, &node, *item, depth)?;
            }
            Expr::Arrow(arrow) => self.arrow(object, arrow, 0, depth)?,
            Expr::Union(operands) => {
                let holds = self.members.expr_value(object, expr)?;
                for operand in operands {
                    // Where one is enough, the others say nothing.
                    if holds.is_no() || !self.members.expr_value(object, operand)?.is_no() {
                        self.expr(object, name, operand, depth)?;
                    }
                }
            }
            Expr::Intersection(operands) => {
                let holds = self.members.expr_value(object, expr)?;
                for operand in operands {
                    if !holds.is_no() || !self.members.expr_value(object, operand)?.is_yes() {
                        self.expr(object, name, operand, depth)?;
                    }
                }
            }
            Expr::Exclusion(operands) => {
                let [base, taken] = &**operands;
                self.expr(object, name, base, depth)?;
                if !self.members.expr_value(object, base)?.is_no() {
                    self.say(depth, "and without");
                    self.expr(object, name, taken, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn arrow(&mut self, object: ObjectKey, arrow: &Arrow, nth: usize, depth: usize) -> Result<(), Error> {
        let snapshot = self.members.snapshot;
        let Some((relation, _)) = arrow.steps.get(nth) else {
            let item = self.members.program.item_of(snapshot.type_of(object), arrow.target);
            let name = snapshot.name(NodeKey { relation: arrow.target, object });
            return match item {
                Some(item) => self.item(object, &name, item, depth),
                None => Ok(()),
            };
        };
        let from = NodeKey { relation: *relation, object };
        for edge in Order::ByName.apply(snapshot, snapshot.subjects_of(from)) {
            if self.is_full() {
                break;
            }
            let to = snapshot.name(NodeKey::object(edge.node.object));
            let step = format!("{} leads to {to}{}", snapshot.name(from), self.qualified(&edge));
            self.say(depth, &step);
            self.arrow(edge.node.object, arrow, nth + 1, depth + 1)?;
        }
        Ok(())
    }

    fn relation(&mut self, node: NodeKey, value: &Value, depth: usize) -> Result<(), Error> {
        let snapshot = self.members.snapshot;
        let mut count = 0;
        for edge in Order::ByName.apply(snapshot, snapshot.subjects_of(node)) {
            count += 1;
            if self.is_full() || self.members.is_in(edge.node)?.is_no() {
                continue;
            }
            let step = format!("{} has {}{}", snapshot.name(node), snapshot.name(edge.node), self.qualified(&edge));
            self.say(depth, &step);
            if edge.node.relation == RelationKey::NONE {
                continue;
            }
            let way = self.members.way_to(edge.node);
            for pair in way.windows(2) {
                let step = format!("{} is in {}", snapshot.name(pair[0]), snapshot.name(pair[1]));
                self.say(depth + 1, &step);
            }
            let item = self.members.program.item_of(snapshot.type_of(edge.node.object), edge.node.relation);
            if let (true, Some(item)) = (way.is_empty(), item) {
                let name = snapshot.name(edge.node);
                self.item(edge.node.object, &name, item, depth + 1)?;
            }
        }
        if value.is_no() {
            let step = match count {
                0 => "it has no subjects".to_owned(),
                _ => format!("none of its subjects is {} or has it for certain", self.subject),
            };
            self.say(depth, &step);
        }
        Ok(())
    }

    /// The name of another relation of the object of a node.
    fn name(&self, object: ObjectKey, name: &str, relation: RelationKey) -> String {
        let object_name = name.split('#').next().unwrap_or(name);
        if object == crate::members::UNKNOWN {
            return format!("{object_name}#{}", self.members.snapshot.relation_name(relation));
        }
        self.members.snapshot.name(NodeKey { relation, object }).to_string()
    }

    fn qualified(&self, edge: &Edge) -> String {
        let qualifier = edge.qualifier.map(|key| self.members.snapshot.qualifier(key));
        let qualifier = qualifier.map(ToString::to_string).unwrap_or_default();
        if edge.certainty.lower { qualifier } else { format!("{qualifier}, which is being changed") }
    }
}

fn answer(value: &Value) -> String {
    let names = value.missing.iter().flat_map(|names| names.iter());
    let names: Vec<&str> = names.map(AsRef::as_ref).collect();
    match value {
        _ if value.is_yes() => "holds".to_owned(),
        _ if value.is_no() => "does not hold".to_owned(),
        _ if value.is_conditional() => format!("depends on {}", names.join(", ")),
        _ => "is being changed".to_owned(),
    }
}
