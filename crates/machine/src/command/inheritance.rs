//! What holds of the roles that a role names: not too many, they exist, no role inherits itself, and no chain of them is
//! too long, wherever in it the role stands.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{PermissionPattern, RoleId, limit};

use super::{Context, Stop};
use crate::{Refusal, State, since};

/// Checks a role that is about to be written.
pub(super) fn check<S: State>(
    context: &Context<'_, S>,
    role: &RoleId,
    permissions: &BTreeSet<PermissionPattern>,
    inherits: &BTreeSet<RoleId>,
) -> Result<(), Stop> {
    let given = permissions.len() + inherits.len();
    if given > limit::ROLE_ENTRIES_MAX {
        return Err(Refusal::TooMany {
            what: format!("permissions and inherited roles of role `{role}`"),
            given: given as u64,
            most: limit::ROLE_ENTRIES_MAX as u64,
        }
        .into());
    }
    let mut path = vec![role.clone()];
    let mut finished = BTreeMap::new();
    let mut longest = 0;
    for parent in inherits {
        longest = longest.max(descend(context, role, parent, &mut path, &mut finished)?);
    }
    if context.version >= since::INHERITANCE_UPWARDS { check_heirs(context, role, inherits, longest) } else { Ok(()) }
}

/// Checks the roles that inherit `role`: what they inherit grows with it. `longest` is how many roles follow each other
/// below it.
fn check_heirs<S: State>(
    context: &Context<'_, S>,
    role: &RoleId,
    inherits: &BTreeSet<RoleId>,
    longest: usize,
) -> Result<(), Stop> {
    // One that names no role anew lengthens no chain, and most roles at the bottom are inherited by many.
    let old = context.state.role(context.tenant, role)?;
    if old.is_none_or(|old| inherits.is_subset(&old.inherits)) {
        return Ok(());
    }
    let mut level = BTreeSet::from([role.clone()]);
    // With the role itself.
    for length in longest + 1.. {
        let mut above = BTreeSet::new();
        for inherited in &level {
            above.extend(context.state.role_heirs(context.tenant, inherited)?);
        }
        let Some(heir) = above.first() else { break };
        if length + 1 > limit::DEPTH_MAX as usize {
            return Err(Refusal::InheritanceTooDeep { role: heir.clone(), most: limit::DEPTH_MAX }.into());
        }
        level = above;
    }
    Ok(())
}

/// Walks all roles that `parent` inherits, and returns how many follow each other on the longest way down from it,
/// itself included. `path` is how it was reached; `finished` holds the roles that were walked before. They lead
/// nowhere new, but this time the way to them may be longer.
fn descend<S: State>(
    context: &Context<'_, S>,
    role: &RoleId,
    parent: &RoleId,
    path: &mut Vec<RoleId>,
    finished: &mut BTreeMap<RoleId, usize>,
) -> Result<usize, Stop> {
    path.push(parent.clone());
    if parent == role {
        return Err(Refusal::InheritanceCycle(path.clone()).into());
    }
    let walked = finished.get(parent).copied();
    if path.len() - 1 + walked.unwrap_or(1) > limit::DEPTH_MAX as usize {
        return Err(Refusal::InheritanceTooDeep { role: role.clone(), most: limit::DEPTH_MAX }.into());
    }
    let length = if let Some(length) = walked {
        length
    } else {
        let inherited = context.state.role(context.tenant, parent)?;
        let inherited = inherited.ok_or_else(|| Refusal::RoleMissing(parent.clone()))?;
        let mut longest = 0;
        for next in &inherited.inherits {
            longest = longest.max(descend(context, role, next, path, finished)?);
        }
        finished.insert(parent.clone(), 1 + longest);
        1 + longest
    };
    path.pop();
    Ok(length)
}
