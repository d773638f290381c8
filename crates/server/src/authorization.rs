//! `portcullis.v1.Authorization`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{PermissionName, limit};
use portcullis_node::{self as node, Answer, CheckError, Node, Pair, Question, Served, ServedBy};
use portcullis_wire::v1::authorization_server::Authorization;
use portcullis_wire::v1::{self, Decision};
use portcullis_wire::{self as wire, FieldError};
use tonic::{Request, Response, Status};

use crate::call::{self, Call};
use crate::{emission, error, lookup, meter};

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Authorization for Service {
    type LookupResourcesStream = lookup::Stream<v1::LookupResourcesResponse>;
    type LookupSubjectsStream = lookup::Stream<v1::LookupSubjectsResponse>;

    async fn lookup_resources(
        &self,
        request: Request<v1::LookupResourcesRequest>,
    ) -> Result<Response<Self::LookupResourcesStream>, Status> {
        lookup::resources(Call::streamed(&self.node, request)?).await
    }

    async fn lookup_subjects(
        &self,
        request: Request<v1::LookupSubjectsRequest>,
    ) -> Result<Response<Self::LookupSubjectsStream>, Status> {
        lookup::subjects(Call::streamed(&self.node, request)?).await
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let question = question(call.message.item.as_ref()).map_err(error::field)?;
        let freshness = call::freshness(call.message.consistency.as_ref())?;
        let answered = call.node.check(freshness, &tenant, &question, call.deadline).await;
        meter::decided(&answered);
        let (answer, served) = answered.map_err(|error| call.hinted(error::decide(&error)))?;
        let mut response = Response::new(v1::CheckResponse {
            decision: decision(&answer).into(),
            evaluation: Some(evaluation(&call.node, &served)),
            visited: answer.visited,
            missing: missing(&answer),
        });
        if answer.is_guarded() {
            let (node, deadline, decided) = (call.node, call.deadline, [(question, answer.decision)]);
            emission::guard(&mut response, move || node.still_allows(&served, &tenant, &decided, deadline));
        }
        Ok(response)
    }

    async fn batch_check(
        &self,
        request: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let items = &call.message.items;
        if items.len() > limit::BATCH_CHECKS_MAX {
            return Err(error::too_many("checks", items.len(), limit::BATCH_CHECKS_MAX));
        }
        let parse = |(nth, item)| question(Some(item)).map_err(|error| error.within(&format!("items[{nth}]")));
        let questions: Vec<_> = items.iter().enumerate().map(parse).collect::<Result<_, _>>().map_err(error::field)?;
        let freshness = call::freshness(call.message.consistency.as_ref())?;
        let answered = call.node.check_all(freshness, &tenant, &questions, call.deadline).await;
        let (answers, served) = answered.map_err(|error| call.hinted(error::decide(&error)))?;
        meter::served(served.by);
        answers.iter().for_each(meter::checked);
        let result = |answer: &Result<Answer, CheckError>| match answer {
            Ok(answer) => v1::BatchCheckResult {
                decision: decision(answer).into(),
                visited: answer.visited,
                missing: missing(answer),
                ..v1::BatchCheckResult::default()
            },
            Err(error) => v1::BatchCheckResult {
                error_reason: error.reason().to_owned(),
                error_message: error.to_string(),
                ..v1::BatchCheckResult::default()
            },
        };
        let results = answers.iter().map(result).collect();
        let evaluation = Some(evaluation(&call.node, &served));
        let mut response = Response::new(v1::BatchCheckResponse { results, evaluation });
        let decided = questions.into_iter().zip(answers);
        let decided = decided.filter_map(|(question, answer)| Some((question, answer.ok()?)));
        let decided = decided.filter(|(_, answer)| answer.is_guarded());
        let decided: Vec<_> = decided.map(|(question, answer)| (question, answer.decision)).collect();
        let (node, deadline) = (call.node, call.deadline);
        emission::guard(&mut response, move || node.still_allows(&served, &tenant, &decided, deadline));
        Ok(response)
    }

    async fn lookup_permissions(
        &self,
        request: Request<v1::LookupPermissionsRequest>,
    ) -> Result<Response<v1::LookupPermissionsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let pair = pair(&call.message).map_err(error::field)?;
        let freshness = call::freshness(call.message.consistency.as_ref())?;
        let found = call.node.permissions(freshness, &tenant, &pair, call.deadline).await;
        let (found, served) = found.map_err(|error| call.hinted(error::decide(&error)))?;
        let mut response = Response::new(v1::LookupPermissionsResponse {
            permissions: found.names.iter().map(ToString::to_string).collect(),
            conditional: found.conditional.iter().map(conditional).collect(),
            all: found.all,
            evaluation: Some(evaluation(&call.node, &served)),
        });
        let (node, deadline) = (call.node, call.deadline);
        let holds = move || node.still_permits(&served, &tenant, &pair, &found, deadline);
        emission::guard(&mut response, holds);
        Ok(response)
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let question = question(call.message.item.as_ref()).map_err(error::field)?;
        let freshness = call::freshness(call.message.consistency.as_ref())?;
        let why = call.node.explain(freshness, &tenant, &question, call.deadline).await;
        let (why, served) = why.map_err(|error| call.hinted(error::decide(&error)))?;
        let mut response = Response::new(v1::ExplainResponse {
            decision: decision(&why.answer).into(),
            evaluation: Some(v1::Evaluation {
                lease: Some(lease_used(&call.node, &served)),
                ..evaluation(&call.node, &served)
            }),
            steps: why.steps,
            truncated: why.truncated,
            missing: missing(&why.answer),
        });
        if why.answer.is_guarded() {
            let (node, deadline, decided) = (call.node, call.deadline, [(question, why.answer.decision)]);
            emission::guard(&mut response, move || node.still_allows(&served, &tenant, &decided, deadline));
        }
        Ok(response)
    }
}

