//! Who acts, and why.

use serde::{Deserialize, Serialize};

use crate::Subject;
pub use crate::name::{IdempotencyKey, Reason};

/// The identity that a call runs as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// Who called.
    pub caller: Subject,
    /// For whom, where a trusted service acts for somebody else.
    pub on_behalf_of: Option<Subject>,
    /// How the caller's identity was established.
    pub verified: Verified,
}

/// How an identity was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verified {
    /// The node itself acts: starts and ends of grants, membership.
    Internal,
    /// The caller said so, on a listener that was started without authentication.
    Assumed,
}
