//! Decisions.

use portcullis_eval::{self as eval, Bounds, Budget, Error, Query};
use portcullis_model::{Object, PermissionName, Subject, TenantId};
use tokio::time::Instant;

use crate::decide::{DecideError, Ground, Judged};
use crate::node::Node;
use crate::view::{Freshness, Served};

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

impl Node {
    /// Decides one question.
    pub async fn check(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<(Answer, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let answer = self.judge(ground, tenant, question, deadline)?;
            Ok(Judged { value: answer, allows: answer.allowed })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Decides many questions, all from one version.
    pub async fn check_all(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        questions: &[Question],
        deadline: Instant,
    ) -> Result<(Vec<Result<Answer, CheckError>>, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let answers: Vec<_> =
                questions.iter().map(|question| self.judge(ground, tenant, question, deadline)).collect();
            let is_undecided = |answer: &Result<Answer, CheckError>| matches!(answer, Err(CheckError::Undecided));
            if !ground.is_certain() && answers.iter().any(is_undecided) {
                return Err(CheckError::Undecided);
            }
            let allows = answers.iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.allowed));
            Ok(Judged { value: answers, allows })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Decides one question and says why.
    pub async fn explain(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<(Why, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let (index, doubts) = ground.tenant(tenant)?;
            let is_late = || Instant::now() >= deadline;
            let (clock, budget) = (Some(ground.now(self)), Budget::new(&is_late));
            let explained = match doubts {
                None => eval::explain(index, query(question), clock, &budget)?,
                Some(doubts) => eval::explain(&index.doubted_by(doubts), query(question), clock, &budget)?,
            };
            let answer = answer(ground, explained.outcome)?;
            let why = Why { answer, steps: explained.steps, truncated: explained.truncated };
            Ok(Judged { value: why, allows: answer.allowed })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Lists what a subject may do with a resource. Undecided as soon as one of its answers is.
    pub async fn permissions(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        (subject, resource): (&Subject, &Object),
        deadline: Instant,
    ) -> Result<(Permissions, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let listed = self.list(ground, tenant, (subject, resource), deadline)?;
            let allows = listed.all || !listed.names.is_empty();
            Ok(Judged { value: listed, allows })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Looks again, at the last moment, whether allows may leave: the lease must hold, and nothing that came meanwhile may
    /// take any of them away. Reads memory only.
    pub fn still_allows(&self, served: &Served, tenant: &TenantId, allowed: &[Question], deadline: Instant) -> bool {
        self.may_leave(served, tenant, |ground| {
            let holds = |question| self.judge(ground, tenant, question, deadline).is_ok_and(|answer| answer.allowed);
            allowed.iter().all(holds)
        })
    }

    /// The same for a list of permissions.
    pub fn still_permits(
        &self,
        served: &Served,
        tenant: &TenantId,
        (subject, resource): (&Subject, &Object),
        listed: &Permissions,
        deadline: Instant,
    ) -> bool {
        self.may_leave(served, tenant, |ground| {
            let again = self.list(ground, tenant, (subject, resource), deadline);
            again.is_ok_and(|again| again == *listed)
        })
    }

    fn list(
        &self,
        ground: &Ground<'_>,
        tenant: &TenantId,
        (subject, resource): (&Subject, &Object),
        deadline: Instant,
    ) -> Result<Permissions, CheckError> {
        let (index, doubts) = ground.tenant(tenant)?;
        // A role that is about to be added may name permissions that none names yet.
        if doubts.is_some_and(|doubts| doubts.is_whole() || doubts.touches_roles()) && !ground.fails_closed() {
            return Err(CheckError::Undecided);
        }
        let is_late = || Instant::now() >= deadline;
        let (clock, budget) = (Some(ground.now(self)), Budget::new(&is_late));
        let held = match doubts {
            None => eval::permissions(index, subject, resource, clock, &budget)?,
            Some(doubts) => eval::permissions(&index.doubted_by(doubts), subject, resource, clock, &budget)?,
        };
        let all = decided(ground, held.all)?;
        let mut names = Vec::new();
        for (name, bounds) in held.permissions {
            if decided(ground, bounds)? {
                names.push(name);
            }
        }
        Ok(Permissions { names, all })
    }

    fn judge(
        &self,
        ground: &Ground<'_>,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, CheckError> {
        let (index, doubts) = ground.tenant(tenant)?;
        let is_late = || Instant::now() >= deadline;
        let (clock, budget) = (Some(ground.now(self)), Budget::new(&is_late));
        let outcome = match doubts {
            None => eval::check(index, query(question), clock, &budget)?,
            Some(doubts) => eval::check(&index.doubted_by(doubts), query(question), clock, &budget)?,
        };
        answer(ground, outcome)
    }
}

fn query(question: &Question) -> Query<'_> {
    Query { subject: &question.subject, permission: &question.permission, resource: &question.resource }
}

fn answer(ground: &Ground<'_>, outcome: eval::Outcome) -> Result<Answer, CheckError> {
    Ok(Answer { allowed: decided(ground, outcome.bounds)?, visited: outcome.visited })
}

fn decided(ground: &Ground<'_>, bounds: Bounds) -> Result<bool, CheckError> {
    match bounds.decided() {
        None if ground.fails_closed() => Ok(false),
        decided => decided.ok_or(CheckError::Undecided),
    }
}
