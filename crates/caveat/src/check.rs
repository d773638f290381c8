//! From an expression as written to one that is known to fit together.
//!
//! Whatever has a problem counts as [`Kind::Any`] afterwards, so that one mistake is reported once. The parser has limited
//! the depth, so this recurses.

mod call;
mod loops;
mod operator;

use std::ops::Range;
use std::sync::Arc;

use crate::function::Function;
use crate::kind::Kind;
use crate::limit;
use crate::missing::Missing;
use crate::problem::{Problem, ProblemKind};
use crate::similar::similar;
use crate::syntax::{Expression, ExpressionKind, Name, UnaryOperator};
use crate::tree::Node;
use crate::value::Value;

/// What became of an expression.
pub(crate) struct Checked {
    pub(crate) node: Node,
    /// The parameters that it mentions.
    pub(crate) referenced: Missing,
}

/// Checks a whole expression over the parameters, which are numbered in their order.
pub(crate) fn check(parameters: &[(Arc<str>, Kind)], expression: &Expression) -> Result<Checked, Vec<Problem>> {
    let (variables, problems) = (Vec::new(), Vec::new());
    let mut checker =
        Checker { parameters, variables, referenced: Missing::default(), patterns: 0, pattern_bytes: 0, problems };
    let (node, kind) = checker.part(expression);
    // It must be known to be bool beforehand, so that a caveat cannot turn out to be none.
    if kind != Kind::Bool && (kind != Kind::Any || checker.problems.is_empty()) {
        let problem = ProblemKind::NotBool { place: "the result", found: kind.to_string() };
        checker.report(expression.span.clone(), problem);
    }
    match checker.problems {
        problems if problems.is_empty() => Ok(Checked { node, referenced: checker.referenced }),
        mut problems => {
            problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
            Err(problems)
        }
    }
}

struct Checker<'c> {
    parameters: &'c [(Arc<str>, Kind)],
    /// Of the macros around what is being checked, outermost first.
    variables: Vec<(String, Kind)>,
    referenced: Missing,
    /// How many patterns were compiled.
    patterns: usize,
    /// How large their automatons are.
    pattern_bytes: usize,
    problems: Vec<Problem>,
}

/// A part that fits together, and its type.
type Part = (Node, Kind);

