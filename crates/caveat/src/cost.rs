//! What an expression may cost, before it is evaluated.
//!
//! Nothing repeats but by macros, so a bound follows from how large their lists can be. Lists that the expression itself
//! makes are as large as it says; for what comes from the context an assumption stands in.
//!
//! INVARIANT: an evaluation takes no more steps than the bound, as long as its context is within the assumption.

use std::rc::Rc;
use std::sync::Arc;

use crate::function::{Function, Target};
use crate::limit;
use crate::meter::{PATTERN_STEPS, STEP_BYTES, match_steps};
use crate::tree::{Loop, LoopKind, Node};
use crate::types::Type;
use crate::value::Value;

/// How many steps an evaluation takes at most. A step is a node of the expression, an element that is looked at, or 64
/// bytes of text; it takes some tens of nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// While every list and map of the context has at most [`limit::ELEMENTS_ASSUMED`] elements and every text at most
    /// [`limit::TEXT_BYTES_ASSUMED`] bytes. At most [`limit::STEPS_MAX`].
    pub assumed_steps: u64,
    /// With any context. At most [`limit::STEPS_MAX`], where evaluation ends with an error.
    pub most_steps: u64,
}

/// How large what comes from a context is, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assumption {
    elements: u64,
    text_bytes: u64,
}

impl Assumption {
    /// What expressions are judged by.
    pub(crate) const USUAL: Self = Self { elements: limit::ELEMENTS_ASSUMED, text_bytes: limit::TEXT_BYTES_ASSUMED };
    /// An element takes two bytes at least.
    pub(crate) const WORST: Self = Self {
        elements: portcullis_model::limit::CONTEXT_BYTES_MAX as u64 / 2,
        text_bytes: portcullis_model::limit::CONTEXT_BYTES_MAX as u64,
    };
}

/// The most steps of a node within an assumption; it stops counting at the largest number.
pub(crate) fn bound(node: &Node, parameters: &[(Arc<str>, Type)], assumption: Assumption) -> u64 {
    let parameters = parameters.iter().map(|(_, kind)| assumption.shape(kind)).collect();
    Estimate { assumption, parameters, variables: Vec::new() }.node(node).steps
}

/// How large a value may be.
#[derive(Clone, Debug)]
struct Shape {
    /// Its elements, if it is a list or map.
    elements: u64,
    /// Its bytes, if it is a text or bytes.
    bytes: u64,
    /// The steps to look at all of it.
    total: u64,
    inner: Inner,
    /// How many levels of elements are known.
    depth: u32,
}

/// What is known of the elements of a value; for a map its keys and values.
#[derive(Clone, Debug)]
enum Inner {
    Unknown,
    /// They are no larger than the value itself, nor is what is in them.
    Same,
    Of(Rc<Shape>),
}

/// The steps of a node, and the shape of its value.
struct Estimated {
    steps: u64,
    shape: Shape,
}

struct Estimate {
    assumption: Assumption,
    parameters: Vec<Shape>,
    variables: Vec<Shape>,
}

/// A value of bounded size: a number, a time, or a text made of one.
const SMALL: Shape = Shape { elements: 0, bytes: STEP_BYTES, total: 1, inner: Inner::Unknown, depth: 0 };

impl Assumption {
    fn shape(self, parameter: &Type) -> Shape {
        match parameter {
            Type::Any => self.unknown(),
            Type::String | Type::Bytes => Shape::text(self.text_bytes),
            Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Duration | Type::Timestamp | Type::IpAddress => {
                SMALL
            }
            Type::List(element) => Shape::list(self.elements, self.shape(element)),
            Type::Map(value) => Shape::list(self.elements, Shape::text(self.text_bytes).or(self.shape(value))),
        }
    }

    /// Whatever a context may hold. What is within it is no larger than all of it.
    fn unknown(self) -> Shape {
        let total = self.elements.saturating_mul(2).saturating_add(self.text_bytes / STEP_BYTES);
        Shape { elements: self.elements, bytes: self.text_bytes, total, inner: Inner::Unknown, depth: 0 }
    }
}

