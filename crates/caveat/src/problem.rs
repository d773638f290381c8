//! What is wrong with an expression, where, and what to do about it.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, PatternProblem};

/// One thing that is wrong with an expression. Correct it and compile again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The bytes of the expression that it is about. May be empty.
    pub span: Range<usize>,
}

/// What is wrong, by kind. `Display` says it with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The expression is longer than `limit::EXPRESSION_BYTES_MAX`. Nothing of it was read.
    #[error("the expression is {length} bytes long: the most is {most}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// There are more parameters than `limit::PARAMETERS_MAX`.
    #[error("the caveat has {count} parameters: the most is {most}; put some of them into a map")]
    TooManyParameters {
        /// How many there are.
        count: usize,
        /// The limit.
        most: usize,
    },
    /// The expression is deeper than `limit::NESTING_MAX`.
    #[error("the expression is nested more than {most} levels deep: simplify it, or split the caveat")]
    NestedTooDeep {
        /// The limit in levels.
        most: usize,
    },
    /// A character that the language does not have.
    #[error("`{}` means nothing here: remove it", .found.escape_debug())]
    UnexpectedCharacter {
        /// The character.
        found: char,
    },
    /// A text without its closing quote.
    #[error("this text does not end: close it by the quote that it began with")]
    UnterminatedText,
    /// An escape that means nothing.
    #[error("`{escape}` is no escape: write `\\\\` for a backslash, or a raw text `r\"…\"`")]
    BadEscape {
        /// The escape.
        escape: String,
    },
    /// A number that is none, or does not fit.
    #[error("`{text}` is no number that fits: give one of 64 bits")]
    BadNumber {
        /// The number as written.
        text: String,
    },
    /// Something else belongs here.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// What stands here.
        found: String,
        /// What belongs here.
        expected: &'static str,
    },
    /// A word that CEL keeps for itself in place of a name.
    #[error("`{word}` is a word of the language: choose another name")]
    ReservedWord {
        /// The word.
        word: String,
    },
    /// Optional values, which are not supported.
    #[error("optional fields and elements are not supported: write `has(m.f) ? m.f : other`")]
    Optional,
    /// A message, which caveats do not have.
    #[error("there are no messages: write a map, `{{\"name\": value}}`")]
    Message,

    /// A name that is neither a parameter nor the variable of a macro.
    #[error("`{name}` is no parameter: {}", remedy(.similar.as_deref(), "declare it"))]
    UnknownName {
        /// The name.
        name: String,
        /// A name that is similar.
        similar: Option<String>,
    },
    /// A function that does not exist.
    #[error("there is no function `{name}`: {}", remedy(.similar.as_deref(), "remove the call"))]
    UnknownFunction {
        /// Its name.
        name: String,
        /// A function whose name is similar.
        similar: Option<String>,
    },
    /// A clock, which would let nodes disagree.
    #[error("there is no clock: declare a parameter of type timestamp, and let the request give the time")]
    Clock,
    /// A function is called with what it does not take.
    #[error("`{name}` does not take {given}: {}", forms(.accepted))]
    WrongArguments {
        /// The function.
        name: String,
        /// What it was given.
        given: String,
        /// How it may be called.
        accepted: Vec<String>,
    },
    /// A macro is written in another form than it has.
    #[error("`{name}` is written as `{form}`")]
    MacroForm {
        /// The macro.
        name: &'static str,
        /// Its form.
        form: &'static str,
    },
    /// A macro goes through what has no elements.
    #[error("`{name}` goes through lists and the keys of maps, not {found}: name one of them before the dot")]
    NotIterable {
        /// The macro.
        name: &'static str,
        /// The type of what it was to go through.
        found: String,
    },
    /// Operands that do not go together.
    #[error("`{operator}` does not take {given}: {remedy}")]
    WrongOperands {
        /// The operator.
        operator: &'static str,
        /// The types of the operands.
        given: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A condition that is not true or false.
    #[error("{place} must be bool, not {found}: compare it with a value, as in `x == true` or `x > 0`")]
    NotBool {
        /// Where it stands.
        place: &'static str,
        /// Its type.
        found: String,
    },
    /// Two results of one choice.
    #[error("both results of `? :` must have one type, not {first} and {second}: convert one of them")]
    Branches {
        /// The type of the first.
        first: String,
        /// The type of the second.
        second: String,
    },
    /// A field of what has none.
    #[error("{found} has no fields, so there is no `{field}`: only maps have, and functions are called with `()`")]
    NoFields {
        /// The type.
        found: String,
        /// The field.
        field: String,
    },
    /// A key of a map that no map has.
    #[error("{found} is no key of a map: use bool, int, uint or string")]
    BadKey {
        /// Its type.
        found: String,
    },
    /// A part that is the same every time, and fails every time.
    #[error("this fails every time: {error}")]
    Constant {
        /// How it fails.
        error: Error,
    },
    /// A pattern of `matches` that is none.
    #[error("this is no pattern: {problem}")]
    Pattern {
        /// What is wrong with it.
        problem: PatternProblem,
    },
    /// The expression may take more than `limit::STEPS_MAX`, even with a small context.
    #[error("the expression may take {steps} steps, and the most is {most}: nest fewer macros, or shorten its lists")]
    TooCostly {
        /// Most steps with a small context.
        steps: u64,
        /// The limit in steps.
        most: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Problem {}

fn remedy(similar: Option<&str>, otherwise: &str) -> String {
    similar.map_or_else(|| otherwise.to_owned(), |similar| format!("{otherwise}, or did you mean `{similar}`?"))
}

fn forms(accepted: &[String]) -> String {
    let quoted: Vec<String> = accepted.iter().map(|form| format!("`{form}`")).collect();
    format!("call it as {}", quoted.join(" or "))
}
