//! Errors of requests.

use std::fmt::Display;

/// The domain of every `google.rpc.ErrorInfo` of this interface.
pub struct Domain;

impl Domain {
    /// Its name.
    pub const NAME: &'static str = "portcullis";
}

/// A field of a request is not what it should be. Nothing was done; correct it and call again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field, as a path: `options.preconditions[2].role`.
    pub field: String,
    /// What is wrong with its value, and what to give instead.
    pub problem: String,
}

impl FieldError {
    /// Makes an error of a field.
    pub fn new(field: impl Into<String>, problem: impl Display) -> Self {
        Self { field: field.into(), problem: format!("{problem}") }
    }

    /// The error of a field within a field.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}
