//! Operands: literals, names, calls, fields, brackets.

use std::ops::Range;

use super::{Parsed, Parser, refused};
use crate::problem::ProblemKind;
use crate::syntax::{Expression, ExpressionKind, Name, UnaryOperator};
use crate::token::{RESERVED, TokenKind};

impl Parser<'_> {
    pub(super) fn unary(&mut self) -> Parsed<Expression> {
        let operator = match self.current.kind {
            TokenKind::Sign("!") => UnaryOperator::Not,
            TokenKind::Sign("-") => UnaryOperator::Negate,
            _ => return self.member(),
        };
        self.enter()?;
        let start = self.current.span.start;
        self.advance()?;
        let negative = operator == UnaryOperator::Negate;
        let expression = match self.current.kind {
            TokenKind::Int(number) if negative => {
                self.advance()?;
                let Some(number) = 0_i64.checked_sub_unsigned(number) else {
                    return bad_number(&format!("-{number}"), start..self.end);
                };
                let literal = Expression { kind: ExpressionKind::Int(number), span: start..self.end, depth: 1 };
                self.suffixes(literal)?
            }
            TokenKind::Double(number) if negative => {
                self.advance()?;
                let literal = Expression { kind: ExpressionKind::Double(-number), span: start..self.end, depth: 1 };
                self.suffixes(literal)?
            }
            _ => {
                let operand = self.unary()?;
                let depth = operand.depth;
                Self::built(ExpressionKind::Unary(operator, Box::new(operand)), start..self.end, depth)?
            }
        };
        self.level -= 1;
        Ok(expression)
    }

    fn member(&mut self) -> Parsed<Expression> {
        let primary = self.primary()?;
        self.suffixes(primary)
    }

    /// Fields, methods and indexes behind an operand.
    fn suffixes(&mut self, operand: Expression) -> Parsed<Expression> {
        let mut operand = operand;
        loop {
            let (start, depth) = (operand.span.start, operand.depth);
            if self.accept(".")? {
                self.refuse_optional()?;
                let name = self.field()?;
                if self.accept("(")? {
                    let arguments = self.list(")")?;
                    let depth = deepest(&arguments).max(depth);
                    let kind = ExpressionKind::Call { receiver: Some(Box::new(operand)), name, arguments };
                    operand = Self::built(kind, start..self.end, depth)?;
                } else {
                    operand = Self::built(ExpressionKind::Select(name, Box::new(operand)), start..self.end, depth)?;
                }
            } else if self.accept("[")? {
                self.refuse_optional()?;
                let index = self.expression()?;
                self.expect("]", "`]`")?;
                let depth = depth.max(index.depth);
                let kind = ExpressionKind::Index(Box::new(operand), Box::new(index));
                operand = Self::built(kind, start..self.end, depth)?;
            } else if self.at("{") && matches!(operand.kind, ExpressionKind::Name(_) | ExpressionKind::Select(..)) {
                return refused(ProblemKind::Message, operand.span);
            } else {
                return Ok(operand);
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expression> {
        // A leading dot names the outermost scope, and there is only one.
        if self.accept(".")? && !matches!(self.current.kind, TokenKind::Name(_)) {
            return self.unexpected("a name");
        }
        let start = self.current.span.start;
        let token = self.current.kind.clone();
        let kind = match token {
            TokenKind::Int(number) => match i64::try_from(number) {
                Ok(number) => ExpressionKind::Int(number),
                Err(_) => return bad_number(&number.to_string(), self.current.span.clone()),
            },
            TokenKind::Uint(number) => ExpressionKind::Uint(number),
            TokenKind::Double(number) => ExpressionKind::Double(number),
            TokenKind::Text(text) => ExpressionKind::Text(text),
            TokenKind::Bytes(bytes) => ExpressionKind::Bytes(bytes),
            TokenKind::Name(name) => return self.name(name),
            TokenKind::Sign("(") => {
                self.advance()?;
                let mut inner = self.expression()?;
                self.expect(")", "`)`")?;
                inner.span = start..self.end;
                return Ok(inner);
            }
            TokenKind::Sign("[") => {
                self.advance()?;
                let items = self.list("]")?;
                let depth = deepest(&items);
                return Self::built(ExpressionKind::List(items), start..self.end, depth);
            }
            TokenKind::Sign("{") => {
                self.advance()?;
                return self.map(start);
            }
            TokenKind::Sign(_) | TokenKind::End => return self.unexpected("a value"),
        };
        self.advance()?;
        Self::built(kind, start..self.end, 0)
    }

    /// A name, a word that is a value, or a call of a function.
    fn name(&mut self, name: String) -> Parsed<Expression> {
        let span = self.current.span.clone();
        let kind = match name.as_str() {
            "true" => ExpressionKind::Bool(true),
            "false" => ExpressionKind::Bool(false),
            "null" => ExpressionKind::Null,
            "in" => return self.unexpected("a value"),
            word if RESERVED.contains(&word) => {
                return refused(ProblemKind::ReservedWord { word: name }, span);
            }
            _ => {
                self.advance()?;
                if !self.accept("(")? {
                    return Self::built(ExpressionKind::Name(name), span, 0);
                }
                let arguments = self.list(")")?;
                let (start, depth) = (span.start, deepest(&arguments));
                let call = ExpressionKind::Call { receiver: None, name: Name { text: name, span }, arguments };
                return Self::built(call, start..self.end, depth);
            }
        };
        self.advance()?;
        Self::built(kind, span, 0)
    }

    /// The name behind a dot, which may be any word but `in`.
    fn field(&mut self) -> Parsed<Name> {
        let TokenKind::Name(text) = &self.current.kind else { return self.unexpected("a field or a function") };
        let name = Name { text: text.clone(), span: self.current.span.clone() };
        self.advance()?;
        Ok(name)
    }

    /// Expressions between commas, up to the closing sign. A comma may stand before that.
    fn list(&mut self, close: &'static str) -> Parsed<Vec<Expression>> {
        let mut items = Vec::new();
        loop {
            if self.accept(close)? {
                return Ok(items);
            }
            self.refuse_optional()?;
            items.push(self.expression()?);
            if !self.accept(",")? {
                let expected = if close == ")" { "`,` or `)`" } else { "`,` or `]`" };
                self.expect(close, expected)?;
                return Ok(items);
            }
        }
    }

    fn map(&mut self, start: usize) -> Parsed<Expression> {
        let (mut entries, mut depth) = (Vec::new(), 0);
        loop {
            if self.accept("}")? {
                break;
            }
            self.refuse_optional()?;
            let key = self.expression()?;
            self.expect(":", "`:` and a value")?;
            let value = self.expression()?;
            depth = depth.max(key.depth).max(value.depth);
            entries.push((key, value));
            if !self.accept(",")? {
                self.expect("}", "`,` or `}`")?;
                break;
            }
        }
        Self::built(ExpressionKind::Map(entries), start..self.end, depth)
    }

    fn refuse_optional(&self) -> Parsed<()> {
        if self.at("?") {
            return refused(ProblemKind::Optional, self.current.span.clone());
        }
        Ok(())
    }
}

fn bad_number<T>(text: &str, span: Range<usize>) -> Parsed<T> {
    refused(ProblemKind::BadNumber { text: text.to_owned() }, span)
}

fn deepest(expressions: &[Expression]) -> usize {
    expressions.iter().map(|expression| expression.depth).max().unwrap_or(0)
}
