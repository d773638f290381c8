//! Caveats: conditions that a relationship may carry.

pub(crate) mod scan;

use portcullis_caveat::Program;
pub use portcullis_caveat::Type as ParameterType;

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
    /// There is none while the expression is not sound.
    pub(crate) program: Option<Program>,
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

/// The types of parameters that stand alone.
pub(crate) const SIMPLE: [(&str, ParameterType); 10] = [
    ("any", ParameterType::Any),
    ("bool", ParameterType::Bool),
    ("string", ParameterType::String),
    ("int", ParameterType::Int),
    ("uint", ParameterType::Uint),
    ("double", ParameterType::Double),
    ("bytes", ParameterType::Bytes),
    ("duration", ParameterType::Duration),
    ("timestamp", ParameterType::Timestamp),
    ("ipaddress", ParameterType::IpAddress),
];

impl Caveat {
    /// What evaluates it.
    pub fn program(&self) -> &Program {
        self.program.as_ref().expect("INVARIANT: the caveats of a sound schema compile")
    }

    /// The parameter of a name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}
