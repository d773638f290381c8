//! Expressions of permissions.

use portcullis_model::RelationName;

use super::{Lost, Naming, Parsed, Parser};
use crate::expression::{Arrow, Expression, Mode, Step};
use crate::limit;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::token::TokenKind;

/// An expression and how many levels deep it is.
struct Deep(Expression, usize);

impl Deep {
    fn is_operator(&self) -> bool {
        match self.0 {
            Expression::Nil | Expression::SelfObject | Expression::Computed(_) | Expression::Arrow(_) => false,
            Expression::Union(_) | Expression::Intersection(_) | Expression::Exclusion(..) => true,
        }
    }
}

/// What joins operands that may be in any order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Union,
    Intersection,
}

impl Parser<'_, '_> {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.exclusion().map(|Deep(expression, _)| expression)
    }

    /// Operands of `-`, which binds loosest. They associate to the left.
    fn exclusion(&mut self) -> Parsed<Deep> {
        let mut closed = self.current.kind == TokenKind::ParenOpen;
        let mut base = self.row(Row::Intersection)?;
        while self.current.kind == TokenKind::Minus {
            let place = self.current.place;
            self.meet(&base, closed, place);
            self.advance();
            closed = self.current.kind == TokenKind::ParenOpen;
            let taken = self.row(Row::Intersection)?;
            self.meet(&taken, closed, place);
            closed = true;
            let levels = base.1.max(taken.1) + 1;
            base = self.limited(Deep(Expression::Exclusion(Box::new(base.0), Box::new(taken.0)), levels), place)?;
        }
        Ok(base)
    }

    /// Operands of `&`, or of `+`, which binds tightest.
    fn row(&mut self, row: Row) -> Parsed<Deep> {
        let start = self.current.place;
        let mut closed = self.current.kind == TokenKind::ParenOpen;
        let sign = match row {
            Row::Union => TokenKind::Plus,
            Row::Intersection => TokenKind::And,
        };
        let first = self.operand(row)?;
        if self.current.kind != sign {
            return Ok(first);
        }
        let mut levels = 0;
        let mut operands = Vec::new();
        let mut next = first;
        loop {
            self.meet(&next, closed, start);
            let Deep(operand, below) = next;
            // A row within a row of the same operator is the same row.
            let (within, below) = match (row, operand) {
                (Row::Union, Expression::Union(within)) | (Row::Intersection, Expression::Intersection(within)) => {
                    (within, below)
                }
                (Row::Union | Row::Intersection, operand) => (vec![operand], below + 1),
            };
            operands.extend(within);
            levels = levels.max(below);
            if !self.accept(sign) {
                break;
            }
            closed = self.current.kind == TokenKind::ParenOpen;
            next = self.operand(row)?;
        }
        let joined = match row {
            Row::Union => Expression::Union(operands),
            Row::Intersection => Expression::Intersection(operands),
        };
        self.limited(Deep(joined, levels), start)
    }

    /// Notes an operator within another one that has no parentheses around it. One that only begins with some passes.
    fn meet(&mut self, operand: &Deep, closed: bool, place: Place) {
        if operand.is_operator() && !closed && self.mixed.span().is_empty() {
            self.mixed = place;
        }
    }

    fn operand(&mut self, row: Row) -> Parsed<Deep> {
        match row {
            Row::Union => self.base(),
            Row::Intersection => self.row(Row::Union),
        }
    }

    fn limited(&mut self, deep: Deep, place: Place) -> Parsed<Deep> {
        if deep.1 > limit::NESTING_MAX { Err(self.too_deep(place)) } else { Ok(deep) }
    }

    fn too_deep(&mut self, place: Place) -> Lost {
        self.found.add(place, ProblemKind::NestedTooDeep { most: limit::NESTING_MAX });
        Lost
    }

    /// A name, an arrow, `nil`, `self`, or an expression in parentheses.
    fn base(&mut self) -> Parsed<Deep> {
        let place = self.current.place;
        if self.accept(TokenKind::ParenOpen) {
            self.depth += 1;
            if self.depth > limit::NESTING_MAX {
                return Err(self.too_deep(place));
            }
            let inner = self.exclusion()?;
            self.depth -= 1;
            self.expect(TokenKind::ParenClose, "an operator or `)`")?;
            if matches!(self.current.kind, TokenKind::Arrow | TokenKind::Dot) {
                return Err(self.unexpected("an operator: an arrow begins at a relation, not at parentheses"));
            }
            return Ok(inner);
        }
        if self.is_word("nil") {
            return Ok(self.leaf(Expression::Nil));
        }
        if self.is_word("self") && self.uses("self") {
            return Ok(self.leaf(Expression::SelfObject));
        }
        self.arrow()
    }

    fn leaf(&mut self, expression: Expression) -> Deep {
        self.leaves.push(self.current.place);
        self.advance();
        Deep(expression, 1)
    }

    /// `a`, `a->b`, `a.any(b)`, `a.all(b)`, and rows of these.
    fn arrow(&mut self) -> Parsed<Deep> {
        let start = self.current.place;
        let mut target = self.relation_name("a relation or permission, `nil` or `(`")?;
        let mut steps = Vec::new();
        loop {
            let (next, mode) = if self.accept(TokenKind::Arrow) {
                (self.relation_name("the name of a relation or permission")?, Mode::Any)
            } else if self.accept(TokenKind::Dot) {
                let mode = self.mode()?;
                self.expect(TokenKind::ParenOpen, "`(` and the name of a relation or permission")?;
                let next = self.relation_name("the name of a relation or permission")?;
                self.expect(TokenKind::ParenClose, "`)`")?;
                (next, mode)
            } else {
                break;
            };
            if steps.len() == limit::ARROWS_MAX {
                self.found.add(start.to(self.end), ProblemKind::TooManyArrows { most: limit::ARROWS_MAX });
                return Err(Lost);
            }
            steps.push(Step { relation: std::mem::replace(&mut target, next), mode });
        }
        self.leaves.push(start.to(self.end));
        let leaf =
            if steps.is_empty() { Expression::Computed(target) } else { Expression::Arrow(Arrow { steps, target }) };
        Ok(Deep(leaf, 1))
    }

    fn mode(&mut self) -> Parsed<Mode> {
        let mode = match self.word() {
            Some("any") => Mode::Any,
            Some("all") => Mode::All,
            _ => return Err(self.unexpected("`any` or `all`")),
        };
        self.advance();
        Ok(mode)
    }

    fn relation_name(&mut self, expected: &'static str) -> Parsed<RelationName> {
        let (text, place) = self.name(Naming::Mentioned, expected)?;
        self.checked(place, RelationName::new(text)).ok_or(Lost)
    }
}
