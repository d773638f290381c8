//! The schema language: from text to a checked schema, and back.
//!
//! A schema says which types of objects there are, under which relations relationships between them are stored, and which
//! permissions are computed from these. The language is that of SpiceDB; `docs/schema.md` describes it and lists where
//! the two differ.
//!
//! `compile` finds as many problems as it can in one go, each with its place and its remedy, or makes a `Schema`, which is
//! sound by construction: every name in it exists, no permission is computed from itself, and nothing is deeper or larger
//! than the constants of `limit` say. Whoever walks an expression may therefore recurse.
//!
//! The crate knows nothing of relationships that are stored, nor of time or transport. What a caveat says is another
//! language, CEL, of which only the extent and the names are looked at here.

pub mod limit;

mod caveat;
mod check;
mod compile;
mod dependency;
mod diff;
mod excerpt;
mod expression;
mod graph;
mod lint;
mod name;
mod parse;
mod place;
mod print;
mod problem;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod token;

pub use caveat::{Caveat, Parameter, ParameterType};
pub use compile::compile;
pub use dependency::Reference;
pub use diff::{Change, ChangeKind, diff};
pub use expression::{Arrow, Expression, Mode, Step};
pub use lint::{Warning, WarningKind, lint};
pub use name::CaveatName;
pub use place::Place;
pub use print::print;
pub use problem::{Problem, ProblemKind, Problems};
pub use schema::{AllowedSubject, Definition, Directive, Item, Member, Permission, Relation, Schema, SubjectKind};
