//! What one evaluation may cost.

use std::sync::Arc;

use portcullis_model::{CaveatName, PermissionName, TypeName, limit};

/// How many visits lie between two looks at the deadline.
const VISITS_PER_LOOK: u64 = 256;

/// What one evaluation may cost. Exceeding it is an error, never a deny.
pub struct Budget<'a> {
    /// The longest chain of groups, or of scopes.
    pub depth: u32,
    /// The most tuples.
    pub visited: u64,
    /// Says whether the deadline has come.
    pub is_late: &'a dyn Fn() -> bool,
}

impl<'a> Budget<'a> {
    /// The limits of the interface, with a deadline.
    pub fn new(is_late: &'a dyn Fn() -> bool) -> Self {
        Self { depth: limit::DEPTH_MAX, visited: limit::VISITED_MAX, is_late }
    }
}

/// Why an evaluation has no answer. It is never an allow, and never a deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A chain is too long.
    #[error("a chain of groups or scopes is longer than {most}: flatten the groups or the folders")]
    DepthExceeded {
        /// The limit.
        most: u32,
    },
    /// Too much was visited.
    #[error("more than {most} tuples were visited: fewer groups or grants on the way would help")]
    VisitedExceeded {
        /// The limit.
        most: u64,
    },
    /// Expressions lie too deep within each other.
    #[error("more than {most} expressions lie within each other on one way: simplify the permissions of the schema")]
    NestingExceeded {
        /// The limit.
        most: u32,
    },
    /// The schema knows no such permission, and no role names it.
    #[error("`{object_type}#{permission}` is neither in the schema nor named by a role: correct the name, or add it")]
    PermissionUnknown {
        /// The type of the resource.
        object_type: TypeName,
        /// What was asked for.
        permission: PermissionName,
    },
    /// A relationship carries a caveat that the schema does not have.
    #[error("a relationship carries the caveat `{caveat}`, which the schema does not have: write a schema that has it")]
    CaveatMissing {
        /// Its name.
        caveat: CaveatName,
    },
    /// A condition cannot be evaluated with what it was given.
    #[error("the caveat `{caveat}` cannot be evaluated")]
    Caveat {
        /// Its name.
        caveat: CaveatName,
        /// Why not.
        #[source]
        source: Arc<portcullis_caveat::Error>,
    },
    /// The deadline has come.
    #[error("the deadline has come: ask again with a later one")]
    DeadlineExceeded,
}

/// Counts what an evaluation has cost so far.
pub(crate) struct Meter<'a> {
    budget: &'a Budget<'a>,
    pub(crate) visited: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(budget: &'a Budget<'a>) -> Self {
        Self { budget, visited: 0 }
    }

    /// Counts one visit.
    pub(crate) fn visit(&mut self) -> Result<(), Error> {
        self.visited += 1;
        if self.visited > self.budget.visited {
            return Err(Error::VisitedExceeded { most: self.budget.visited });
        }
        if self.visited.is_multiple_of(VISITS_PER_LOOK) && (self.budget.is_late)() {
            return Err(Error::DeadlineExceeded);
        }
        Ok(())
    }

    /// Checks the length of a chain.
    pub(crate) fn descend(&self, depth: u32) -> Result<(), Error> {
        if depth > self.budget.depth { Err(Error::DepthExceeded { most: self.budget.depth }) } else { Ok(()) }
    }
}
