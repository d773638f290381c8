//! Caveats: conditions in CEL over typed parameters.
//!
//! A caveat is compiled once, where the schema is written: parsed, checked for types, and judged by what it may cost.
//! Evaluating it then takes about a microsecond and depends on nothing but its arguments, so that every node comes to the
//! same verdict: there is no clock, and maps are gone through in the order of their keys.
//!
//! Verdicts are three-valued. A parameter that is missing makes the verdict [`Verdict::Missing`] only if it can still
//! matter, and then all such parameters are named in one go. What fails is an [`Error`], and never an allow.
//!
//! The language, the conversions and the differences to others are in `docs/caveats.md`.

pub mod limit;

mod address;
mod apply;
mod check;
mod convert;
mod cost;
mod error;
mod evaluate;
mod function;
mod kind;
mod meter;
mod missing;
mod moment;
mod parse;
mod pattern;
mod problem;
mod program;
mod similar;
mod span;
mod syntax;
mod token;
mod tree;
mod types;
mod value;

pub use cost::Cost;
pub use error::{Error, PatternProblem};
pub use problem::{Problem, ProblemKind};
pub use program::{Program, Verdict, compile};
pub use types::Type;

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