impl Shape {
    fn text(bytes: u64) -> Self {
        Self { elements: 0, bytes, total: bytes / STEP_BYTES, inner: Inner::Unknown, depth: 0 }
    }

    fn list(elements: u64, inner: Self) -> Self {
        let total = elements.saturating_mul(inner.total.saturating_add(1));
        let depth = inner.depth + 1;
        if depth >= limit::VALUE_NESTING_MAX {
            return Self { total, ..inner.levelled(elements) };
        }
        Self { elements, bytes: 0, total, inner: Inner::Of(Rc::new(inner)), depth }
    }

    /// One level that stands for all that are known, and for one more above them. A chain of any length could not be
    /// dropped by recursion.
    fn levelled(self, elements: u64) -> Self {
        let (mut elements, mut bytes) = (elements.max(self.elements), self.bytes);
        let mut next = self.inner;
        while let Inner::Of(shape) = next {
            elements = elements.max(shape.elements);
            bytes = bytes.max(shape.bytes);
            next = shape.inner.clone();
        }
        Self { elements, bytes, total: self.total, inner: Inner::Same, depth: 1 }
    }

    fn of(value: &Value) -> Self {
        let among = |shapes: Option<Self>| shapes.unwrap_or(SMALL);
        match value {
            Value::Text(text) => Self::text(text.len() as u64),
            Value::Bytes(bytes) => Self::text(bytes.len() as u64),
            Value::List(list) => {
                Self::list(list.items().len() as u64, among(list.items().iter().map(Self::of).reduce(Self::or)))
            }
            Value::Map(map) => {
                let keys = map.entries().keys().map(|key| Self::of(&key.value()));
                let inner = keys.chain(map.entries().values().map(Self::of)).reduce(Self::or);
                Self::list(map.entries().len() as u64, among(inner))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
            | Value::Address(_) => SMALL,
        }
    }

    /// What is either of two.
    fn or(self, other: Self) -> Self {
        Self {
            elements: self.elements.max(other.elements),
            bytes: self.bytes.max(other.bytes),
            total: self.total.max(other.total),
            depth: self.depth.max(other.depth),
            inner: self.inner.or(other.inner),
        }
    }
}

impl Inner {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(one), Self::Of(two)) => Self::Of(Rc::new((*one).clone().or((*two).clone()))),
            (Self::Same, _) | (_, Self::Same) => Self::Same,
            (Self::Of(known), Self::Unknown) | (Self::Unknown, Self::Of(known)) => Self::Of(known),
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

impl Estimate {
    fn inner(&self, shape: &Shape) -> Shape {
        match &shape.inner {
            Inner::Unknown => self.assumption.unknown(),
            Inner::Same => shape.clone(),
            Inner::Of(inner) => (**inner).clone(),
        }
    }

    fn node(&mut self, node: &Node) -> Estimated {
        let Estimated { steps, shape } = self.parts(node);
        Estimated { steps: steps.saturating_add(1), shape }
    }

