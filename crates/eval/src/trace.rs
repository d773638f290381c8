//! What an answer was put together from: every relation and permission that was asked for on the way, each with its answer.
//!
//! A trace is made by evaluating anew, downwards from the question. It stops where an evaluation does, at the first alternative
//! that holds and at the first requirement that does not, and takes what it follows by name, so it is the same at every node for
//! the same contents. Groups are followed upwards from the subject, so of those that a relation holds only the ones that the
//! subject is in are told. What was told is not told again.
//!
//! INVARIANT: the answer of a step is what the evaluation says of it there, with what it is being asked for by, and follows from
//! the answers of the steps below it and from the relationships of its own object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::{CaveatName, Context, GrantId, Timestamp, Value as Said};
use portcullis_schema::Mode;

use crate::budget::{Budget, Error};
use crate::check::{Circumstances, Outcome, Query};
use crate::conditions::{FAILURE, Held, before};
use crate::joined::{Joined, Order};
use crate::members::Members;
use crate::program::{Arrow, Expr, ItemKey, Kind};
use crate::snapshot::{Edge, NodeKey, ObjectKey, Snapshot};
use crate::value::Value;
use crate::walk::Scratch;

/// How many steps a trace has at most.
const STEPS_MAX: usize = 1_000;
/// How many steps of a trace lie within each other at most: what reads messages gives up on those that are nested a hundred deep,
/// and a step is two.
const DEPTH_MAX: usize = 45;

/// An answer, and what it was put together from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The answer, the same that [`check`](crate::check) gives.
    pub outcome: Outcome,
    /// The question, and below it what was asked for.
    pub step: Step,
    /// Whether steps were left out.
    pub truncated: bool,
}

/// Something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The object.
    pub object: Arc<str>,
    /// Its relation or permission, or the role of a grant on it.
    pub name: Arc<str>,
    /// What that is.
    pub kind: StepKind,
    /// The answer.
    pub answer: StepAnswer,
    /// The caveats of the relationships of this object that were looked at.
    pub caveats: Vec<CaveatStep>,
    /// When the first of the relationships and grants ends that the answer comes from, if one does.
    pub expires: Option<Timestamp>,
    /// Whether it was told before, or is what it is being asked for by, so that nothing is told below it.
    pub repeated: bool,
    /// What it was put together from.
    pub steps: Vec<Step>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A relation.
    Relation,
    /// A permission of the schema, or one that only roles name.
    Permission,
    /// A grant that joins subject and resource.
    Grant(GrantId),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepAnswer {
    /// No.
    No,
    /// Yes.
    Yes,
    /// It depends on these parameters.
    Conditional(BTreeSet<Arc<str>>),
    /// It is being changed, or a caveat cannot be evaluated. The answer to the whole does not depend on it.
    Undecided,
}

/// A caveat that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaveatStep {
    /// Its name.
    pub name: CaveatName,
    /// Its expression, if the schema has it.
    pub expression: Option<String>,
    /// What it was evaluated with.
    pub context: BTreeMap<Arc<str>, Said>,
    /// What it says.
    pub answer: StepAnswer,
}

/// Decides one question and says what the answer was put together from. Like [`explain`](crate::explain), it may exceed a budget
/// within which [`check`](crate::check) finds an allow first.
pub fn trace<'a, S: Snapshot>(
    snapshot: &'a S,
    query: Query<'a>,
    circumstances: impl Into<Circumstances<'a>>,
    budget: &Budget<'_>,
) -> Result<Traced, Error> {
    let circumstances = circumstances.into();
    let mut joined = Joined::new(snapshot, (query.subject, query.resource), circumstances, budget);
    let mut value = joined.by_schema(query.permission)?;
    let (mut step, truncated) = joined.traced(query.permission, STEPS_MAX)?;
    if !value.is_yes() {
        let mut rows = Vec::new();
        joined.by_grants(&mut Scratch::default(), Order::ByName, |row, joined| {
            let held = snapshot.holds(row.role, &query.resource.object_type, query.permission);
            let by_grant = joined.and(held.into()).and(before(row.end, circumstances.clock).into());
            if !by_grant.is_no() {
                rows.push((snapshot.grant_id(row.handle), row, by_grant));
            }
            false
        })?;
        rows.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        for (id, row, by_grant) in rows {
            if value.is_yes() {
                break;
            }
            step.expires = earliest(step.expires, row.end);
            step.steps.push(Step {
                object: snapshot.name(NodeKey::object(row.scope)),
                name: snapshot.role_id(row.role).as_str().into(),
                kind: StepKind::Grant(id),
                answer: told(&by_grant),
                caveats: Vec::new(),
                expires: row.end,
                repeated: false,
                steps: Vec::new(),
            });
            value = value.or(by_grant);
        }
        step.answer = told(&value);
    }
    Ok(Traced { outcome: joined.outcome(&value)?, step, truncated })
}

