//! `portcullis.v1.Authorization`.

use std::sync::Arc;

use portcullis_model::limit;
use portcullis_node::{Answer, Node, Question, Served};
use portcullis_wire::v1::authorization_server::Authorization;
use portcullis_wire::v1::{self, Decision};
use portcullis_wire::{self as wire, FieldError};
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::{error, meter};

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

#[tonic::async_trait]
impl Authorization for Service {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let question = question(call.message.item.as_ref()).map_err(error::field)?;
        let served = call.served(call.message.consistency.as_ref()).await?;
        let answer = call.node.check(&served, &tenant, &question, call.deadline);
        meter::checked(&answer);
        let answer = answer.map_err(|error| error::check(&error))?;
        Ok(Response::new(v1::CheckResponse {
            decision: decision(&answer).into(),
            evaluation: Some(evaluation(&call.node, &served)),
            visited: answer.visited,
        }))
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
        let served = call.served(call.message.consistency.as_ref()).await?;
        let check = |question| {
            let answer = call.node.check(&served, &tenant, question, call.deadline);
            meter::checked(&answer);
            answer
        };
        let answer = |question| match check(question) {
            Ok(answer) => v1::BatchCheckResult {
                decision: decision(&answer).into(),
                visited: answer.visited,
                ..v1::BatchCheckResult::default()
            },
            Err(error) => v1::BatchCheckResult {
                error_reason: error.reason().to_owned(),
                error_message: error.to_string(),
                ..v1::BatchCheckResult::default()
            },
        };
        let results = questions.iter().map(answer).collect();
        let evaluation = Some(evaluation(&call.node, &served));
        Ok(Response::new(v1::BatchCheckResponse { results, evaluation }))
    }

    async fn lookup_permissions(
        &self,
        request: Request<v1::LookupPermissionsRequest>,
    ) -> Result<Response<v1::LookupPermissionsResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let subject = wire::field("subject", &call.message.subject).map_err(error::field)?;
        let resource = wire::field("resource", &call.message.resource).map_err(error::field)?;
        let served = call.served(call.message.consistency.as_ref()).await?;
        let found = call.node.permissions(&served, &tenant, &subject, &resource, call.deadline);
        let found = found.map_err(|error| error::check(&error))?;
        Ok(Response::new(v1::LookupPermissionsResponse {
            permissions: found.names.iter().map(ToString::to_string).collect(),
            all: found.all,
            evaluation: Some(evaluation(&call.node, &served)),
        }))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let tenant = wire::tenant(&call.message.tenant).map_err(error::field)?;
        let question = question(call.message.item.as_ref()).map_err(error::field)?;
        let served = call.served(call.message.consistency.as_ref()).await?;
        let why = call.node.explain(&served, &tenant, &question, call.deadline);
        let why = why.map_err(|error| error::check(&error))?;
        Ok(Response::new(v1::ExplainResponse {
            decision: decision(&why.answer).into(),
            evaluation: Some(evaluation(&call.node, &served)),
            steps: why.steps,
            truncated: why.truncated,
        }))
    }
}

fn question(item: Option<&v1::CheckItem>) -> Result<Question, FieldError> {
    let item = item.ok_or_else(|| FieldError::new("item", "there is none: give subject, permission and resource"))?;
    Ok(Question {
        subject: wire::field("item.subject", &item.subject)?,
        permission: wire::field("item.permission", &item.permission)?,
        resource: wire::field("item.resource", &item.resource)?,
    })
}

fn decision(answer: &Answer) -> Decision {
    if answer.allowed { Decision::Allow } else { Decision::Deny }
}

fn evaluation(node: &Node, served: &Served) -> v1::Evaluation {
    v1::Evaluation {
        position: Some(wire::position(node.group_id(), served.view.revision)),
        node: node.id().0,
        age_ms: served.age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    }
}
