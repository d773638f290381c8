//! Reading relationships.

use futures::stream::{self, StreamExt, TryStreamExt};
use portcullis_model::{RelationName, TenantId, Token, Tuple, TupleFilter, limit};
use portcullis_node::{Freshness, Node};
use portcullis_schema::Schema;
use portcullis_wire::authzed::{self as wire, v1};
use portcullis_wire::{page, page_token};
use tonic::{Code, Response, Status};

use super::{error, freshness};
use crate::call::Call;
use crate::lookup::Stream;

pub(super) async fn relationships(
    call: Call<v1::ReadRelationshipsRequest>,
    tenant: TenantId,
) -> Result<Response<Stream<v1::ReadRelationshipsResponse>>, Status> {
    let message = &call.message;
    let filter = wire::filter("relationship_filter", message.relationship_filter.as_ref());
    let filter = filter.map_err(crate::error::field)?;
    if filter == TupleFilter::default() {
        return Err(crate::error::invalid(
            "relationship_filter",
            "it selects every relationship: give at least one part",
        ));
    }
    let from = (message.consistency.as_ref(), message.optional_cursor.as_ref());
    let most = message.optional_limit;
    let reading = Reading::begin(call.with(()), tenant, filter, from, most, limit::PAGE_DEFAULT).await?;
    let token = reading.token;
    let pages = reading.pages().map_ok(move |tuples| {
        let one = move |tuple: Tuple| {
            Ok(v1::ReadRelationshipsResponse {
                read_at: Some(wire::zed_token(token.group, token.revision)),
                relationship: Some(wire::relationship(&tuple)),
                after_result_cursor: Some(wire::cursor(cursor_behind(token, &tuple))),
            })
        };
        stream::iter(tuples.into_iter().map(one))
    });
    Ok(Response::new(pages.try_flatten().boxed()))
}

/// Relationships as they were at one revision, page by page.
pub(super) struct Reading {
    call: Call<()>,
    tenant: TenantId,
    filter: TupleFilter,
    pub(super) token: Token,
    after: Option<Vec<u8>>,
    /// How many more are wanted.
    left: usize,
    /// How many at a time.
    piece: usize,
    is_done: bool,
}

impl Reading {
    /// Begins at the first, or behind what a cursor says, at its revision.
    pub(super) async fn begin(
        call: Call<()>,
        tenant: TenantId,
        filter: TupleFilter,
        (consistency, cursor): (Option<&v1::Consistency>, Option<&v1::Cursor>),
        most: u32,
        piece: usize,
    ) -> Result<Self, Status> {
        let (token, after) = match cursor {
            Some(cursor) => {
                let (token, after) = parse_cursor(&cursor.token)?;
                (token, Some(after))
            }
            None => (call.standing(freshness(consistency)?).await?, None),
        };
        check_filter(call.node.schema_shown(&tenant).as_ref(), &filter)?;
        let left = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
        Ok(Self { call, tenant, filter, token, after, left, piece, is_done: false })
    }

    /// The pages, of which none is empty.
    pub(super) fn pages(self) -> Stream<Vec<Tuple>> {
        let next = async |mut reading: Self| Ok(reading.page().await?.map(|page| (page, reading)));
        stream::try_unfold(self, next).boxed()
    }

    async fn page(&mut self) -> Result<Option<Vec<Tuple>>, Status> {
        if self.is_done || self.left == 0 {
            return Ok(None);
        }
        let source = self.call.node.source(Freshness::Exactly(self.token), self.call.deadline).await;
        let source = source.map_err(|error| self.call.hinted(crate::error::view(&error)))?;
        let most = self.left.min(self.piece);
        let read = self.call.node.relationships(&source, &self.tenant, &self.filter, self.after.as_deref(), most);
        let found = read.map_err(|error| crate::error::view(&error))?.found;
        self.is_done = found.next.is_none();
        self.left -= found.items.len();
        self.after = found.next;
        Ok((!found.items.is_empty()).then_some(found.items))
    }
}

/// A place behind a relationship, at a revision.
pub(super) fn cursor_behind(token: Token, tuple: &Tuple) -> String {
    format!("{token}.{}", page_token(Some(&Node::behind(&tuple.relationship))))
}

fn parse_cursor(text: &str) -> Result<(Token, Vec<u8>), Status> {
    let parsed = text.split_once('.').and_then(|(token, after)| {
        let (_, after) = page(0, after).ok()?;
        Some((token.parse().ok()?, after?))
    });
    parsed.ok_or_else(|| {
        let message = format!("`{text}` is not a cursor: give that of an earlier answer, unchanged");
        error::status(Code::InvalidArgument, "INVALID_CURSOR", message)
    })
}

/// Refuses a filter that names what the schema does not have.
pub(super) fn check_filter(schema: Option<&Schema>, filter: &TupleFilter) -> Result<(), Status> {
    match (&filter.resource_type, &filter.relation) {
        (Some(object_type), Some(relation)) => error::check_member(schema, object_type, relation.as_str())?,
        (Some(object_type), None) => error::check_type(schema, object_type)?,
        (None, _) => {}
    }
    if let Some(subject) = &filter.subject {
        let relation: Option<&RelationName> = subject.relation.as_ref().and_then(Option::as_ref);
        error::check_kind(schema, &subject.object_type, relation)?;
    }
    Ok(())
}
