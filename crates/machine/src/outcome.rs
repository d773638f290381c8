//! What came of a command that was carried out.

use portcullis_lease::Configuration;
use portcullis_model::{Grant, GrantId, Role, Tenant};
use serde::{Deserialize, Serialize};

/// What came of a command that was carried out, as its caller is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done; there is nothing more to say.
    Done,
    /// The tenant as it now is.
    Tenant(Tenant),
    /// The role as it now is.
    Role(Role),
    /// The grant as it now is.
    Grant(Box<Grant>),
    /// Grants were revoked, ended or started. Those that somebody revoked are in the order of their ids; those that began or
    /// ended by themselves, which may be of many tenants, in the order in which the leader found them due.
    Grants(Vec<GrantId>),
    /// So many relationships were changed.
    Relationships {
        /// How many are new.
        created: u64,
        /// How many are gone.
        deleted: u64,
    },
    /// How leases are granted now.
    Leases(Box<Configuration>),
    /// Relationships were deleted.
    Deleted {
        /// How many.
        deleted: u64,
        /// Whether more match.
        more: bool,
    },
}
