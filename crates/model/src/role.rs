//! Roles.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{PermissionPattern, Revision, RoleId};

/// A named set of permissions, with those of the roles that it inherits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id within the tenant.
    pub id: RoleId,
    /// The permissions that it names itself.
    pub permissions: BTreeSet<PermissionPattern>,
    /// The roles whose permissions it has too. Acyclic: the machine refuses a role that would close a cycle.
    pub inherits: BTreeSet<RoleId>,
    /// Where it was created.
    pub created: Revision,
    /// Where it was last changed.
    pub modified: Revision,
}
