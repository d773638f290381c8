//! Grants.

use serde::{Deserialize, Serialize};

pub use crate::name::GrantKey as GrantId;
use crate::{Actor, Object, Reason, Revision, RoleId, Subject, Timestamp, Window};

/// A subject has a role on an object and on everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id within the tenant.
    pub id: GrantId,
    /// Who has the role.
    pub subject: Subject,
    /// The role.
    pub role: RoleId,
    /// The object on which, and below which, it holds.
    pub scope: Object,
    /// When it holds.
    pub window: Window,
    /// Why it was made.
    pub reason: Option<Reason>,
    /// Who made it.
    pub granted_by: Actor,
    /// When it was made, by the leader's clock.
    pub granted_at: Timestamp,
    /// Where it was made.
    pub created: Revision,
    /// Where it last changed state.
    pub modified: Revision,
    /// Where it stands.
    pub state: GrantState,
}

/// Where a grant stands. [`Scheduled`](GrantState::Scheduled) and [`Active`](GrantState::Active) are live; the
/// other states never leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantState {
    /// Its start has not come.
    Scheduled,
    /// It holds.
    Active,
    /// Its end has come.
    Ended {
        /// When, by the leader's clock.
        at: Timestamp,
    },
    /// Somebody revoked it.
    Revoked {
        /// When, by the leader's clock.
        at: Timestamp,
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<Reason>,
    },
}

impl GrantState {
    /// Returns whether the grant still holds, or will.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Scheduled | Self::Active => true,
            Self::Ended { .. } | Self::Revoked { .. } => false,
        }
    }
}

/// A predicate over grants: every part that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrantFilter {
    /// The subject, whole.
    pub subject: Option<Subject>,
    /// The role.
    pub role: Option<RoleId>,
    /// The scope itself, not what lies above or below it.
    pub scope: Option<Object>,
}

impl GrantFilter {
    /// Returns whether `grant` is selected.
    pub fn matches(&self, grant: &Grant) -> bool {
        self.subject.as_ref().is_none_or(|wanted| *wanted == grant.subject)
            && self.role.as_ref().is_none_or(|wanted| *wanted == grant.role)
            && self.scope.as_ref().is_none_or(|wanted| *wanted == grant.scope)
    }

    /// Returns whether no part is given, so that every grant is selected.
    pub fn is_everything(&self) -> bool {
        self.subject.is_none() && self.role.is_none() && self.scope.is_none()
    }
}
