//! Who is a member of a relation or permission, by a schema.
//!
//! Expressions are followed downwards from the object that is asked about. Where they come to a group, its members are
//! not: what the subject is in is collected once, from the subject upwards, and the two meet. Only relations whose members
//! are those of their relationships alone can be collected so; the others are followed downwards too.
//!
//! A loop in the data ends where it repeats: what is asked while it is being answered is no. Among answers that only add
//! to each other that makes no difference, since a shortest reason never repeats. An answer that was found on the way and
//! depends on such a no belongs to that way, and is not remembered.
//!
//! Where an answer may depend on its own opposite, as with `view = viewer - parent->view` in a loop of folders, it does
//! make a difference from where it is asked. Such answers are never remembered, or it would matter which row came first,
//! and that is chance. The price is that what is reached over many ways is asked on each of them.

use portcullis_schema::Mode;

use crate::budget::{Error, Meter};
use crate::conditions::{Conditions, Held};
use crate::known::Known;
use crate::program::{Arrow, Expr, ItemKey, Kind, Leads, Program};
use crate::snapshot::{Edge, NodeKey, ObjectKey, RelationKey, Snapshot};
use crate::value::Value;
use crate::walk::Reached;

/// How many expressions may lie within each other on one way downwards, so that the stack has an end.
const FRAMES_MAX: u32 = 500;
/// Beyond so many groups of a subject the expressions are followed downwards instead.
pub(crate) const GROUPS_MAX: usize = 1_000;

/// An object that no relationship mentions.
pub(crate) const UNKNOWN: ObjectKey = ObjectKey(u32::MAX);

/// Who is asked about: the subject, and the wildcard of its type; each `None` if nothing mentions it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) subject: Option<NodeKey>,
    pub(crate) wildcard: Option<NodeKey>,
}

impl Asked {
    pub(crate) fn nodes(self) -> impl Iterator<Item = NodeKey> {
        self.subject.into_iter().chain(self.wildcard)
    }
}

/// One evaluation for one subject.
pub(crate) struct Members<'a, 'b, S> {
    pub(crate) snapshot: &'a S,
    pub(crate) program: &'a Program,
    pub(crate) asked: Asked,
    pub(crate) conditions: Conditions<'a>,
    pub(crate) meter: Meter<'b>,
    groups: Groups,
    memory: Memory,
    /// The first place on the path that what is being answered depends on.
    depends_on: usize,
    /// How many steps from object to object have been taken.
    depth: u32,
    frames: u32,
}

/// Whether `reached` of the memory is what the subject is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Groups {
    NotCollected,
    Collected,
    TooMany,
}

/// What an evaluation keeps at hand, in memory that the next one uses again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    reached: Reached,
    known: Known,
    /// What is being answered, from the outside inwards.
    path: Vec<(ObjectKey, ItemKey)>,
}

impl<'a, 'b, S: Snapshot> Members<'a, 'b, S> {
    pub(crate) fn new(
        snapshot: &'a S,
        program: &'a Program,
        asked: Asked,
        conditions: Conditions<'a>,
        meter: Meter<'b>,
    ) -> Self {
        Self {
            snapshot,
            program,
            asked,
            conditions,
            meter,
            groups: Groups::NotCollected,
            memory: Memory::default(),
            depends_on: usize::MAX,
            depth: 0,
            frames: 0,
        }
    }

    /// Turns to another subject, or to one by another key.
    pub(crate) fn ask_about(&mut self, asked: Asked) {
        if self.asked != asked {
            self.asked = asked;
            self.groups = Groups::NotCollected;
            self.memory.known.clear();
        }
    }

    /// Before anything is asked: the same in memory of an earlier evaluation.
    pub(crate) fn in_memory(mut self, mut memory: Memory) -> Self {
        memory.known.clear();
        memory.path.clear();
        self.memory = memory;
        self
    }

    /// The memory, for another evaluation.
    pub(crate) fn into_memory(self) -> Memory {
        self.memory
    }

    /// Whether a subject that a relationship or a grant names is the one that is asked about, or contains it.
    pub(crate) fn is_in(&mut self, node: NodeKey) -> Result<Value, Error> {
        if self.asked.nodes().any(|asked| asked == node) {
            return Ok(Value::YES);
        }
        if node.relation == RelationKey::NONE {
            return Ok(Value::NO);
        }
        match self.program.item_of(self.snapshot.type_of(node.object), node.relation) {
            Some(item) => self.deeper(|members| members.item(node.object, item)),
            None => Ok(Value::NO),
        }
    }

