//! What both sides answer with.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

/// What is said to one question.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Answer {
    /// It is so; of a schema or relationships, they are taken.
    Yes,
    /// It is not so.
    No,
    /// It depends on these parameters.
    Missing(BTreeSet<String>),
    /// There is no answer.
    Error(String),
}

impl Answer {
    /// Whether both say the same. Errors need not be worded alike.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(_), Self::Error(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::Missing(names) => write!(f, "it depends on {}", Vec::from_iter(names.clone()).join(", ")),
            Self::Error(message) => write!(f, "error: {message}"),
        }
    }
}
