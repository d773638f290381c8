//! What a subject may do with a resource.

use portcullis_model::{Clock, Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error, Meter};
use crate::check::{holds_now, meet};
use crate::snapshot::{RoleKey, Snapshot};
use crate::walk::{self, Scratch};

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
    let (mut meter, mut scratch) = (Meter::new(budget), Scratch::default());
    walk::both(snapshot, (subject, resource), &mut scratch, &mut meter)?;
    // Grants are many and roles are few, so each role is asked once for what it holds.
    let mut roles: Vec<(RoleKey, Bounds)> = Vec::new();
    meet(snapshot, &scratch, &mut meter, |row, joined| {
        let has = joined.and(holds_now(&row, clock));
        match roles.iter_mut().find(|(role, _)| *role == row.role) {
            Some((_, known)) => *known = known.or(has),
            None => roles.push((row.role, has)),
        }
        false
    })?;
    let any = |holds: &dyn Fn(RoleKey) -> Bounds| {
        roles.iter().fold(Bounds::NO, |known, (role, has)| known.or(has.and(holds(*role))))
    };
    let object_type = &resource.object_type;
    let named = snapshot.named_permissions(object_type).into_iter();
    let named = named.map(|name| {
        let bounds = any(&|role| snapshot.holds(role, object_type, &name));
        (name, bounds)
    });
    let permissions = named.filter(|(_, bounds)| bounds.upper).collect();
    let all = any(&|role| snapshot.holds_all(role, object_type));
    Ok(Held { permissions, all, visited: meter.visited })
}