/// A trace that is under way.
pub(crate) struct Tracer<'m, 'a, 'b, S> {
    members: &'m mut Members<'a, 'b, S>,
    /// How many more steps are told.
    left: usize,
    depth: usize,
    truncated: bool,
    /// What was told, and when the first of the relationships ends that it comes from.
    known: BTreeMap<(ObjectKey, ItemKey), (Value, Option<Timestamp>)>,
}

/// What a step was put together from so far.
#[derive(Default)]
struct Made {
    steps: Vec<Step>,
    caveats: Vec<CaveatStep>,
    expires: Option<Timestamp>,
}

impl<'m, 'a, 'b, S: Snapshot> Tracer<'m, 'a, 'b, S> {
    /// Traces a relation or permission of an object in at most `most` steps; returns whether there were more, too.
    pub(crate) fn trace(
        members: &'m mut Members<'a, 'b, S>,
        (object, name, item): (ObjectKey, Arc<str>, ItemKey),
        most: usize,
    ) -> Result<(Step, bool), Error> {
        let mut tracer = Self { members, left: most, depth: 0, truncated: false, known: BTreeMap::new() };
        let (_, step) = tracer.item(object, &name, item)?;
        Ok((step, tracer.truncated))
    }

    fn item(&mut self, object: ObjectKey, object_name: &Arc<str>, key: ItemKey) -> Result<(Value, Step), Error> {
        let value = self.members.item(object, key)?;
        let item = self.members.program.item(key);
        let node = NodeKey { relation: item.name, object };
        let (question, known) = ((object, key), self.known.get(&(object, key)));
        let known = known.filter(|(known, _)| *known == value && !item.wavers).map(|(_, expires)| *expires);
        let is_asked = self.members.asked.subject == Some(node);
        let is_loop = self.members.is_being_answered(question);
        let mut so_far = Made { expires: known.flatten(), ..Made::default() };
        self.truncated |= self.left == 0 || self.depth == DEPTH_MAX;
        self.left = self.left.saturating_sub(1);
        if !self.truncated && !is_asked && !is_loop && known.is_none() {
            self.members.enter(question);
            self.depth += 1;
            let again = match &item.kind {
                Kind::Permission(expr) => self.expr(object, object_name, expr, &mut so_far)?,
                Kind::Group | Kind::Relation(_) => self.relation(node, &mut so_far)?,
            };
            self.depth -= 1;
            self.members.leave();
            debug_assert!(again == value || self.truncated, "INVARIANT: {object_name} is {value:?}, made of {again:?}");
            self.known.insert(question, (value.clone(), so_far.expires));
        }
        let step = Step {
            object: Arc::clone(object_name),
            name: self.members.snapshot.relation_name(item.name),
            kind: match item.kind {
                Kind::Permission(_) => StepKind::Permission,
                Kind::Group | Kind::Relation(_) => StepKind::Relation,
            },
            answer: told(&value),
            caveats: so_far.caveats,
            expires: so_far.expires,
            repeated: is_loop || known.is_some(),
            steps: so_far.steps,
        };
        Ok((value, step))
    }

    fn below(
        &mut self,
        object: ObjectKey,
        object_name: &Arc<str>,
        key: ItemKey,
        so_far: &mut Made,
    ) -> Result<Value, Error> {
        let (value, step) = self.item(object, object_name, key)?;
        so_far.expires = earliest(so_far.expires, step.expires);
        if !self.truncated {
            so_far.steps.push(step);
        }
        Ok(value)
    }

    fn expr(&mut self, object: ObjectKey, name: &Arc<str>, expr: &Expr, so_far: &mut Made) -> Result<Value, Error> {
        match expr {
            Expr::Nil | Expr::Itself => self.members.expr_value(object, expr),
            Expr::Computed(item) => self.below(object, name, *item, so_far),
            Expr::Arrow(arrow) => self.arrow(object, name, arrow, 0, so_far),
            Expr::Union(operands) => {
                let mut value = Value::NO;
                for operand in operands {
                    value = value.or(self.expr(object, name, operand, so_far)?);
                    if value.is_yes() {
                        break;
                    }
                }
                Ok(value)
            }
            Expr::Intersection(operands) => {
                let mut value = Value::YES;
                for operand in operands {
                    value = value.and(self.expr(object, name, operand, so_far)?);
                    if value.is_no() {
                        break;
                    }
                }
                Ok(value)
            }
            Expr::Exclusion(operands) => {
                let [base, taken] = &**operands;
                let value = self.expr(object, name, base, so_far)?;
                if value.is_no() { Ok(value) } else { Ok(value.without(self.expr(object, name, taken, so_far)?)) }
            }
        }
    }