    /// Whether the subject is a member of a relation or permission of an object.
    pub(crate) fn item(&mut self, object: ObjectKey, key: ItemKey) -> Result<Value, Error> {
        let item = self.program.item(key);
        let node = NodeKey { relation: item.name, object };
        if self.asked.subject == Some(node) {
            return Ok(Value::YES);
        }
        match item.kind {
            Kind::Group if self.collected()? => return Ok(self.memory.reached.value(node)),
            // What leads nowhere else is looked up again as quickly as it is remembered, and cannot lead back here.
            Kind::Relation(leads @ (Leads::Nowhere | Leads::ToGroups)) => return self.relation(node, leads),
            Kind::Group | Kind::Relation(Leads::ToUsersets) | Kind::Permission(_) => {}
        }
        let question = (object, key);
        if let Some(value) = self.memory.known.get(question) {
            return Ok(value.clone());
        }
        if let Some(place) = self.memory.path.iter().position(|asked| *asked == question) {
            self.depends_on = self.depends_on.min(place);
            return Ok(Value::NO);
        }
        let place = self.memory.path.len();
        let others = std::mem::replace(&mut self.depends_on, usize::MAX);
        self.memory.path.push(question);
        let value = match &item.kind {
            Kind::Permission(expr) => self.expr(object, expr),
            Kind::Group => self.relation(node, Leads::ToGroups),
            Kind::Relation(leads) => self.relation(node, *leads),
        }?;
        self.memory.path.pop();
        if self.depends_on >= place {
            if !item.wavers {
                self.memory.known.add(question, value.clone());
            }
            self.depends_on = others;
        } else {
            self.depends_on = self.depends_on.min(others);
        }
        Ok(value)
    }

    /// Whether a relation or permission of an object is what is being answered already, so that asking for it there is no.
    pub(crate) fn is_being_answered(&self, question: (ObjectKey, ItemKey)) -> bool {
        self.memory.path.contains(&question)
    }

    /// Lets what is asked next be asked by a question, until [`Members::leave`].
    pub(crate) fn enter(&mut self, question: (ObjectKey, ItemKey)) {
        self.memory.path.push(question);
    }

    /// Ends what the last [`Members::enter`] began.
    pub(crate) fn leave(&mut self) {
        self.memory.path.pop();
    }

    /// The value of a part of a permission.
    pub(crate) fn expr_value(&mut self, object: ObjectKey, expr: &Expr) -> Result<Value, Error> {
        self.expr(object, expr)
    }

    /// From the subject, or the wildcard of its type, each in the next, to a group; empty where groups are not collected.
    pub(crate) fn way_to(&self, node: NodeKey) -> Vec<NodeKey> {
        let reached = &self.memory.reached;
        if self.groups == Groups::Collected && !reached.value(node).is_no() { reached.way_to(node) } else { Vec::new() }
    }

    /// Whether the subject is among the subjects of a relation, or in one of them.
    fn relation(&mut self, node: NodeKey, leads: Leads) -> Result<Value, Error> {
        let mut value = Value::NO;
        for subject in self.asked.nodes() {
            self.meter.visit()?;
            for edge in self.snapshot.between(node, subject) {
                value = value.or(self.conditions.judge(self.snapshot, &edge));
            }
        }
        if leads == Leads::Nowhere || value.is_yes() {
            return Ok(value);
        }
        let is_collected = leads == Leads::ToGroups && self.collected()?;
        let groups = if is_collected { self.memory.reached.nodes.len() } else { usize::MAX };
        for (nth, edge) in self.snapshot.usersets_in(node).enumerate() {
            // A list that is longer than what the subject is in is walked no further: it is asked for each of these.
            if nth == groups {
                return self.among_groups(node, value);
            }
            self.meter.visit()?;
            let held = self.conditions.judge(self.snapshot, &edge);
            if !held.is_no() {
                value = value.or(held.and(self.is_in(edge.node)?));
            }
            if value.is_yes() {
                break;
            }
        }
        Ok(value)
    }

    /// Whether what the subject is in is among the subjects of a relation, which lead to groups alone.
    fn among_groups(&mut self, node: NodeKey, mut value: Value) -> Result<Value, Error> {
        for position in 0..self.memory.reached.nodes.len() {
            let group = self.memory.reached.nodes[position];
            self.meter.visit()?;
            for edge in self.snapshot.between(node, group) {
                let held = self.conditions.judge(self.snapshot, &edge);
                value = value.or(held.and(self.memory.reached.value(group)));
            }
            if value.is_yes() {
                break;
            }
        }
        Ok(value)
    }

    fn expr(&mut self, object: ObjectKey, expr: &Expr) -> Result<Value, Error> {
        self.frames += 1;
        if self.frames > FRAMES_MAX {
            return Err(Error::NestingExceeded { most: FRAMES_MAX });
        }
        let value = self.expr_within(object, expr)?;
        self.frames -= 1;
        Ok(value)
    }

