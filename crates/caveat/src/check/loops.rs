//! Macros: `has`, and those that go through lists and maps.

use super::{Checker, Part};
use crate::kind::Kind;
use crate::problem::ProblemKind;
use crate::syntax::{Expression, ExpressionKind, Name};
use crate::tree::{Loop, LoopKind, Node};

impl Checker<'_> {
    pub(super) fn has(&mut self, name: &Name, arguments: &[Expression]) -> Part {
        let [Expression { kind: ExpressionKind::Select(field, operand), .. }] = arguments else {
            return self.refused(&name.span, ProblemKind::MacroForm { name: "has", form: "has(map.field)" });
        };
        let (node, kind) = self.part(operand);
        if super::field_kind(&kind).is_none() {
            let problem = ProblemKind::NoFields { found: kind.to_string(), field: field.text.clone() };
            return self.refused(&field.span, problem);
        }
        (Node::Has(Box::new(node), field.text.as_str().into()), Kind::Bool)
    }

    pub(super) fn loops(
        &mut self,
        kind: LoopKind,
        receiver: &Expression,
        name: &Name,
        arguments: &[Expression],
    ) -> Part {
        let (variable, filter, body) = match arguments {
            [variable, body] => (variable, None, body),
            [variable, filter, body] if kind == LoopKind::Map => (variable, Some(filter), body),
            _ => return self.wrong_form(kind, name),
        };
        let ExpressionKind::Name(variable) = &variable.kind else { return self.wrong_form(kind, name) };
        let (range, range_kind) = self.part(receiver);
        let element = match &range_kind {
            Kind::Any => Kind::Any,
            Kind::List(element) => element.as_ref().clone(),
            Kind::Map(entry) => entry.0.clone(),
            other => {
                let problem = ProblemKind::NotIterable { name: kind.name(), found: other.to_string() };
                return self.refused(&receiver.span, problem);
            }
        };
        self.variables.push((variable.clone(), element.clone()));
        let filter = filter.map(|filter| self.condition(filter, "the condition of `map`"));
        let (body, result) = match kind {
            LoopKind::Map => {
                let (body, result) = self.part(body);
                (body, Kind::list(result))
            }
            LoopKind::Filter => (self.condition(body, "the condition of `filter`"), Kind::list(element)),
            LoopKind::All => (self.condition(body, "the condition of `all`"), Kind::Bool),
            LoopKind::Exists => (self.condition(body, "the condition of `exists`"), Kind::Bool),
            LoopKind::ExistsOne => (self.condition(body, "the condition of `exists_one`"), Kind::Bool),
        };
        self.variables.pop();
        (Node::Loop(Box::new(Loop { kind, range, filter, body })), result)
    }

    pub(super) fn wrong_form(&mut self, kind: LoopKind, name: &Name) -> Part {
        self.refused(&name.span, ProblemKind::MacroForm { name: kind.name(), form: kind.form() })
    }
}
