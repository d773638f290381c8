//! Decisions.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_eval::{self as eval, Bounds, Budget, Circumstances, Error, Query, Scratch};
use portcullis_model::{CaveatName, Clock, Context, Object, PermissionName, Subject, TenantId, TypeName};
use portcullis_storage::state::StoreError;
use tokio::time::Instant;

use crate::decide::{DecideError, Ground, Judged};
use crate::node::Node;
use crate::over::over;
use crate::view::{Freshness, Served};

thread_local! {
    /// A check runs to its end on one thread, and the next one there uses the same memory.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// May `subject` do `permission` with `resource`?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub subject: Subject,
    /// What.
    pub permission: PermissionName,
    /// With what.
    pub resource: Object,
    /// What is known for the caveats on the way.
    pub context: Context,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The subject may.
    Allow,
    /// The subject may not.
    Deny,
    /// It depends on these parameters, which the question did not give.
    Conditional(BTreeSet<Arc<str>>),
}

/// A decision, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// How many tuples were visited.
    pub visited: u64,
    /// Whether something was looked at that ends by itself.
    pub ends: bool,
}

impl Answer {
    /// Whether it says more than no, so that it must not outlive what it rests on.
    pub fn is_guarded(&self) -> bool {
        self.decision != Decision::Deny
    }
}

/// About whom and what is asked, and what is known for the caveats on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who.
    pub subject: Subject,
    /// With what.
    pub resource: Object,
    /// What is known.
    pub context: Context,
}

/// What a subject may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The permissions of the schema, and those that roles name, that the subject holds, in order.
    pub names: Vec<PermissionName>,
    /// Those that depend on parameters, and on which, in order.
    pub conditional: Vec<(PermissionName, BTreeSet<Arc<str>>)>,
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
    /// The permissions of the schema lie too deep within each other.
    #[error("the check follows more than {most} expressions within each other: simplify the permissions of the schema")]
    NestingExceeded {
        /// The limit.
        most: u32,
    },
    /// The schema knows no such permission, and no role names it.
    #[error("`{object_type}#{permission}` is neither in the schema nor named by a role: correct the name, or add it")]
    PermissionUnknown {
        /// The type of the resource.
        object_type: TypeName,
        /// What was asked for.
        permission: PermissionName,
    },
    /// A condition cannot be evaluated with what it was given.
    #[error("the caveat `{caveat}` cannot be evaluated: {problem}")]
    Caveat {
        /// Its name.
        caveat: CaveatName,
        /// Why not, and what to do.
        problem: String,
    },
    /// The caller's deadline came first.
    #[error("the deadline came before the decision")]
    DeadlineExceeded,
    /// The answer is changing at this very moment: a grant ends, and its end is not visible yet.
    #[error("the answer is changing right now, because a grant on which it depends is about to end: ask again")]
    Undecided,
    /// This node cannot read its state.
    #[error("this node cannot read its state: ask another node")]
    Unreadable,
    /// Something that a lookup found was taken away, or the lease ended, before it could be told.
    #[error(
        "what was found was taken away, or the node's lease ended, before it was told: look up again, or go on from the last \
         cursor with how things were at its revision"
    )]
    Overtaken,
}

