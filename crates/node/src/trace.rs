//! What decisions were put together from.

use portcullis_eval::{self as eval, Budget, Step};
use portcullis_model::TenantId;
use tokio::time::Instant;

use crate::check::{Answer, Question, answer, circumstances, query};
use crate::decide::{DecideError, Ground, Judged};
use crate::node::Node;
use crate::over::over;
use crate::view::{Freshness, Served};

/// A decision, and what it was put together from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The decision.
    pub answer: Answer,
    /// The question, and below it what was asked for.
    pub step: Step,
    /// Whether steps were left out.
    pub truncated: bool,
}

impl Node {
    /// Decides one question like [`Node::check`], and says what the decision was put together from.
    pub async fn trace(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        question: &Question,
        deadline: Instant,
    ) -> Result<(Traced, Served), DecideError> {
        let judge = |ground: &Ground<'_>| {
            let (stored, doubts) = ground.tenant(tenant)?;
            let is_late = || Instant::now() >= deadline;
            let (now, budget) = (circumstances(ground.now(self), &question.context), Budget::new(&is_late));
            let traced = over!(stored, doubts, |snapshot| eval::trace(snapshot, query(question), now, &budget));
            let eval::Traced { outcome, step, truncated } = traced?;
            let answer = answer(ground, outcome)?;
            let allows = answer.is_guarded();
            Ok(Judged { value: Traced { answer, step, truncated }, allows })
        };
        self.decide(freshness, tenant, deadline, judge).await
    }
}
