//! Why a caveat cannot be evaluated. None of these is an allow.

use std::sync::Arc;

use crate::types::Type;

/// Why a context does not fit a caveat, or why an evaluation has no verdict. The same context gives the same error
/// everywhere; calling again without changing it does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A context names what is no parameter of the caveat.
    #[error("there is no parameter `{name}`: {}", remedy(.similar.as_deref()))]
    UnknownParameter {
        /// The name.
        name: Arc<str>,
        /// A parameter whose name is similar.
        similar: Option<Arc<str>>,
    },
    /// A context gives a parameter what its type does not take.
    #[error("parameter `{parameter}` takes {expected}, and `{given}` does not fit: give {form}")]
    WrongType {
        /// The parameter.
        parameter: Arc<str>,
        /// The type of the parameter.
        expected: Type,
        /// The value, or the part of it that does not fit, shortened.
        given: String,
        /// What the type of that part looks like.
        form: &'static str,
    },
    /// A map does not have a key.
    #[error("there is no key `{key}`: give it, or ask `has` or `in` first")]
    NoSuchKey {
        /// The key, shortened.
        key: String,
    },
    /// A list does not have an element.
    #[error("there is no element {index} in a list of {length}: compare with `size` first")]
    NoSuchElement {
        /// The index.
        index: String,
        /// The length of the list.
        length: usize,
    },
    /// A result does not fit its type.
    #[error("the result of `{operation}` is too large or too small for {result}: give other values")]
    Overflow {
        /// The operator or function.
        operation: &'static str,
        /// The type of the result.
        result: &'static str,
    },
    /// A division by zero.
    #[error("`{operation}` divides by zero: compare with 0 first")]
    DivisionByZero {
        /// The operator.
        operation: &'static str,
    },
    /// Values whose type was not known beforehand do not go together.
    #[error("`{operation}` does not take {given}: convert them, or declare the parameters with their types")]
    WrongOperands {
        /// The operator or function.
        operation: &'static str,
        /// The types of the values.
        given: String,
    },
    /// A value cannot be converted.
    #[error("`{given}` does not convert to {expected}: give {form}")]
    Unconvertible {
        /// What it should have become.
        expected: Type,
        /// The value, shortened.
        given: String,
        /// What would convert.
        form: &'static str,
    },
    /// A text is no range of addresses.
    #[error("`{given}` is no range of addresses: give one such as `10.0.0.0/8` or `2001:db8::/32`")]
    NotRange {
        /// The text, shortened.
        given: String,
    },
    /// A text is no time zone that is the same everywhere.
    #[error("`{given}` is no time zone that is the same everywhere: give an offset such as `+02:00`, or `UTC`")]
    NotZone {
        /// The text, shortened.
        given: String,
    },
    /// A text is no pattern, or one that is too large.
    #[error("`{given}` is no pattern: {problem}")]
    NotPattern {
        /// The text, shortened.
        given: String,
        /// What is wrong with it, and what to do.
        problem: PatternProblem,
    },
    /// The same key twice in a map that the expression makes.
    #[error("the key `{key}` comes twice: keep one of them")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
    },
    /// A text would be longer than `limit::TEXT_BYTES_MAX`.
    #[error("a text would be {length} bytes long, and the most is {most}: give shorter ones")]
    TextTooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// A value is deeper than `limit::VALUE_NESTING_MAX`.
    #[error("a value is nested more than {most} levels deep: give a flatter one")]
    TooDeep {
        /// The limit in levels.
        most: u32,
    },
    /// The evaluation took more than `limit::STEPS_MAX`.
    #[error("the caveat takes more than {most} steps with this context: give less, or simplify the expression")]
    CostExceeded {
        /// The limit in steps.
        most: u64,
    },
}

/// What is wrong with a pattern of `matches`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternProblem {
    /// It is longer than `limit::PATTERN_BYTES_MAX`.
    #[error("it is {length} bytes long, and the most is {most}: shorten it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// It is not of the syntax of RE2.
    #[error("correct its syntax, which is that of RE2: escape signs that stand for themselves by `\\`, close groups")]
    Syntax,
    /// There are more than `limit::PATTERNS_MAX`.
    #[error("there are more than {most} in one expression: join some by `|`")]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// Its automaton is larger than `limit::PATTERN_MEMORY_BYTES_MAX`, or `limit::GIVEN_PATTERN_MEMORY_BYTES_MAX`.
    #[error("it takes more than the {most} bytes of memory that are left: repeat less, or use smaller classes")]
    TooLarge {
        /// The limit in bytes.
        most: usize,
    },
}

impl Error {
    /// Whether an operand that decides alone, as `true` in `||`, makes this irrelevant. What is wrong with the context as
    /// a whole, and the end of the budget, are never irrelevant.
    pub(crate) fn yields(&self) -> bool {
        match self {
            Self::UnknownParameter { .. } | Self::WrongType { .. } | Self::CostExceeded { .. } => false,
            Self::NoSuchKey { .. }
            | Self::NoSuchElement { .. }
            | Self::Overflow { .. }
            | Self::DivisionByZero { .. }
            | Self::WrongOperands { .. }
            | Self::Unconvertible { .. }
            | Self::NotRange { .. }
            | Self::NotZone { .. }
            | Self::NotPattern { .. }
            | Self::DuplicateKey { .. }
            | Self::TextTooLong { .. }
            | Self::TooDeep { .. } => true,
        }
    }
}

/// Most characters of a value that a message repeats.
const SHOWN_CHARS: usize = 40;

/// A value as messages show it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn remedy(similar: Option<&str>) -> String {
    let otherwise = "leave it out";
    similar.map_or_else(|| otherwise.to_owned(), |similar| format!("{otherwise}, or did you mean `{similar}`?"))
}
