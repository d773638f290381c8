//! What a subject may do with a resource.

use portcullis_model::{Clock, Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error, Meter};
use crate::check::{holds_now, meet};
use crate::snapshot::Snapshot;
use crate::walk;

/// What a subject may do with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The permissions that roles name for the type and that are held for certain or possibly, in order.
    pub permissions: Vec<(PermissionName, Bounds)>,
    /// Whether every permission of the type is held, also those that no role names.
    pub all: Bounds,
    /// How many tuples were visited.
    pub visited: u64,
}

/// Lists what a subject may do with a resource.
pub fn permissions<S: Snapshot>(
    snapshot: &S,
    subject: &Subject,
    resource: &Object,
    clock: Option<Clock>,
    budget: &Budget<'_>,
) -> Result<Held, Error> {
    let mut meter = Meter::new(budget);
    let subjects = walk::subjects(snapshot, subject, &mut meter)?;
    let scopes = walk::scopes(snapshot, resource, &mut meter)?;
    let named = snapshot.named_permissions(&resource.object_type);
    let mut bounds = vec![Bounds::NO; named.len()];
    let mut all = Bounds::NO;
    meet(snapshot, &subjects, &scopes, &mut meter, |row| {
        let now = holds_now(row, clock);
        if snapshot.holds_all(&row.role, &resource.object_type) {
            all = all.or(now);
        }
        for (name, bounds) in named.iter().zip(&mut bounds) {
            if snapshot.holds(&row.role, &resource.object_type, name) {
                *bounds = bounds.or(now);
            }
        }
        false
    })?;
    let held = named.into_iter().zip(bounds).filter(|(_, bounds)| bounds.upper).collect();
    Ok(Held { permissions: held, all, visited: meter.visited })
}
