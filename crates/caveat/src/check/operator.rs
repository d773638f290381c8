//! Operators: which types go together, and what comes out.

use std::ops::Range;

use super::{Checker, Part};
use crate::apply::apply;
use crate::function::Function;
use crate::kind::Kind;
use crate::meter::Meter;
use crate::problem::ProblemKind;
use crate::syntax::{BinaryOperator, Expression};
use crate::tree::Node;
use crate::value::Value;

const CONVERT: &str = "convert one of them, as in `int(x)` or `string(x)`";
const ONE_TYPE: &str =
    "both sides must have one type: write `1u` for a uint and `1.0` for a double, or convert one side";
const ADDS: &str =
    "it adds numbers, durations, and a duration to a timestamp, and joins texts, bytes and lists; both of one type";
const SUBTRACTS: &str = "it takes a number from a number, and a duration or a timestamp from a timestamp or a duration";
const NUMBERS: &str = "it takes numbers only, both of one type";
const WHOLE: &str = "it takes ints or uints only, both of one type";
const ORDERED: &str = "only numbers, texts, bytes, bools, durations and timestamps have an order";
const WITHIN: &str = "write an element and its list, or a key and its map";
const INDEXES: &str = "an index is an int of a list, or a key of a map";
const NEGATES: &str = "only an int or a double has a negative";

impl Checker<'_> {
    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: &Range<usize>,
    ) -> Part {
        let ((left, one), (right, two)) = (self.part(left), self.part(right));
        let function = function_of(operator);
        let (kind, remedy) = match operator {
            BinaryOperator::Equal | BinaryOperator::NotEqual => (one.meets(&two).then_some(Kind::Bool), CONVERT),
            BinaryOperator::Less
            | BinaryOperator::LessEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterEqual => {
                let ordered = one.is_ordered() && two.is_ordered();
                ((ordered && one.meets(&two)).then_some(Kind::Bool), if ordered { CONVERT } else { ORDERED })
            }
            BinaryOperator::In => (is_within(&one, &two).then_some(Kind::Bool), WITHIN),
            BinaryOperator::Add => (sum(&one, &two), ADDS),
            BinaryOperator::Subtract => (difference(&one, &two), SUBTRACTS),
            BinaryOperator::Multiply | BinaryOperator::Divide => (product(&one, &two), NUMBERS),
            BinaryOperator::Remainder => (remainder(&one, &two), WHOLE),
        };
        let mixed = one != two && one.is_number() && two.is_number();
        let remedy = if mixed { ONE_TYPE } else { remedy };
        match kind {
            Some(kind) => (self.folded(function, vec![left, right], span), kind),
            None => self.wrong_operands(function, &[one, two], remedy, span),
        }
    }

    pub(super) fn negate(&mut self, operand: &Expression, span: &Range<usize>) -> Part {
        let (node, kind) = self.part(operand);
        match kind {
            Kind::Any | Kind::Int | Kind::Double => (self.folded(Function::Negate, vec![node], span), kind),
            other => self.wrong_operands(Function::Negate, &[other], NEGATES, span),
        }
    }

    pub(super) fn index(&mut self, operand: &Expression, index: &Expression, span: &Range<usize>) -> Part {
        let ((operand, one), (index, two)) = (self.part(operand), self.part(index));
        let kind = match &one {
            Kind::Any => Some(Kind::Any),
            Kind::List(element) => matches!(two, Kind::Any | Kind::Int | Kind::Uint).then(|| element.as_ref().clone()),
            Kind::Map(entry) => entry.0.meets(&two).then(|| entry.1.clone()),
            _ => None,
        };
        match kind {
            Some(kind) => (self.folded(Function::Index, vec![operand, index], span), kind),
            None => self.wrong_operands(Function::Index, &[one, two], INDEXES, span),
        }
    }

    fn wrong_operands(
        &mut self,
        function: Function,
        given: &[Kind],
        remedy: &'static str,
        span: &Range<usize>,
    ) -> Part {
        let given = given.iter().map(Kind::to_string).collect::<Vec<_>>().join(" and ");
        self.refused(span, ProblemKind::WrongOperands { operator: function.name(), given, remedy })
    }

    /// A call, or its result where that is the same every time.
    pub(super) fn folded(&mut self, function: Function, nodes: Vec<Node>, span: &Range<usize>) -> Node {
        let constants: Option<Vec<&Value>> = nodes.iter().map(super::constant).collect();
        if let Some(values) = constants {
            // INVARIANT: every function takes one value or two.
            match apply(function, values[0], values.get(1).copied(), &mut Meter::new()) {
                Ok(value) => return Node::Constant(value),
                Err(error) if matches!(function, Function::Convert(_) | Function::Part(_)) => {
                    self.report(span.clone(), ProblemKind::Constant { error: *error });
                }
                // Such as a division by zero, which may stand where it never counts.
                Err(_) => {}
            }
        }
        Node::Call(function, nodes.into())
    }
}

fn function_of(operator: BinaryOperator) -> Function {
    match operator {
        BinaryOperator::Equal => Function::Equal,
        BinaryOperator::NotEqual => Function::NotEqual,
        BinaryOperator::Less => Function::Less,
        BinaryOperator::LessEqual => Function::LessEqual,
        BinaryOperator::Greater => Function::Greater,
        BinaryOperator::GreaterEqual => Function::GreaterEqual,
        BinaryOperator::In => Function::In,
        BinaryOperator::Add => Function::Add,
        BinaryOperator::Subtract => Function::Subtract,
        BinaryOperator::Multiply => Function::Multiply,
        BinaryOperator::Divide => Function::Divide,
        BinaryOperator::Remainder => Function::Remainder,
    }
}

fn is_within(element: &Kind, within: &Kind) -> bool {
    match within {
        Kind::Any => true,
        Kind::List(item) => element.meets(item),
        Kind::Map(entry) => element.meets(&entry.0),
        _ => false,
    }
}

fn sum(one: &Kind, two: &Kind) -> Option<Kind> {
    match (one, two) {
        (Kind::Timestamp, Kind::Duration) | (Kind::Duration, Kind::Timestamp) => Some(Kind::Timestamp),
        (Kind::List(_), Kind::List(_)) => Some(one.joined(two)),
        (Kind::Text | Kind::Bytes | Kind::Duration, _) if one == two => Some(one.clone()),
        (Kind::Any, other) | (other, Kind::Any) => {
            (!matches!(other, Kind::Null | Kind::Bool | Kind::Address | Kind::Map(_))).then_some(Kind::Any)
        }
        _ => product(one, two),
    }
}

fn difference(one: &Kind, two: &Kind) -> Option<Kind> {
    match (one, two) {
        (Kind::Timestamp, Kind::Timestamp) | (Kind::Duration, Kind::Duration) => Some(Kind::Duration),
        (Kind::Timestamp, Kind::Duration) => Some(Kind::Timestamp),
        (Kind::Any, Kind::Timestamp | Kind::Duration) | (Kind::Timestamp | Kind::Duration, Kind::Any) => {
            Some(Kind::Any)
        }
        _ => product(one, two),
    }
}

fn product(one: &Kind, two: &Kind) -> Option<Kind> {
    match (one, two) {
        (Kind::Any, Kind::Any) => Some(Kind::Any),
        (Kind::Any, other) | (other, Kind::Any) => other.is_number().then_some(Kind::Any),
        _ => (one == two && one.is_number()).then(|| one.clone()),
    }
}

fn remainder(one: &Kind, two: &Kind) -> Option<Kind> {
    product(one, two).filter(|_| *one != Kind::Double && *two != Kind::Double)
}
