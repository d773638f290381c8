//! Tenants.

use serde::{Deserialize, Serialize};

use crate::{Revision, TenantId};

/// An isolated world of roles, grants and relationships.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Where it was created.
    pub created: Revision,
}
