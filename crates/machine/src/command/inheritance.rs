//! What holds of the roles that a role names: not too many, they exist, and no role inherits itself.

use std::collections::BTreeSet;

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
    let mut finished = BTreeSet::new();
    for parent in inherits {
        descend(context, role, parent, &mut path, &mut finished)?;
    }
    Ok(())
}

/// Walks all roles that `parent` inherits. `path` is how it was reached; `finished` holds roles that lead nowhere new.
fn descend<S: State>(
    context: &Context<'_, S>,
    role: &RoleId,
    parent: &RoleId,
    path: &mut Vec<RoleId>,
    finished: &mut BTreeSet<RoleId>,
) -> Result<(), Stop> {
    path.push(parent.clone());
    if parent == role {
        return Err(Refusal::InheritanceCycle(path.clone()).into());
    }
    if path.len() > limit::DEPTH_MAX as usize {
        return Err(Refusal::InheritanceTooDeep { role: role.clone(), most: limit::DEPTH_MAX }.into());
    }
    if !finished.contains(parent) {
        let inherited = context.state.role(context.tenant, parent)?;
        let inherited = inherited.ok_or_else(|| Refusal::RoleMissing(parent.clone()))?;
        for next in &inherited.inherits {
            descend(context, role, next, path, finished)?;
        }
        finished.insert(parent.clone());
    }
    path.pop();
    Ok(())
}
