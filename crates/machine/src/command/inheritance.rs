//! What holds of the roles that a role names: not too many, they exist, and no role inherits itself.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{PermissionPattern, RoleId, limit};

use super::{Context, Stop};
use crate::{Refusal, State};

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
    for parent in inherits {
        descend(context, role, parent, &mut path, &mut finished)?;
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
