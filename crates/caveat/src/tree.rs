//! A checked expression: names are positions, and every operation is known.

use std::sync::Arc;

use crate::address::Range;
use crate::function::Function;
use crate::pattern::Pattern;
use crate::value::Value;

/// A part of a checked expression. As deep as the expression it was made from, and no deeper.
#[derive(Debug)]
pub(crate) enum Node {
    Constant(Value),
    /// The parameter of this number.
    Parameter(usize),
    /// The variable of the macro of this number, counted from the outermost that is under way.
    Variable(usize),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    /// `{0} ? {1} : {2}`
    Choice(Box<[Node; 3]>),
    Call(Function, Box<[Node]>),
    /// A pattern that is known beforehand.
    Matches(Box<Node>, Box<Pattern>),
    /// A range of addresses that is known beforehand.
    InRange(Box<Node>, Range),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    /// Whether a map has a key.
    Has(Box<Node>, Arc<str>),
    Loop(Box<Loop>),
}

/// A macro that goes through the elements of a list or the keys of a map.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Node,
    /// Of `map` with three arguments: which elements count.
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl LoopKind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" | "existsOne" => Self::ExistsOne,
            "filter" => Self::Filter,
            "map" => Self::Map,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }

    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::All => "list.all(x, condition)",
            Self::Exists => "list.exists(x, condition)",
            Self::ExistsOne => "list.exists_one(x, condition)",
            Self::Filter => "list.filter(x, condition)",
            Self::Map => "list.map(x, result)` or `list.map(x, condition, result)",
        }
    }
}
