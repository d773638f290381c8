//! Deciding one question.

use portcullis_model::{Clock, Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error, Meter};
use crate::snapshot::{GrantRow, NodeKey, Snapshot};
use crate::walk::{self, Scratch};

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

/// What was decided, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer.
    pub bounds: Bounds,
    /// How many tuples were visited.
    pub visited: u64,
}

/// Decides one question. Without a clock nothing that ends by itself is allowed for certain.
pub fn check<S: Snapshot>(
    snapshot: &S,
    query: Query<'_>,
    clock: Option<Clock>,
    budget: &Budget<'_>,
) -> Result<Outcome, Error> {
    check_with(&mut Scratch::default(), snapshot, query, clock, budget)
}

/// Like [`check`], in memory of the caller's: for batches, and for threads that check again and again.
pub fn check_with<S: Snapshot>(
    scratch: &mut Scratch,
    snapshot: &S,
    query: Query<'_>,
    clock: Option<Clock>,
    budget: &Budget<'_>,
) -> Result<Outcome, Error> {
    let mut meter = Meter::new(budget);
    walk::both(snapshot, (query.subject, query.resource), scratch, &mut meter)?;
    let mut bounds = Bounds::NO;
    meet(snapshot, scratch, &mut meter, |row, joined| {
        let held = snapshot.holds(row.role, &query.resource.object_type, query.permission);
        bounds = bounds.or(joined.and(held).and(holds_now(&row, clock)));
        bounds.lower
    })?;
    Ok(Outcome { bounds, visited: meter.visited })
}

/// Shows `visit` every grant whose subject and scope were both reached, and whether it certainly joins them, until it
/// has seen enough.
///
/// The one place where the side is chosen: the grants of the subjects, or those on the scopes, whichever are fewer.
pub(crate) fn meet<S: Snapshot>(
    snapshot: &S,
    scratch: &Scratch,
    meter: &mut Meter<'_>,
    mut visit: impl FnMut(GrantRow, Bounds) -> bool,
) -> Result<(), Error> {
    let Scratch { subjects, scopes } = scratch;
    let of_subjects: usize = subjects.nodes.iter().map(|subject| snapshot.grants_of_count(*subject)).sum();
    let on_scopes: usize = scopes.nodes.iter().map(|scope| snapshot.grants_on_count(scope.object)).sum();
    let mut look = |row: GrantRow| -> Result<bool, Error> {
        meter.visit()?;
        let joined = subjects.bounds(row.subject).and(scopes.bounds(NodeKey::object(row.scope))).and(row.certainty);
        Ok(joined.upper && visit(row, joined))
    };
    if of_subjects <= on_scopes {
        for row in subjects.nodes.iter().flat_map(|subject| snapshot.grants_of(*subject)) {
            if look(row)? {
                return Ok(());
            }
        }
    } else {
        for row in scopes.nodes.iter().flat_map(|scope| snapshot.grants_on(scope.object)) {
            if look(row)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a grant holds at the clock's time: near its end it may have ended already.
pub(crate) fn holds_now(row: &GrantRow, clock: Option<Clock>) -> Bounds {
    match (row.end, clock) {
        (None, _) => Bounds::YES,
        (Some(end), Some(clock)) if clock.latest() < end => Bounds::YES,
        (Some(_), _) => Bounds::MAYBE,
    }
}