    fn expr_within(&mut self, object: ObjectKey, expr: &Expr) -> Result<Value, Error> {
        match expr {
            Expr::Itself if self.asked.subject == Some(NodeKey::object(object)) => Ok(Value::YES),
            Expr::Nil | Expr::Itself => Ok(Value::NO),
            Expr::Computed(item) => self.item(object, *item),
            Expr::Arrow(arrow) => self.arrow(object, arrow, 0),
            Expr::Union(operands) => {
                let mut value = Value::NO;
                for operand in operands {
                    value = value.or(self.expr(object, operand)?);
                    if value.is_yes() {
                        break;
                    }
                }
                Ok(value)
            }
            Expr::Intersection(operands) => {
                let mut value = Value::YES;
                for operand in operands {
                    value = value.and(self.expr(object, operand)?);
                    if value.is_no() {
                        break;
                    }
                }
                Ok(value)
            }
            Expr::Exclusion(operands) => {
                let [base, taken] = &**operands;
                let value = self.expr(object, base)?;
                if value.is_no() { Ok(value) } else { Ok(value.without(self.expr(object, taken)?)) }
            }
        }
    }

    /// Whether the rest of an arrow, from its `nth` step, holds on the objects that the step leads to.
    fn arrow(&mut self, object: ObjectKey, arrow: &Arrow, nth: usize) -> Result<Value, Error> {
        let Some((relation, mode)) = arrow.steps.get(nth) else {
            let item = self.program.item_of(self.snapshot.type_of(object), arrow.target);
            return item.map_or(Ok(Value::NO), |item| self.item(object, item));
        };
        let snapshot = self.snapshot;
        let edges = snapshot.subjects_of(NodeKey { relation: *relation, object });
        match mode {
            Mode::Any => {
                let mut value = Value::NO;
                for edge in edges {
                    self.meter.visit()?;
                    let held = self.conditions.judge(snapshot, &edge);
                    if !held.is_no() {
                        value = value.or(held.and(self.beyond(&edge, arrow, nth)?));
                    }
                    if value.is_yes() {
                        break;
                    }
                }
                Ok(value)
            }
            Mode::All => {
                // It takes an object that is there; those that may be there count against it only. What leads there under a
                // condition has to lead there: the condition and the rest are asked for on every object.
                let (mut all, mut some) = (Value::YES, Value::NO);
                for edge in edges {
                    let (Held { is_there, caveat }, rest) = self.follow(&edge, arrow, nth)?;
                    let holds = caveat.and(rest);
                    all = all.and(holds.clone().or(Value::YES.without(is_there.into())));
                    some = some.or(holds.and(is_there.into()));
                }
                Ok(all.and(some))
            }
        }
    }

    /// Whether a relationship holds, and if so, whether the rest of an arrow holds on its subject.
    fn follow(&mut self, edge: &Edge, arrow: &Arrow, nth: usize) -> Result<(Held, Value), Error> {
        self.meter.visit()?;
        let held = self.conditions.held(self.snapshot, edge);
        if held.clone().value().is_no() {
            return Ok((held, Value::NO));
        }
        Ok((held, self.beyond(edge, arrow, nth)?))
    }

    /// Whether the rest of an arrow holds on the subject of a relationship. What leads to a userset leads to its object.
    fn beyond(&mut self, edge: &Edge, arrow: &Arrow, nth: usize) -> Result<Value, Error> {
        self.deeper(|members| members.arrow(edge.node.object, arrow, nth + 1))
    }

    fn deeper(&mut self, ask: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        self.depth += 1;
        self.meter.descend(self.depth)?;
        let value = ask(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Whether what the subject is in is collected; it is when it is first asked for, unless it is too much.
    fn collected(&mut self) -> Result<bool, Error> {
        if self.groups == Groups::NotCollected {
            let (snapshot, conditions) = (self.snapshot, &mut self.conditions);
            let judge = |edge: &Edge| conditions.judge(snapshot, edge);
            let (starts, reached, meter) = (self.asked.nodes(), &mut self.memory.reached, &mut self.meter);
            let all = match self.program.groups() {
                // Most schemas have one kind of group.
                [one] => reached.walk(starts, GROUPS_MAX, meter, |node| snapshot.usersets_of(node, *one), judge)?,
                all => {
                    let next = |node| all.iter().flat_map(move |one| snapshot.usersets_of(node, *one));
                    reached.walk(starts, GROUPS_MAX, meter, next, judge)?
                }
            };
            self.groups = if all { Groups::Collected } else { Groups::TooMany };
        }
        Ok(self.groups == Groups::Collected)
    }
}
