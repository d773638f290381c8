//! From tokens to an expression. The grammar is that of CEL.
//!
//! INVARIANT: no expression is deeper than `limit::NESTING_MAX`, so that everything that walks one, and its drop, may
//! recurse. The parser counts levels as it goes down, and those that it puts on top of an operand it has already read.

mod operand;

use std::ops::Range;

use crate::limit;
use crate::problem::{Problem, ProblemKind};
use crate::syntax::{BinaryOperator, Expression, ExpressionKind};
use crate::token::{Token, TokenKind, Tokens};

/// Parses a whole text. The first problem ends it: what follows one is guesswork.
pub(crate) fn parse(text: &str) -> Result<Expression, Box<Problem>> {
    let mut tokens = Tokens::new(text);
    let current = tokens.next()?;
    let mut parser = Parser { tokens, current, end: 0, level: 0 };
    let expression = parser.expression()?;
    if parser.current.kind != TokenKind::End {
        return parser.unexpected("an operator or the end");
    }
    Ok(expression)
}

/// Problems are boxed, because every level of an expression has room for one on the stack.
type Parsed<T> = Result<T, Box<Problem>>;

struct Parser<'t> {
    tokens: Tokens<'t>,
    current: Token,
    /// Where the token before the current one ended.
    end: usize,
    /// How many expressions are being parsed within one another.
    level: usize,
}

/// How tightly a binary operator binds, from 1, and what it is.
fn binary(token: &TokenKind) -> Option<(u8, Operator)> {
    use BinaryOperator::{
        Add, Divide, Equal, Greater, GreaterEqual, In, Less, LessEqual, Multiply, NotEqual, Remainder, Subtract,
    };
    let sign = match token {
        TokenKind::Sign(sign) => sign,
        TokenKind::Name(name) if name == "in" => "in",
        _ => return None,
    };
    Some(match sign {
        "||" => (1, Operator::Or),
        "&&" => (2, Operator::And),
        "==" => (3, Operator::Binary(Equal)),
        "!=" => (3, Operator::Binary(NotEqual)),
        "<" => (3, Operator::Binary(Less)),
        "<=" => (3, Operator::Binary(LessEqual)),
        ">" => (3, Operator::Binary(Greater)),
        ">=" => (3, Operator::Binary(GreaterEqual)),
        "in" => (3, Operator::Binary(In)),
        "+" => (4, Operator::Binary(Add)),
        "-" => (4, Operator::Binary(Subtract)),
        "*" => (5, Operator::Binary(Multiply)),
        "/" => (5, Operator::Binary(Divide)),
        "%" => (5, Operator::Binary(Remainder)),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Operator {
    And,
    Or,
    Binary(BinaryOperator),
}

impl Parser<'_> {
    fn expression(&mut self) -> Parsed<Expression> {
        self.enter()?;
        let condition = self.operators(1)?;
        let expression = if self.accept("?")? { self.choice(condition)? } else { condition };
        self.level -= 1;
        Ok(expression)
    }

    fn choice(&mut self, condition: Expression) -> Parsed<Expression> {
        let first = self.operators(1)?;
        self.expect(":", "`:` and the other result")?;
        let second = self.expression()?;
        let span = condition.span.start..self.end;
        let depth = condition.depth.max(first.depth).max(second.depth);
        Self::built(ExpressionKind::Choice(Box::new([condition, first, second])), span, depth)
    }

    /// Operands joined by operators that bind at least as tightly as `tightness`.
    fn operators(&mut self, tightness: u8) -> Parsed<Expression> {
        let mut left = self.unary()?;
        while let Some((binds, operator)) = binary(&self.current.kind).filter(|(binds, _)| *binds >= tightness) {
            left = match operator {
                Operator::And => self.row(left, "&&", binds, ExpressionKind::And)?,
                Operator::Or => self.row(left, "||", binds, ExpressionKind::Or)?,
                Operator::Binary(operator) => {
                    self.advance()?;
                    let right = self.operators(binds + 1)?;
                    let (span, depth) = (left.span.start..self.end, left.depth.max(right.depth));
                    Self::built(ExpressionKind::Binary(operator, Box::new(left), Box::new(right)), span, depth)?
                }
            };
        }
        Ok(left)
    }

    /// A row of the same operator is one level, so that it may be long.
    fn row(
        &mut self,
        first: Expression,
        sign: &'static str,
        binds: u8,
        kind: fn(Vec<Expression>) -> ExpressionKind,
    ) -> Parsed<Expression> {
        let (start, mut depth) = (first.span.start, first.depth);
        let mut operands = vec![first];
        while self.accept(sign)? {
            let operand = self.operators(binds + 1)?;
            depth = depth.max(operand.depth);
            operands.push(operand);
        }
        Self::built(kind(operands), start..self.end, depth)
    }

    /// Puts a level on top of operands that have at most `depth`.
    fn built(kind: ExpressionKind, span: Range<usize>, depth: usize) -> Parsed<Expression> {
        let depth = depth + 1;
        if depth > limit::NESTING_MAX { too_deep(span) } else { Ok(Expression { kind, span, depth }) }
    }

    fn enter(&mut self) -> Parsed<()> {
        self.level += 1;
        // The whole expression is no level.
        if self.level > limit::NESTING_MAX + 1 { too_deep(self.current.span.clone()) } else { Ok(()) }
    }

    fn advance(&mut self) -> Parsed<Token> {
        self.end = self.current.span.end;
        let next = self.tokens.next()?;
        Ok(std::mem::replace(&mut self.current, next))
    }

    fn at(&self, sign: &str) -> bool {
        matches!(self.current.kind, TokenKind::Sign(current) if current == sign)
    }

    fn accept(&mut self, sign: &str) -> Parsed<bool> {
        let found = self.at(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str, expected: &'static str) -> Parsed<()> {
        if self.accept(sign)? { Ok(()) } else { self.unexpected(expected) }
    }

    fn unexpected<T>(&self, expected: &'static str) -> Parsed<T> {
        let found = self.current.kind.shown();
        refused(ProblemKind::Unexpected { found, expected }, self.current.span.clone())
    }
}

fn too_deep<T>(span: Range<usize>) -> Parsed<T> {
    refused(ProblemKind::NestedTooDeep { most: limit::NESTING_MAX }, span)
}

fn refused<T>(kind: ProblemKind, span: Range<usize>) -> Parsed<T> {
    Err(Box::new(Problem { kind, span }))
}
