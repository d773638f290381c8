//! The evaluator: check, look up and explain over a [`Snapshot`] of one tenant.
//!
//! A subject may do something with a resource by either of two ways. By the schema: the expression of the permission is
//! followed downwards from the resource, and where it comes to a group, what the subject is in is collected upwards, once.
//! By a grant that joins the two: its subject is the subject itself, a group that contains it or a wildcard, and its scope is
//! the resource or an ancestor of it. Both sides are walked upwards and meet in the middle, because a subject is in few
//! groups and a resource has few ancestors, while a group has many members and a folder many documents.
//!
//! Answers are no, conditional or yes, and lie between two bounds. What is certain counts in both; what may be gone already,
//! or may not have begun to hold, counts in the upper one only: a row that an entry not yet visible may add or remove, and
//! what may have ended. Where the bounds agree the answer is final.
//!
//! The crate knows nothing of disks, threads, transport or clocks: the time and the deadline are arguments.

mod bounds;
mod budget;
mod check;
mod conditions;
mod expand;
mod explain;
mod joined;
mod known;
mod lookup;
mod members;
pub mod memory;
mod permissions;
mod program;
mod reasons;
pub mod script;
mod snapshot;
mod trace;
mod value;
mod walk;

pub use bounds::Bounds;
pub use budget::{Budget, Error};
pub use check::{Circumstances, Outcome, Query, check, check_with};
pub use expand::{Expanded, Parts, expand};
pub use explain::{Explanation, Path, explain};
pub use lookup::{
    ResourceQuery, SubjectCandidates, SubjectQuery, Verdict, check_anyone, check_resources, check_subjects,
    resource_candidates, subject_candidates,
};
pub use permissions::{Held, permissions};
pub use program::{Keys, Program};
pub use snapshot::{
    Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, QualifierKey, RelationKey, RoleKey, Snapshot, TypeKey,
};
pub use trace::{CaveatStep, Step, StepAnswer, StepKind, Traced, trace};
pub use walk::Scratch;

#[cfg(test)]
mod tests;
