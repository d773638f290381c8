//! An expression as it is written, before its names and types are known.

use std::ops::Range;

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) kind: ExpressionKind,
    pub(crate) span: Range<usize>,
    /// How many levels it has, itself included.
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum ExpressionKind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Name(String),
    /// `{1}.{0}`, where the span is that of the field.
    Select(Name, Box<Expression>),
    /// A call of a function, method or macro.
    Call {
        receiver: Option<Box<Expression>>,
        name: Name,
        arguments: Vec<Expression>,
    },
    Unary(UnaryOperator, Box<Expression>),
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// A row of `&&`, at least two operands.
    And(Vec<Expression>),
    /// A row of `||`, at least two operands.
    Or(Vec<Expression>),
    /// `{0} ? {1} : {2}`
    Choice(Box<[Expression; 3]>),
    Index(Box<Expression>, Box<Expression>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
}

/// A name and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOperator {
    Not,
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOperator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