fn question(item: Option<&v1::CheckItem>) -> Result<Question, FieldError> {
    let item = item.ok_or_else(|| FieldError::new("item", "there is none: give subject, permission and resource"))?;
    Ok(Question {
        subject: wire::field("item.subject", &item.subject)?,
        permission: wire::field("item.permission", &item.permission)?,
        resource: wire::field("item.resource", &item.resource)?,
        context: wire::context("item.context", &item.context)?,
    })
}

fn pair(request: &v1::LookupPermissionsRequest) -> Result<Pair, FieldError> {
    Ok(Pair {
        subject: wire::field("subject", &request.subject)?,
        resource: wire::field("resource", &request.resource)?,
        context: wire::context("context", &request.context)?,
    })
}

fn decision(answer: &Answer) -> Decision {
    match answer.decision {
        node::Decision::Allow => Decision::Allow,
        node::Decision::Deny => Decision::Deny,
        node::Decision::Conditional(_) => Decision::Conditional,
    }
}

/// The parameters on which an answer depends.
fn missing(answer: &Answer) -> Vec<String> {
    match &answer.decision {
        node::Decision::Conditional(missing) => missing.iter().map(ToString::to_string).collect(),
        node::Decision::Allow | node::Decision::Deny => Vec::new(),
    }
}

fn conditional((permission, missing): &(PermissionName, BTreeSet<Arc<str>>)) -> v1::ConditionalPermission {
    v1::ConditionalPermission {
        permission: permission.to_string(),
        missing: missing.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) fn evaluation(node: &Node, served: &Served) -> v1::Evaluation {
    v1::Evaluation {
        position: Some(wire::shown(node.group_id(), served.view.revision, served.token)),
        node: node.id().0,
        age_ms: served.age.map_or(0, millis),
        lease: None,
    }
}

/// What made an explained answer fresh.
fn lease_used(node: &Node, served: &Served) -> v1::LeaseUsed {
    let lease = node.lease();
    let is_leased = matches!(served.by, ServedBy::Lease | ServedBy::Waiting);
    v1::LeaseUsed {
        by: served.by.to_string(),
        epoch: lease.epoch.filter(|_| is_leased).unwrap_or(0),
        left_ms: if is_leased { millis(lease.left) } else { 0 },
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
