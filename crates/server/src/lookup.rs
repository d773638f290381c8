//! The lookups of `portcullis.v1.Authorization`.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use portcullis_model::{ObjectKey, RelationName, TenantId, TypeName};
use portcullis_node::{Beginning, Cursor, CursorError, DecideError, Found, Lookup, Node, Sought, Who};
use portcullis_wire::{self as wire, FieldError, v1};
use tonic::{Code, Response, Status};

use crate::authorization::evaluation;
use crate::call::{self, Call};
use crate::error;

/// Messages as they are found.
pub(crate) type Stream<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// A lookup that is under way for a caller.
pub(crate) struct Under {
    pub(crate) node: Arc<Node>,
    pub(crate) lookup: Lookup,
    tenant: TenantId,
    sought: Sought,
    /// How many more may be found.
    left: usize,
}

pub(crate) async fn resources(
    call: Call<v1::LookupResourcesRequest>,
) -> Result<Response<Stream<v1::LookupResourcesResponse>>, Status> {
    let message = &call.message;
    let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
    let object_type: TypeName = wire::field("resource_type", &message.resource_type).map_err(error::field)?;
    let sought = Sought::Resources {
        subject: wire::field("subject", &message.subject).map_err(error::field)?,
        permission: wire::field("permission", &message.permission).map_err(error::field)?,
        object_type: object_type.clone(),
        context: wire::context("context", &message.context).map_err(error::field)?,
    };
    let from = (message.consistency.as_ref(), message.page_token.as_str());
    let under = Under::begin(&call, tenant, sought, from, message.page_size).await?;
    let resource = move |found: &Found, id: &ObjectKey| v1::FoundResource {
        resource: format!("{object_type}:{id}"),
        missing: names(found.missing.iter()),
    };
    Ok(Response::new(under.messages(move |under, found| v1::LookupResourcesResponse {
        resources: found.iter().filter_map(|found| Some(resource(found, found.who.one()?))).collect(),
        evaluation: Some(evaluation(&under.node, under.lookup.served())),
        next_page_token: under.cursor(found),
    })))
}

pub(crate) async fn subjects(
    call: Call<v1::LookupSubjectsRequest>,
) -> Result<Response<Stream<v1::LookupSubjectsResponse>>, Status> {
    let message = &call.message;
    let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
    let (subject_type, subject_relation) = subject_kind(&message.subject_type).map_err(error::field)?;
    let sought = Sought::Subjects {
        permission: wire::field("permission", &message.permission).map_err(error::field)?,
        resource: wire::field("resource", &message.resource).map_err(error::field)?,
        subject_type: subject_type.clone(),
        subject_relation: subject_relation.clone(),
        context: wire::context("context", &message.context).map_err(error::field)?,
    };
    let from = (message.consistency.as_ref(), message.page_token.as_str());
    let under = Under::begin(&call, tenant, sought, from, message.page_size).await?;
    let relation = subject_relation.map(|relation| format!("#{relation}")).unwrap_or_default();
    let one = move |id: &str, missing: Vec<String>, excluded: Vec<v1::FoundSubject>| v1::FoundSubject {
        subject: format!("{subject_type}:{id}{relation}"),
        missing,
        excluded,
    };
    let subject = move |found: &Found| match &found.who {
        Who::One(id) => one(id.as_str(), names(found.missing.iter()), Vec::new()),
        Who::Anyone { excluded } => {
            let excluded = excluded.iter().map(|(id, missing)| one(id.as_str(), names(missing.iter()), Vec::new()));
            one("*", names(found.missing.iter()), excluded.collect())
        }
    };
    Ok(Response::new(under.messages(move |under, found| v1::LookupSubjectsResponse {
        subjects: found.iter().map(&subject).collect(),
        evaluation: Some(evaluation(&under.node, under.lookup.served())),
        next_page_token: under.cursor(found),
    })))
}

impl Under {
    async fn begin<T>(
        call: &Call<T>,
        tenant: TenantId,
        sought: Sought,
        (consistency, page_token): (Option<&v1::Consistency>, &str),
        page_size: u32,
    ) -> Result<Self, Status> {
        let beginning = if page_token.is_empty() {
            Beginning::First(call::freshness(consistency)?)
        } else if consistency.is_some_and(|consistency| consistency.mode.is_some()) {
            return Err(error::invalid("consistency", "a cursor has a revision of its own: leave one of the two out"));
        } else {
            Beginning::Behind(Cursor::parse(page_token, &tenant, &sought).map_err(|error| spoilt_cursor(&error))?)
        };
        let left = if page_size == 0 { usize::MAX } else { usize::try_from(page_size).unwrap_or(usize::MAX) };
        Self::begin_at(call, tenant, sought, beginning, left, error::decide).await
    }

    pub(crate) async fn begin_at<T>(
        call: &Call<T>,
        tenant: TenantId,
        sought: Sought,
        beginning: Beginning,
        left: usize,
        told: impl Fn(&DecideError) -> Status,
    ) -> Result<Self, Status> {
        let begun = call.node.lookup(beginning, &tenant, sought.clone(), call.deadline).await;
        let lookup = begun.map_err(|error| call.hinted(told(&error)))?;
        Ok(Self { node: Arc::clone(&call.node), lookup, tenant, sought, left })
    }

    pub(crate) fn sought(&self) -> &Sought {
        &self.sought
    }

    /// The next that are found, no more than are wanted. Looked at for the last time when the connection asks for them (R7).
    pub(crate) async fn found(&mut self) -> Result<Option<Vec<Found>>, Status> {
        if self.left == 0 {
            return Ok(None);
        }
        let found = self.node.found(&mut self.lookup).await.map_err(|error| error::decide(&error))?;
        Ok(found.map(|mut found| {
            found.truncate(self.left);
            // A wildcard is not counted, and comes last.
            self.left -= found.iter().filter(|found| found.who.one().is_some()).count();
            found
        }))
    }

    /// Looks again whether something that was found earlier may leave.
    pub(crate) fn check_may_leave(&self, found: &Found) -> Result<(), Status> {
        let found = std::slice::from_ref(found);
        self.node.check_may_leave(&self.lookup, found).map_err(|error| error::decide(&error))
    }

    /// The cursor behind the last of what was found, or nothing behind a wildcard.
    fn cursor(&self, found: &[Found]) -> String {
        let last = found.last().and_then(|found| found.who.one());
        last.map(|id| self.cursor_behind(id)).unwrap_or_default()
    }

    pub(crate) fn cursor_behind(&self, id: &ObjectKey) -> String {
        self.node.cursor(&self.lookup, id).to_text(&self.tenant, &self.sought)
    }

    fn messages<T: Send + 'static, F>(self, message: F) -> Stream<T>
    where
        F: Fn(&Self, &[Found]) -> T + Send + 'static,
    {
        let next = async |(mut under, message): (Self, F)| {
            let found = under.found().await?;
            Ok(found.map(|found| (message(&under, &found), (under, message))))
        };
        stream::try_unfold((self, message), next).boxed()
    }
}

/// The type of subjects, and the relation of usersets.
fn subject_kind(text: &str) -> Result<(TypeName, Option<RelationName>), FieldError> {
    Ok(match text.split_once('#') {
        None => (wire::field("subject_type", text)?, None),
        Some((object_type, relation)) => {
            (wire::field("subject_type", object_type)?, Some(wire::field("subject_type", relation)?))
        }
    })
}

fn spoilt_cursor(error: &CursorError) -> Status {
    error::status(Code::InvalidArgument, "CURSOR_INVALID", error.to_string())
}

fn names<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Vec<String> {
    names.map(ToString::to_string).collect()
}