    fn arrow(
        &mut self,
        object: ObjectKey,
        name: &Arc<str>,
        arrow: &Arrow,
        nth: usize,
        so_far: &mut Made,
    ) -> Result<Value, Error> {
        let snapshot = self.members.snapshot;
        let Some((relation, mode)) = arrow.steps.get(nth) else {
            let item = self.members.program.item_of(snapshot.type_of(object), arrow.target);
            return item.map_or(Ok(Value::NO), |item| self.below(object, name, item, so_far));
        };
        let (mut any, mut all) = (Value::NO, Value::YES);
        for edge in Order::ByName.apply(snapshot, snapshot.subjects_of(NodeKey { relation: *relation, object })) {
            let held = self.look(&edge)?;
            let leads_there = !held.clone().value().is_no();
            let to = snapshot.name(NodeKey::object(edge.node.object));
            let rest = if leads_there { self.arrow(edge.node.object, &to, arrow, nth + 1, so_far)? } else { Value::NO };
            if !leads_there || !rest.is_no() {
                self.note(&edge, &held, so_far);
            }
            let Held { is_there, caveat } = held;
            let holds = caveat.and(rest);
            any = any.or(holds.clone().and(is_there.into()));
            all = all.and(holds.or(Value::YES.without(is_there.into())));
            if *mode == Mode::Any && any.is_yes() {
                break;
            }
        }
        Ok(match mode {
            Mode::Any => any,
            Mode::All => all.and(any),
        })
    }

    fn relation(&mut self, node: NodeKey, so_far: &mut Made) -> Result<Value, Error> {
        let snapshot = self.members.snapshot;
        let mut value = Value::NO;
        for subject in self.members.asked.nodes() {
            for edge in snapshot.between(node, subject) {
                let held = self.look(&edge)?;
                self.note(&edge, &held, so_far);
                value = value.or(held.value());
            }
        }
        for edge in Order::ByName.apply(snapshot, snapshot.usersets_in(node)) {
            if value.is_yes() {
                break;
            }
            let item = self.members.program.item_of(snapshot.type_of(edge.node.object), edge.node.relation);
            let Some(item) = item.filter(|_| self.members.asked.subject != Some(edge.node)) else { continue };
            let is_group = self.members.program.item(item).kind.is_group();
            if is_group && self.members.item(edge.node.object, item)?.is_no() {
                continue;
            }
            let held = self.look(&edge)?;
            let leads_there = !held.clone().value().is_no();
            let name = snapshot.name(NodeKey::object(edge.node.object));
            let is_in = if leads_there { self.below(edge.node.object, &name, item, so_far)? } else { Value::NO };
            if !leads_there || !is_in.is_no() {
                self.note(&edge, &held, so_far);
            }
            value = value.or(held.value().and(is_in));
        }
        Ok(value)
    }

    /// Looks whether a relationship holds.
    fn look(&mut self, edge: &Edge) -> Result<Held, Error> {
        self.members.meter.visit()?;
        Ok(self.members.conditions.held(self.members.snapshot, edge))
    }

    /// Notes on what a relationship depends, where that matters.
    fn note(&self, edge: &Edge, held: &Held, so_far: &mut Made) {
        let snapshot = self.members.snapshot;
        let Some(qualifier) = edge.qualifier.map(|key| snapshot.qualifier(key)) else { return };
        if !held.clone().value().is_no() {
            so_far.expires = earliest(so_far.expires, qualifier.expires);
        }
        if let Some(caveat) = &qualifier.caveat {
            let program = self.members.program.caveat(&caveat.name);
            let is_used = |name: &Arc<str>| program.is_none_or(|program| program.referenced().any(|one| one == name));
            let given = self.members.conditions.given().into_iter().flat_map(Context::fields);
            // What the relationship says counts before what the question says.
            let context = given.chain(caveat.context.fields()).filter(|(name, _)| is_used(name));
            let context = context.map(|(name, value)| (Arc::clone(name), value.clone())).collect();
            let expression = program.map(|program| program.expression().trim().to_owned());
            so_far.caveats.push(CaveatStep {
                name: caveat.name.clone(),
                expression,
                context,
                answer: told(&held.caveat),
            });
        }
    }
}

fn told(value: &Value) -> StepAnswer {
    let names = value.missing.iter().flat_map(|names| names.iter()).filter(|name| !name.starts_with(FAILURE));
    match value {
        _ if value.is_yes() => StepAnswer::Yes,
        _ if value.is_no() => StepAnswer::No,
        _ if value.is_conditional() => {
            let names: BTreeSet<Arc<str>> = names.cloned().collect();
            if names.is_empty() { StepAnswer::Undecided } else { StepAnswer::Conditional(names) }
        }
        _ => StepAnswer::Undecided,
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
