//! Deciding one question.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_model::{Clock, Context, Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error};
use crate::joined::Joined;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::walk::Scratch;

/// May `subject` do `permission` with `resource`?
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What.
    pub permission: &'a PermissionName,
    /// With what.
    pub resource: &'a Object,
}

/// When a question is asked, and what is known for its conditions. A clock alone is circumstances too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The time. Without it nothing that ends by itself is allowed for certain.
    pub clock: Option<Clock>,
    /// What conditions are asked about.
    pub context: Option<&'a Context>,
}

impl From<Option<Clock>> for Circumstances<'_> {
    fn from(clock: Option<Clock>) -> Self {
        Self { clock, context: None }
    }
}

/// What was decided, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is certain, and what is possible.
    pub bounds: Bounds,
    /// The parameters on which the answer depends, if that is the answer. Otherwise there are none.
    pub missing: BTreeSet<Arc<str>>,
    /// How many tuples were visited.
    pub visited: u64,
    /// Whether something was looked at that ends by itself.
    pub ends: bool,
}

impl Outcome {
    pub(crate) fn new(value: &Value, visited: u64, ends: bool) -> Self {
        let missing = value.missing.as_ref().filter(|_| value.is_conditional());
        Self {
            bounds: value.bounds(),
            missing: missing.map(|names| (**names).clone()).unwrap_or_default(),
            visited,
            ends,
        }
    }
}

/// Decides one question.
pub fn check<'a, S: Snapshot>(
    snapshot: &'a S,
    query: Query<'a>,
    circumstances: impl Into<Circumstances<'a>>,
    budget: &Budget<'_>,
) -> Result<Outcome, Error> {
    check_with(&mut Scratch::default(), snapshot, query, circumstances, budget)
}

/// Like [`check`], in memory of the caller's: for batches, and for threads that check again and again.
pub fn check_with<'a, S: Snapshot>(
    scratch: &mut Scratch,
    snapshot: &'a S,
    query: Query<'a>,
    circumstances: impl Into<Circumstances<'a>>,
    budget: &Budget<'_>,
) -> Result<Outcome, Error> {
    let circumstances = circumstances.into();
    let (ends, memory) = ((query.subject, query.resource), std::mem::take(&mut scratch.members));
    let mut joined = Joined::in_memory(snapshot, ends, circumstances, budget, memory);
    let value = joined.value(scratch, query.permission)?;
    let outcome = joined.outcome(&value);
    scratch.members = joined.into_memory();
    outcome
}
