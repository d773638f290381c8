//! The types of parameters.

use std::fmt;

/// What values a parameter of a caveat takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Anything. What it is turns out when the caveat is evaluated.
    Any,
    /// True or false.
    Bool,
    /// Text.
    String,
    /// A signed integer of 64 bits.
    Int,
    /// An unsigned integer of 64 bits.
    Uint,
    /// A floating-point number of 64 bits.
    Double,
    /// Bytes.
    Bytes,
    /// A span of time.
    Duration,
    /// A point in time.
    Timestamp,
    /// An address of IPv4 or IPv6.
    IpAddress,
    /// A list of values of one type.
    List(Box<Type>),
    /// A map from text to values of one type.
    Map(Box<Type>),
}

impl Type {
    /// What a value of this type looks like in a context, for messages.
    pub(crate) fn form(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Bool => "true or false",
            Self::String => "a text",
            Self::Int => "a whole number",
            Self::Uint => "a whole number from 0",
            Self::Double => "a number",
            Self::Bytes => "a text in base64",
            Self::Duration => "a text such as \"1h30m\"",
            Self::Timestamp => "a text such as \"2026-12-01T09:00:00Z\"",
            Self::IpAddress => "a text such as \"10.0.0.1\" or \"2001:db8::1\"",
            Self::List(_) => "a list of such values",
            Self::Map(_) => "an object with such values",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Bool => f.write_str("bool"),
            Self::String => f.write_str("string"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::IpAddress => f.write_str("ipaddress"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(value) => write!(f, "map<{value}>"),
        }
    }
}
