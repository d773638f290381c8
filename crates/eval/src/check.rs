//! Deciding one question.

use portcullis_model::{Clock, Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error, Meter};
use crate::snapshot::{GrantRow, Snapshot};
use crate::walk::{self, Reached};

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
    let mut meter = Meter::new(budget);
    let subjects = walk::subjects(snapshot, query.subject, &mut meter)?;
    let scopes = walk::scopes(snapshot, query.resource, &mut meter)?;
    let mut bounds = Bounds::NO;
    meet(snapshot, &subjects, &scopes, &mut meter, |row| {
        if snapshot.holds(&row.role, &query.resource.object_type, query.permission) {
            bounds = bounds.or(holds_now(row, clock));
        }
        bounds.lower
    })?;
    Ok(Outcome { bounds, visited: meter.visited })
}

/// Shows `visit` every grant whose subject and scope were both reached, until it has seen enough.
///
/// The one place where the side is chosen: the grants of the subjects, or those on the scopes, whichever are fewer.
pub(crate) fn meet<S: Snapshot>(
    snapshot: &S,
    subjects: &Reached,
    scopes: &Reached,
    meter: &mut Meter<'_>,
    mut visit: impl FnMut(&GrantRow) -> bool,
) -> Result<(), Error> {
    let of_subjects: usize = subjects.nodes.iter().map(|subject| snapshot.grants_of_count(*subject)).sum();
    let on_scopes: usize = scopes.nodes.iter().map(|scope| snapshot.grants_on_count(*scope)).sum();
    if of_subjects <= on_scopes {
        for row in subjects.nodes.iter().flat_map(|subject| snapshot.grants_of(*subject)) {
            meter.visit()?;
            if scopes.contains(row.scope) && visit(&row) {
                return Ok(());
            }
        }
    } else {
        for row in scopes.nodes.iter().flat_map(|scope| snapshot.grants_on(*scope)) {
            meter.visit()?;
            if subjects.contains(row.subject) && visit(&row) {
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
