//! Decisions.

use portcullis_eval::{self as eval, Bounds, Budget, Error, Query};
use portcullis_model::{Object, PermissionName, Subject, TenantId};
use portcullis_storage::resident::TenantIndex;
use tokio::time::Instant;

use crate::node::Node;
use crate::view::Served;

/// May `subject` do `permission` with `resource`?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub subject: Subject,
    /// What.
    pub permission: PermissionName,
    /// With what.
    pub resource: Object,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the subject may.
    pub allowed: bool,
    /// How many tuples were visited.
    pub visited: u64,
}

/// What a subject may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The permissions that roles name, and that the subject holds, in order.
    pub names: Vec<PermissionName>,
    /// Whether it holds every permission of the type.
    pub all: bool,
}

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The decision.
    pub answer: Answer,
    /// The steps, in words.
    pub steps: Vec<String>,
    /// Whether steps were left out.
    pub truncated: bool,
}

/// Why there is no decision. It is never an allow.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The tenant does not exist.
    #[error("tenant `{0}` does not exist: create it with `tenant create {0}`, or name another")]
    TenantMissing(TenantId),
    /// A chain of groups or scopes is too long.
    #[error("the check goes deeper than {most} steps: flatten the groups or the folders")]
    DepthExceeded {
        /// The limit.
        most: u32,
    },
    /// Too much has to be looked at.
    #[error("the check visits more than {most} tuples: fewer groups or grants on the way would help")]
    VisitedExceeded {
        /// The limit.
        most: u64,
    },
    /// The caller's deadline came first.
    #[error("the deadline came before the decision")]
    DeadlineExceeded,
    /// The answer is changing at this very moment: a grant ends, and its end is not visible yet.
    #[error("the answer is changing right now, because a grant on which it depends is about to end: ask again")]
    Undecided,
}

impl CheckError {
    /// The reason as programs see it, documented in `docs/errors.md`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TenantMissing(_) => "TENANT_NOT_FOUND",
            Self::DepthExceeded { .. } => "DEPTH_EXCEEDED",
            Self::VisitedExceeded { .. } => "VISITED_EXCEEDED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Undecided => "ANSWER_CHANGING",
        }
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::DepthExceeded { most } => Self::DepthExceeded { most },
            Error::VisitedExceeded { most } => Self::VisitedExceeded { most },
            Error::DeadlineExceeded => Self::DeadlineExceeded,
        }
    }
}

/// Decisions are made from the version that [`Node::view`] has served, on the thread that asks.
impl Node {
    /// Decides one question.
    pub fn check(
        &self,
        served: &Served,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, CheckError> {
        let index = tenant_of(served, tenant)?;
        let is_late = || Instant::now() >= deadline;
        let outcome = eval::check(index, query(question), Some(self.wall()), &Budget::new(&is_late))?;
        answer(outcome)
    }

    /// Decides one question and says why.
    pub fn explain(
        &self,
        served: &Served,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<Why, CheckError> {
        let index = tenant_of(served, tenant)?;
        let is_late = || Instant::now() >= deadline;
        let explained = eval::explain(index, query(question), Some(self.wall()), &Budget::new(&is_late))?;
        Ok(Why { answer: answer(explained.outcome)?, steps: explained.steps, truncated: explained.truncated })
    }

    /// Lists what a subject may do with a resource. Undecided as soon as one of its answers is.
    pub fn permissions(
        &self,
        served: &Served,
        tenant: &TenantId,
        subject: &Subject,
        resource: &Object,
        deadline: Instant,
    ) -> Result<Permissions, CheckError> {
        let index = tenant_of(served, tenant)?;
        let is_late = || Instant::now() >= deadline;
        let held = eval::permissions(index, subject, resource, Some(self.wall()), &Budget::new(&is_late))?;
        let all = decided(held.all)?;
        let mut names = Vec::new();
        for (name, bounds) in held.permissions {
            if decided(bounds)? {
                names.push(name);
            }
        }
        Ok(Permissions { names, all })
    }
}

fn tenant_of<'a>(served: &'a Served, tenant: &TenantId) -> Result<&'a TenantIndex, CheckError> {
    let index = served.view.resident.tenant(tenant);
    index.map(AsRef::as_ref).ok_or_else(|| CheckError::TenantMissing(tenant.clone()))
}

fn query(question: &Question) -> Query<'_> {
    Query { subject: &question.subject, permission: &question.permission, resource: &question.resource }
}

fn answer(outcome: eval::Outcome) -> Result<Answer, CheckError> {
    Ok(Answer { allowed: decided(outcome.bounds)?, visited: outcome.visited })
}

fn decided(bounds: Bounds) -> Result<bool, CheckError> {
    bounds.decided().ok_or(CheckError::Undecided)
}
