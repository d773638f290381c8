//! Caveats: conditions that a relationship may carry.

pub(crate) mod scan;

use std::fmt;

use crate::name::CaveatName;
use crate::place::Place;

/// A named condition over typed parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caveat {
    /// Its name, which no definition has.
    pub name: CaveatName,
    /// The comments before it.
    pub doc: Option<String>,
    /// Its parameters, in source order. At least one.
    pub parameters: Vec<Parameter>,
    /// The text of its CEL expression, as written between the braces without space at both ends.
    pub expression: String,
    /// Where its name stood.
    pub place: Place,
    /// Where the expression stood, byte for byte.
    pub expression_place: Place,
}

/// A parameter of a caveat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name: a CEL identifier.
    pub name: String,
    /// What values it takes.
    pub parameter_type: ParameterType,
    /// Where its name stood.
    pub place: Place,
}

/// What values a parameter of a caveat takes. At most `limit::PARAMETER_NESTING_MAX` levels deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Anything.
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
    List(Box<ParameterType>),
    /// A map from text to values of one type.
    Map(Box<ParameterType>),
}

impl ParameterType {
    /// The types that stand alone.
    pub(crate) const SIMPLE: [(&'static str, Self); 10] = [
        ("any", Self::Any),
        ("bool", Self::Bool),
        ("string", Self::String),
        ("int", Self::Int),
        ("uint", Self::Uint),
        ("double", Self::Double),
        ("bytes", Self::Bytes),
        ("duration", Self::Duration),
        ("timestamp", Self::Timestamp),
        ("ipaddress", Self::IpAddress),
    ];
}

impl Caveat {
    /// The parameter of a name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(value) => write!(f, "map<{value}>"),
            simple => {
                let (word, _) = Self::SIMPLE.iter().find(|(_, kind)| kind == simple).ok_or(fmt::Error)?;
                f.write_str(word)
            }
        }
    }
}
