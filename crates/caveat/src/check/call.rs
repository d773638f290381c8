//! Calls of functions: by name, by what stands before the dot, and by the types of what they are given.

use std::ops::Range;

use super::{Checker, Part, constant};
use crate::apply::range_of;
use crate::error::{Error, PatternProblem, shortened};
use crate::function::{Function, SIGNATURES, Signature, Target};
use crate::kind::Kind;
use crate::limit;
use crate::moment::zone_seconds;
use crate::pattern::Pattern;
use crate::problem::ProblemKind;
use crate::similar::similar;
use crate::syntax::{Expression, Name};
use crate::tree::{LoopKind, Node};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        receiver: Option<&Expression>,
        name: &Name,
        arguments: &[Expression],
        span: &Range<usize>,
    ) -> Part {
        match (LoopKind::named(&name.text), receiver) {
            (Some(kind), Some(receiver)) => return self.loops(kind, receiver, name, arguments),
            (Some(kind), None) => return self.wrong_form(kind, name),
            (None, _) => {}
        }
        if name.text == "has" && receiver.is_none() {
            return self.has(name, arguments);
        }
        let parts: Vec<Part> = receiver.into_iter().chain(arguments).map(|given| self.part(given)).collect();
        let (nodes, kinds): (Vec<Node>, Vec<Kind>) = parts.into_iter().unzip();
        let mut named = SIGNATURES.iter().filter(|signature| signature.name == name.text).peekable();
        if named.peek().is_none() {
            return self.unknown_function(name);
        }
        match named.find(|signature| fits(signature, receiver.is_some(), &kinds)) {
            Some(signature) => (self.called(signature, nodes, name, span), signature.gives.clone()),
            None => self.wrong_arguments(receiver.is_some(), name, &kinds),
        }
    }

    fn called(&mut self, signature: &Signature, nodes: Vec<Node>, name: &Name, span: &Range<usize>) -> Node {
        match (signature.function, nodes.get(1).and_then(constant)) {
            (Function::Matches, Some(Value::Text(text))) => {
                let text = text.clone();
                self.matches(&text, nodes, name)
            }
            (Function::InCidr, Some(Value::Text(text))) => match range_of(text) {
                Ok(range) => first(nodes, |node| Node::InRange(node, range)),
                Err(error) => self.refused(span, ProblemKind::Constant { error: *error }).0,
            },
            (Function::Part(_), Some(Value::Text(zone))) if zone_seconds(zone).is_none() => {
                let error = Error::NotZone { given: shortened(zone) };
                self.refused(span, ProblemKind::Constant { error }).0
            }
            (Function::Convert(Target::Any), _) => first(nodes, |node| *node),
            _ => self.folded(signature.function, nodes, span),
        }
    }

    fn matches(&mut self, text: &str, nodes: Vec<Node>, name: &Name) -> Node {
        self.patterns += 1;
        let pattern = if self.patterns > limit::PATTERNS_MAX {
            Err(PatternProblem::TooMany { most: limit::PATTERNS_MAX })
        } else {
            Pattern::new(text, limit::PATTERN_MEMORY_BYTES_MAX - self.pattern_bytes)
        };
        match pattern {
            Ok(pattern) => {
                self.pattern_bytes += pattern.memory_bytes();
                first(nodes, |node| Node::Matches(node, Box::new(pattern)))
            }
            Err(problem) => self.refused(&name.span, ProblemKind::Pattern { problem }).0,
        }
    }

    fn unknown_function(&mut self, name: &Name) -> Part {
        if self.is_full() {
            return (Node::Constant(Value::Null), Kind::Any);
        }
        if name.text == "now" {
            return self.refused(&name.span, ProblemKind::Clock);
        }
        let similar = similar(&name.text, SIGNATURES.iter().map(|signature| signature.name)).map(str::to_owned);
        self.refused(&name.span, ProblemKind::UnknownFunction { name: name.text.clone(), similar })
    }

    fn wrong_arguments(&mut self, method: bool, name: &Name, kinds: &[Kind]) -> Part {
        let mut names = kinds.iter().map(Kind::to_string);
        let receiver = if method { names.next().map(|kind| format!("{kind}.")) } else { None };
        let given = format!("{}{}({})", receiver.unwrap_or_default(), name.text, names.collect::<Vec<_>>().join(", "));
        let accepted = SIGNATURES.iter().filter(|signature| signature.name == name.text).map(Signature::form).collect();
        self.refused(&name.span, ProblemKind::WrongArguments { name: name.text.clone(), given, accepted })
    }
}

fn fits(signature: &Signature, method: bool, kinds: &[Kind]) -> bool {
    signature.method == method
        && signature.takes.len() == kinds.len()
        && signature.takes.iter().zip(kinds).all(|(takes, kind)| takes.accepts(kind))
}

fn first(nodes: Vec<Node>, make: impl FnOnce(Box<Node>) -> Node) -> Node {
    // INVARIANT: the signature takes at least one.
    make(Box::new(nodes.into_iter().next().expect("the call has an argument")))
}
