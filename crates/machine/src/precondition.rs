//! What a caller may require of the state before a command is carried out.

use portcullis_model::{GrantId, RelationshipFilter, Revision, RoleId, TenantId, TupleFilter};
use serde::{Deserialize, Serialize};

use crate::command::Stop;
use crate::refusal::Expected;
use crate::{Command, Refusal, State};

/// A condition on the state. A command whose conditions do not all hold is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// The target exists.
    Exists(Target),
    /// The target does not exist.
    Missing(Target),
    /// The target was last changed at this revision.
    At(Target, Revision),
    /// The command adds and takes nothing away, so that its writer may be answered before every node shows it.
    OnlyAdds,
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A role.
    Role(RoleId),
    /// A grant, live or not.
    Grant(GrantId),
    /// Any relationship that matches. It has no revision: [`Precondition::At`] on it never holds.
    Relationship(RelationshipFilter),
    /// The same by a filter that can say more.
    Tuples(TupleFilter),
}

impl Precondition {
    pub(crate) fn check<S: State>(&self, state: &S, tenant: &TenantId, command: &Command) -> Result<(), Stop> {
        let (target, expected) = match self {
            Self::OnlyAdds => return command.check_only_adds(state, tenant),
            Self::Exists(target) => (target, None),
            Self::Missing(target) => (target, Some(None)),
            Self::At(target, revision) => (target, Some(Some(*revision))),
        };
        let (exists, actual) = target.find(state, tenant)?;
        let expected = match expected {
            None if exists => return Ok(()),
            None => Expected::Exists,
            Some(None) if !exists => return Ok(()),
            Some(None) => Expected::Missing,
            Some(Some(revision)) if actual == Some(revision) => return Ok(()),
            Some(Some(_)) if exists && actual.is_none() => Expected::Unversioned,
            Some(Some(expected)) => Expected::At { expected, actual },
        };
        Err(Stop::Refused(target.refusal(expected)))
    }
}

impl Target {
    /// Any relationship that matches, in the form that the oldest nodes can read.
    pub fn tuples(filter: TupleFilter) -> Self {
        match filter.simple() {
            Some(simple) => Self::Relationship(simple),
            None => Self::Tuples(filter),
        }
    }

    fn find<S: State>(&self, state: &S, tenant: &TenantId) -> Result<(bool, Option<Revision>), Stop> {
        Ok(match self {
            Self::Role(role) => {
                let modified = state.role(tenant, role)?.map(|role| role.modified);
                (modified.is_some(), modified)
            }
            Self::Grant(grant) => {
                let modified = state.grant(tenant, grant)?.map(|grant| grant.modified);
                (modified.is_some(), modified)
            }
            Self::Relationship(filter) => (!state.relationships(tenant, &filter.into(), 1)?.is_empty(), None),
            Self::Tuples(filter) => (!state.relationships(tenant, filter, 1)?.is_empty(), None),
        })
    }

    fn refusal(&self, expected: Expected) -> Refusal {
        match self {
            Self::Role(role) => Refusal::PreconditionFailed { what: format!("role `{role}`"), expected },
            Self::Grant(grant) => Refusal::PreconditionFailed { what: format!("grant `{grant}`"), expected },
            Self::Relationship(filter) => Refusal::filter(&filter.into(), expected),
            Self::Tuples(filter) => Refusal::filter(filter, expected),
        }
    }
}
