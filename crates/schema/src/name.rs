//! The name of a caveat.

use std::fmt;
use std::str::FromStr;

use portcullis_model::{NameError, TypeName};

/// The name of a caveat: `on_weekdays`, `acme/on_weekdays`. It has the grammar and the length of a type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaveatName(TypeName);

impl CaveatName {
    /// Parses a name; the error names it and the grammar.
    pub fn new(text: &str) -> Result<Self, NameError> {
        TypeName::new(text).map(Self).map_err(|error| match error {
            NameError::Empty { expected, .. } => NameError::Empty { kind: "caveat", expected },
            NameError::TooLong { value, length, most, .. } => {
                NameError::TooLong { kind: "caveat", value, length, most }
            }
            NameError::Malformed { value, expected, .. } => NameError::Malformed { kind: "caveat", value, expected },
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for CaveatName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl fmt::Display for CaveatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CaveatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_speak_of_caveats() {
        assert_eq!(CaveatName::new("acme/on_weekdays").unwrap().as_str(), "acme/on_weekdays");
        for bad in ["", "On", &"x".repeat(129)] {
            assert!(CaveatName::new(bad).unwrap_err().to_string().contains("caveat"), "{bad}");
        }
    }
}