impl CheckError {
    /// The reason as programs see it, documented in `docs/errors.md`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TenantMissing(_) => "TENANT_NOT_FOUND",
            Self::DepthExceeded { .. } => "DEPTH_EXCEEDED",
            Self::VisitedExceeded { .. } => "VISITED_EXCEEDED",
            Self::NestingExceeded { .. } => "NESTING_EXCEEDED",
            Self::PermissionUnknown { .. } => "PERMISSION_NOT_FOUND",
            Self::Caveat { .. } => "CAVEAT_EVALUATION_FAILED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Undecided | Self::Overtaken => "ANSWER_CHANGING",
            Self::Unreadable => "NODE_FAILED",
        }
    }

    /// What callers are told when the rows of a tenant cannot be read.
    pub(crate) fn unreadable(error: &StoreError) -> Self {
        tracing::error!(error = error as &dyn std::error::Error, "the state cannot be read");
        Self::Unreadable
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        match error {
            Error::DepthExceeded { most } => Self::DepthExceeded { most },
            Error::VisitedExceeded { most } => Self::VisitedExceeded { most },
            Error::NestingExceeded { most } => Self::NestingExceeded { most },
            Error::PermissionUnknown { object_type, permission } => Self::PermissionUnknown { object_type, permission },
            Error::CaveatMissing { caveat } => {
                Self::Caveat { caveat, problem: "the schema does not have it".to_owned() }
            }
            Error::Caveat { caveat, source } => Self::Caveat { caveat, problem: source.to_string() },
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
            let allows = answer.is_guarded();
            Ok(Judged { value: answer, allows })
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
            let allows = answers.iter().any(|answer| answer.as_ref().is_ok_and(Answer::is_guarded));
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
            let (stored, doubts) = ground.tenant(tenant)?;
            let is_late = || Instant::now() >= deadline;
            let (now, budget) = (circumstances(ground.now(self), &question.context), Budget::new(&is_late));
            let explained = over!(stored, doubts, |snapshot| eval::explain(snapshot, query(question), now, &budget))?;
            let answer = answer(ground, explained.outcome)?;
            let allows = answer.is_guarded();
            let why = Why { answer, steps: explained.steps, truncated: explained.truncated };
            Ok(Judged { value: why, allows })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Lists what a subject may do with a resource. Undecided as soon as one of its answers is.
    pub async fn permissions(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        pair: &Pair,
        deadline: Instant,
    ) -> Result<(Permissions, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let listed = self.list(ground, tenant, pair, deadline)?;
            let allows = listed.all || !listed.names.is_empty() || !listed.conditional.is_empty();
            Ok(Judged { value: listed, allows })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }

    /// Looks again, at the last moment, whether decisions that are no denials may leave: the lease must hold, and nothing that came meanwhile may
    /// take any of them away.
    pub fn still_allows(
        &self,
        served: &Served,
        tenant: &TenantId,
        decided: &[(Question, Decision)],
        deadline: Instant,
    ) -> bool {
        self.may_leave(served, tenant, |ground| {
            let holds = |(question, decision): &(Question, Decision)| {
                let again = self.judge(ground, tenant, question, deadline);
                again.is_ok_and(|again| again.decision == *decision)
            };
            decided.iter().all(holds)
        })
    }

    /// The same for a list of permissions.
    pub fn still_permits(
        &self,
        served: &Served,
        tenant: &TenantId,
        pair: &Pair,
        listed: &Permissions,
        deadline: Instant,
    ) -> bool {
        self.may_leave(served, tenant, |ground| {
            let again = self.list(ground, tenant, pair, deadline);
            again.is_ok_and(|again| again == *listed)
        })
    }

    fn list(
        &self,
        ground: &Ground<'_>,
        tenant: &TenantId,
        pair: &Pair,
        deadline: Instant,
    ) -> Result<Permissions, CheckError> {
        let (stored, doubts) = ground.tenant(tenant)?;
        // A role that is about to be added may name permissions that none names yet.
        if doubts.is_some_and(|doubts| doubts.is_whole() || doubts.touches_roles()) && !ground.fails_closed() {
            return Err(CheckError::Undecided);
        }
        let is_late = || Instant::now() >= deadline;
        let Pair { subject, resource, context } = pair;
        let (now, budget) = (circumstances(ground.now(self), context), Budget::new(&is_late));
        let held = over!(stored, doubts, |snapshot| eval::permissions(snapshot, subject, resource, now, &budget))?;
        let all = decided(ground, held.all)?;
        let mut names = Vec::new();
        for (name, bounds) in held.permissions {
            if decided(ground, bounds)? {
                names.push(name);
            }
        }
        Ok(Permissions { names, conditional: held.conditional, all })
    }

    fn judge(
        &self,
        ground: &Ground<'_>,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, CheckError> {
        let (stored, doubts) = ground.tenant(tenant)?;
        let is_late = || Instant::now() >= deadline;
        let (now, budget) = (circumstances(ground.now(self), &question.context), Budget::new(&is_late));
        let outcome = SCRATCH.with_borrow_mut(|scratch| {
            over!(stored, doubts, |snapshot| eval::check_with(scratch, snapshot, query(question), now, &budget))
        })?;
        answer(ground, outcome)
    }
}

pub(crate) fn query(question: &Question) -> Query<'_> {
    Query { subject: &question.subject, permission: &question.permission, resource: &question.resource }
}

pub(crate) fn circumstances(now: Clock, context: &Context) -> Circumstances<'_> {
    Circumstances { clock: Some(now), context: Some(context) }
}

pub(crate) fn answer(ground: &Ground<'_>, outcome: eval::Outcome) -> Result<Answer, CheckError> {
    let eval::Outcome { bounds, missing, visited, ends } = outcome;
    let decision = match missing.is_empty() {
        false => Decision::Conditional(missing),
        true if decided(ground, bounds)? => Decision::Allow,
        true => Decision::Deny,
    };
    Ok(Answer { decision, visited, ends })
}

fn decided(ground: &Ground<'_>, bounds: Bounds) -> Result<bool, CheckError> {
    match bounds.decided() {
        None if ground.fails_closed() => Ok(false),
        decided => decided.ok_or(CheckError::Undecided),
    }
}
