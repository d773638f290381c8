//! Types of the parts of an expression, as far as they are known before it is evaluated.

use std::fmt;
use std::sync::Arc;

use crate::limit;
use crate::types::Type;

/// A type. More than parameters have: the result of an expression may also be `null`, or a map with other keys than text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not known beforehand.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    Address,
    List(Arc<Kind>),
    /// Keys and values.
    Map(Arc<(Kind, Kind)>),
}

impl Kind {
    pub(crate) fn of(parameter: &Type) -> Self {
        match parameter {
            Type::Any => Self::Any,
            Type::Bool => Self::Bool,
            Type::String => Self::Text,
            Type::Int => Self::Int,
            Type::Uint => Self::Uint,
            Type::Double => Self::Double,
            Type::Bytes => Self::Bytes,
            Type::Duration => Self::Duration,
            Type::Timestamp => Self::Timestamp,
            Type::IpAddress => Self::Address,
            Type::List(element) => Self::list(Self::of(element)),
            Type::Map(value) => Self::map(Self::Text, Self::of(value)),
        }
    }

    pub(crate) fn list(element: Self) -> Self {
        Self::List(Arc::new(element.within()))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key.within(), value.within())))
    }

    /// Itself as a part of another. No value is deeper than the limit, so no type has to be, and its drop may recurse.
    fn within(self) -> Self {
        let (mut levels, mut kind) = (1, &self);
        loop {
            kind = match kind {
                Self::List(element) => element,
                Self::Map(entry) => &entry.1,
                _ => break,
            };
            levels += 1;
        }
        if levels < limit::VALUE_NESTING_MAX { self } else { Self::Any }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether a value of this type can be one of the other, where numbers are compared as numbers.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(two)) => one.meets(two),
            (Self::Map(one), Self::Map(two)) => one.0.meets(&two.0) && one.1.meets(&two.1),
            _ => self == other || (self.is_number() && other.is_number()),
        }
    }

    /// Whether values of this type have an order.
    pub(crate) fn is_ordered(&self) -> bool {
        match self {
            Self::Any
            | Self::Bool
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::Text
            | Self::Bytes
            | Self::Duration
            | Self::Timestamp => true,
            Self::Null | Self::Address | Self::List(_) | Self::Map(_) => false,
        }
    }

    /// The type of what is either of two. [`Kind::Any`] where they differ.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::List(one), Self::List(two)) => Self::list(one.joined(two)),
            (Self::Map(one), Self::Map(two)) => Self::map(one.0.joined(&two.0), one.1.joined(&two.1)),
            _ if self == other => self.clone(),
            _ => Self::Any,
        }
    }

    /// Whether one type will do for both, so that a choice between them is no mistake.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(two)) => one.agrees(two),
            (Self::Map(one), Self::Map(two)) => one.0.agrees(&two.0) && one.1.agrees(&two.1),
            _ => self == other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Address => "ipaddress",
            Self::List(element) => return write!(f, "list<{element}>"),
            Self::Map(entry) if entry.0 == Self::Text => return write!(f, "map<{}>", entry.1),
            Self::Map(entry) => return write!(f, "map<{}, {}>", entry.0, entry.1),
        })
    }
}
