//! What a subject may do with a resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_model::{Object, PermissionName, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error};
use crate::check::Circumstances;
use crate::conditions::before;
use crate::joined::{Joined, Order};
use crate::snapshot::{RoleKey, Snapshot};
use crate::value::Value;
use crate::walk::Scratch;

/// What a subject may do with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The permissions of the schema, and those that roles name for the type, that are held for certain or possibly, in
    /// order.
    pub permissions: Vec<(PermissionName, Bounds)>,
    /// Those that depend on parameters, and on which, in order.
    pub conditional: Vec<(PermissionName, BTreeSet<Arc<str>>)>,
    /// Whether every permission of the type is held, also those that are named nowhere.
    pub all: Bounds,
    /// How many tuples were visited.
    pub visited: u64,
}

/// Lists what a subject may do with a resource.
pub fn permissions<'a, S: Snapshot>(
    snapshot: &'a S,
    subject: &'a Subject,
    resource: &'a Object,
    circumstances: impl Into<Circumstances<'a>>,
    budget: &Budget<'_>,
) -> Result<Held, Error> {
    let circumstances = circumstances.into();
    let mut joined = Joined::new(snapshot, (subject, resource), circumstances, budget);
    // Grants are many and roles are few, so each role is asked once for what it holds.
    let mut roles: Vec<(RoleKey, Value)> = Vec::new();
    joined.by_grants(&mut Scratch::default(), Order::AsStored, |row, joined| {
        let has = joined.and(before(row.end, circumstances.clock).into());
        match roles.iter_mut().find(|(role, _)| *role == row.role) {
            Some((_, known)) => *known = std::mem::take(known).or(has),
            None => roles.push((row.role, has)),
        }
        false
    })?;
    let any = |holds: &dyn Fn(RoleKey) -> Bounds| {
        roles.iter().fold(Value::NO, |known, (role, has)| known.or(has.clone().and(holds(*role).into())))
    };
    let object_type = &resource.object_type;
    let all = any(&|role| snapshot.holds_all(role, object_type));
    let mut held = Held { permissions: Vec::new(), conditional: Vec::new(), all: all.bounds(), visited: 0 };
    let mut names: BTreeSet<PermissionName> = snapshot.named_permissions(object_type).into_iter().collect();
    let definition = snapshot.program().and_then(|program| program.schema().definition(object_type));
    names.extend(definition.iter().flat_map(|definition| definition.permissions()).map(|one| one.name.clone()));
    for name in names {
        let value = any(&|role| snapshot.holds(role, object_type, &name)).or(joined.by_schema(&name)?);
        if let Some(failure) = joined.failure(&value) {
            return Err(failure);
        }
        if value.is_conditional() {
            held.conditional.extend(value.missing.map(|missing| (name, (*missing).clone())));
        } else if !value.is_no() {
            held.permissions.push((name, value.bounds()));
        }
    }
    held.visited = joined.visited();
    Ok(held)
}