    /// Without the step that the node itself takes.
    fn parts(&mut self, node: &Node) -> Estimated {
        match node {
            Node::Constant(value) => Estimated { steps: 0, shape: Shape::of(value) },
            Node::Parameter(number) => Estimated { steps: 0, shape: self.parameters[*number].clone() },
            Node::Variable(number) => Estimated { steps: 0, shape: self.variables[*number].clone() },
            Node::And(operands) | Node::Or(operands) => Estimated { steps: self.sum(operands), shape: SMALL },
            Node::Not(operand) => Estimated { steps: self.node(operand).steps, shape: SMALL },
            Node::Choice(parts) => {
                let [condition, first, second] = parts.each_ref().map(|part| self.node(part));
                let steps = condition.steps.saturating_add(first.steps).saturating_add(second.steps);
                Estimated { steps, shape: first.shape.or(second.shape) }
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            Node::Matches(text, pattern) => {
                let Estimated { steps, shape } = self.node(text);
                let steps = steps.saturating_add(match_steps(pattern.states(), shape.bytes));
                Estimated { steps, shape: SMALL }
            }
            Node::InRange(address, _) => Estimated { steps: self.node(address).steps, shape: SMALL },
            Node::List(items) => {
                let estimated: Vec<Estimated> = items.iter().map(|item| self.node(item)).collect();
                let steps = estimated.iter().fold(0_u64, |sum, item| sum.saturating_add(item.steps));
                let inner = estimated.into_iter().map(|item| item.shape).reduce(Shape::or).unwrap_or(SMALL);
                Estimated { steps, shape: Shape::list(items.len() as u64, inner) }
            }
            Node::Map(entries) => {
                let (mut steps, mut inner) = (0_u64, None);
                for (key, value) in entries {
                    let (key, value) = (self.node(key), self.node(value));
                    steps = steps.saturating_add(key.steps).saturating_add(value.steps);
                    // Keys are elements when a macro goes through them.
                    let shape = key.shape.or(value.shape);
                    inner = Some(inner.map_or_else(|| shape.clone(), |known: Shape| known.or(shape.clone())));
                }
                Estimated { steps, shape: Shape::list(entries.len() as u64, inner.unwrap_or(SMALL)) }
            }
            Node::Has(map, key) => {
                let steps = self.node(map).steps.saturating_add(key.len() as u64 / STEP_BYTES);
                Estimated { steps, shape: SMALL }
            }
            Node::Loop(node) => self.loops(node),
        }
    }

    fn sum(&mut self, nodes: &[Node]) -> u64 {
        nodes.iter().fold(0, |sum, node| sum.saturating_add(self.node(node).steps))
    }

    fn call(&mut self, function: Function, arguments: &[Node]) -> Estimated {
        let estimated: Vec<Estimated> = arguments.iter().map(|argument| self.node(argument)).collect();
        let steps = estimated.iter().fold(0_u64, |sum, argument| sum.saturating_add(argument.steps));
        let mut shapes = estimated.into_iter().map(|argument| argument.shape);
        let one = shapes.next().unwrap_or(SMALL);
        let two = shapes.next().unwrap_or(SMALL);
        let both = one.total.saturating_add(two.total);
        let (own, shape) = match function {
            Function::Add => {
                let elements = one.elements.saturating_add(two.elements);
                let bytes = one.bytes.saturating_add(two.bytes);
                // A list takes a step for each element, and a text for each 64 bytes of the result.
                let total = both.saturating_add(1);
                (elements.max(total), Shape { elements, bytes, total, ..one.or(two) })
            }
            Function::Index => (two.total, self.inner(&one)),
            Function::In => (one.total.saturating_add(two.total).saturating_add(two.elements), SMALL),
            Function::Matches => {
                let states = limit::GIVEN_PATTERN_MEMORY_BYTES_MAX as u64 / 16;
                (PATTERN_STEPS.saturating_add(match_steps(states, one.bytes)), SMALL)
            }
            Function::Convert(Target::Text | Target::Bytes | Target::Any) => (both, one.or(SMALL)),
            Function::Equal
            | Function::NotEqual
            | Function::Less
            | Function::LessEqual
            | Function::Greater
            | Function::GreaterEqual
            | Function::Subtract
            | Function::Multiply
            | Function::Divide
            | Function::Remainder
            | Function::Negate
            | Function::Size
            | Function::Contains
            | Function::StartsWith
            | Function::EndsWith
            | Function::InCidr
            | Function::IsSubtreeOf
            | Function::Part(_)
            | Function::Convert(_) => (both.saturating_add(1), SMALL),
        };
        Estimated { steps: steps.saturating_add(own), shape }
    }

    fn loops(&mut self, node: &Loop) -> Estimated {
        let range = self.node(&node.range);
        self.variables.push(self.inner(&range.shape));
        let filter = node.filter.as_ref().map_or(0, |filter| self.node(filter).steps);
        let body = self.node(&node.body);
        self.variables.pop();
        let each = filter.saturating_add(body.steps).saturating_add(1);
        // An unknown range is gone through once, even if it is empty.
        let own = range.shape.elements.max(1).saturating_mul(each);
        let shape = match node.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => SMALL,
            LoopKind::Filter => range.shape.clone(),
            LoopKind::Map => Shape::list(range.shape.elements, body.shape),
        };
        Estimated { steps: range.steps.saturating_add(own), shape }
    }
}