impl Checker<'_> {
    fn part(&mut self, expression: &Expression) -> Part {
        match &expression.kind {
            ExpressionKind::Null => (Node::Constant(Value::Null), Kind::Null),
            ExpressionKind::Bool(value) => (Node::Constant(Value::Bool(*value)), Kind::Bool),
            ExpressionKind::Int(value) => (Node::Constant(Value::Int(*value)), Kind::Int),
            ExpressionKind::Uint(value) => (Node::Constant(Value::Uint(*value)), Kind::Uint),
            ExpressionKind::Double(value) => (Node::Constant(Value::Double(*value)), Kind::Double),
            ExpressionKind::Text(text) => (Node::Constant(Value::text(text)), Kind::Text),
            ExpressionKind::Bytes(bytes) => (Node::Constant(Value::Bytes(bytes.as_slice().into())), Kind::Bytes),
            ExpressionKind::Name(name) => self.name(name, &expression.span),
            ExpressionKind::Select(field, operand) => self.select(field, operand),
            ExpressionKind::Call { receiver, name, arguments } => {
                self.call(receiver.as_deref(), name, arguments, &expression.span)
            }
            ExpressionKind::Unary(UnaryOperator::Not, operand) => {
                (Node::Not(Box::new(self.condition(operand, "what `!` negates"))), Kind::Bool)
            }
            ExpressionKind::Unary(UnaryOperator::Negate, operand) => self.negate(operand, &expression.span),
            ExpressionKind::Binary(operator, left, right) => self.binary(*operator, left, right, &expression.span),
            ExpressionKind::And(operands) => (Node::And(self.conditions(operands, "each side of `&&`")), Kind::Bool),
            ExpressionKind::Or(operands) => (Node::Or(self.conditions(operands, "each side of `||`")), Kind::Bool),
            ExpressionKind::Choice(parts) => self.choice(parts, &expression.span),
            ExpressionKind::Index(operand, index) => self.index(operand, index, &expression.span),
            ExpressionKind::List(items) => self.list(items),
            ExpressionKind::Map(entries) => self.map(entries),
        }
    }

    /// A part that must be true or false.
    fn condition(&mut self, expression: &Expression, place: &'static str) -> Node {
        let (node, kind) = self.part(expression);
        if !matches!(kind, Kind::Bool | Kind::Any) {
            self.report(expression.span.clone(), ProblemKind::NotBool { place, found: kind.to_string() });
        }
        node
    }

    fn conditions(&mut self, operands: &[Expression], place: &'static str) -> Box<[Node]> {
        operands.iter().map(|operand| self.condition(operand, place)).collect()
    }

    fn name(&mut self, name: &str, span: &Range<usize>) -> Part {
        if let Some(number) = self.variables.iter().rposition(|(variable, _)| variable == name) {
            return (Node::Variable(number), self.variables[number].1.clone());
        }
        if let Some(number) = self.parameters.iter().position(|(parameter, _)| parameter.as_ref() == name) {
            self.referenced.add(&Missing::one(number));
            return (Node::Parameter(number), self.parameters[number].1.clone());
        }
        if self.is_full() {
            return (Node::Constant(Value::Null), Kind::Any);
        }
        let parameters = self.parameters.iter().map(|(parameter, _)| parameter.as_ref());
        let known = parameters.chain(self.variables.iter().map(|(variable, _)| variable.as_str()));
        let similar = similar(name, known).map(str::to_owned);
        self.refused(span, ProblemKind::UnknownName { name: name.to_owned(), similar })
    }

    fn select(&mut self, field: &Name, operand: &Expression) -> Part {
        let (node, kind) = self.part(operand);
        let Some(value) = field_kind(&kind) else {
            let problem = ProblemKind::NoFields { found: kind.to_string(), field: field.text.clone() };
            return self.refused(&field.span, problem);
        };
        let key = Node::Constant(Value::text(&field.text));
        (Node::Call(Function::Index, Box::new([node, key])), value)
    }

    fn choice(&mut self, [condition, first, second]: &[Expression; 3], span: &Range<usize>) -> Part {
        let condition = self.condition(condition, "what stands before `?`");
        let ((first, one), (second, two)) = (self.part(first), self.part(second));
        if !one.agrees(&two) {
            let problem = ProblemKind::Branches { first: one.to_string(), second: two.to_string() };
            return self.refused(span, problem);
        }
        (Node::Choice(Box::new([condition, first, second])), one.joined(&two))
    }

    fn list(&mut self, items: &[Expression]) -> Part {
        let mut element: Option<Kind> = None;
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let (node, kind) = self.part(item);
            element = Some(element.map_or_else(|| kind.clone(), |known| known.joined(&kind)));
            nodes.push(node);
        }
        let kind = Kind::list(element.unwrap_or(Kind::Any));
        let constants: Option<Vec<Value>> = nodes.iter().map(constant).map(Option::<&Value>::cloned).collect();
        match constants.map(Value::list) {
            Some(Ok(list)) => (Node::Constant(list), kind),
            _ => (Node::List(nodes.into()), kind),
        }
    }

    fn map(&mut self, entries: &[(Expression, Expression)]) -> Part {
        let mut kinds: Option<(Kind, Kind)> = None;
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let ((key_node, key_kind), (value_node, value_kind)) = (self.part(key), self.part(value));
            if !matches!(key_kind, Kind::Any | Kind::Bool | Kind::Int | Kind::Uint | Kind::Text) {
                self.report(key.span.clone(), ProblemKind::BadKey { found: key_kind.to_string() });
            }
            kinds = Some(match kinds {
                Some((keys, values)) => (keys.joined(&key_kind), values.joined(&value_kind)),
                None => (key_kind, value_kind),
            });
            nodes.push((key_node, value_node));
        }
        let (keys, values) = kinds.unwrap_or((Kind::Any, Kind::Any));
        (Node::Map(nodes.into()), Kind::map(keys, values))
    }

    fn report(&mut self, span: Range<usize>, kind: ProblemKind) {
        if !self.is_full() {
            self.problems.push(Problem { kind, span });
        }
    }

    /// Whether there are as many problems as are reported, so that no more are looked into.
    fn is_full(&self) -> bool {
        self.problems.len() >= limit::PROBLEMS_MAX
    }

    /// Reports a problem; what stands in place of the part fits everywhere.
    fn refused(&mut self, span: &Range<usize>, kind: ProblemKind) -> Part {
        self.report(span.clone(), kind);
        (Node::Constant(Value::Null), Kind::Any)
    }
}

/// The type of a field, if a value of a type has fields.
fn field_kind(kind: &Kind) -> Option<Kind> {
    match kind {
        Kind::Any => Some(Kind::Any),
        Kind::Map(entry) if entry.0.meets(&Kind::Text) => Some(entry.1.clone()),
        _ => None,
    }
}

/// The value of a part that is the same every time.
fn constant(node: &Node) -> Option<&Value> {
    match node {
        Node::Constant(value) => Some(value),
        Node::Parameter(_)
        | Node::Variable(_)
        | Node::And(_)
        | Node::Or(_)
        | Node::Not(_)
        | Node::Choice(_)
        | Node::Call(..)
        | Node::Matches(..)
        | Node::InRange(..)
        | Node::List(_)
        | Node::Map(_)
        | Node::Has(..)
        | Node::Loop(_) => None,
    }
}
