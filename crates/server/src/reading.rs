//! Relationships as they were at one revision, page by page, however long it takes to read them.

use futures::stream::{self, StreamExt};
use portcullis_model::{TenantId, Token, Tuple, TupleFilter};
use portcullis_node::{Freshness, Node};
use portcullis_wire::{page, page_token};
use tonic::Status;

use crate::call::Call;
use crate::error;
use crate::lookup::Stream;

/// Where a reading begins.
pub(crate) enum Place {
    /// At the first.
    First(Freshness),
    /// Behind one, at a revision.
    Behind(Token, Vec<u8>),
}

impl Place {
    /// Reads what [`cursor_behind`] wrote, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('.').and_then(|(token, after)| {
            let (_, after) = page(0, after).ok()?;
            Some(Self::Behind(token.parse().ok()?, after?))
        });
        parsed.ok_or_else(|| format!("`{text}` is not a cursor: give that of an earlier answer, unchanged"))
    }
}

/// A place behind a relationship, at a revision.
pub(crate) fn cursor_behind(token: Token, tuple: &Tuple) -> String {
    format!("{token}.{}", page_token(Some(&Node::behind(&tuple.relationship))))
}

/// A reading that is under way.
pub(crate) struct Reading {
    call: Call<()>,
    tenant: TenantId,
    filter: TupleFilter,
    pub(crate) token: Token,
    after: Option<Vec<u8>>,
    /// How many more are wanted.
    left: usize,
    /// How many at a time.
    piece: usize,
    is_done: bool,
}

impl Reading {
    pub(crate) async fn begin(
        call: Call<()>,
        tenant: TenantId,
        filter: TupleFilter,
        from: Place,
        most: usize,
        piece: usize,
    ) -> Result<Self, Status> {
        let (token, after) = match from {
            Place::First(freshness) => (call.standing(freshness).await?, None),
            Place::Behind(token, after) => (token, Some(after)),
        };
        Ok(Self { call, tenant, filter, token, after, left: most, piece, is_done: false })
    }

    /// The pages, of which none is empty.
    pub(crate) fn pages(self) -> Stream<Vec<Tuple>> {
        let next = async |mut reading: Self| Ok(reading.page().await?.map(|page| (page, reading)));
        stream::try_unfold(self, next).boxed()
    }

    async fn page(&mut self) -> Result<Option<Vec<Tuple>>, Status> {
        if self.is_done || self.left == 0 {
            return Ok(None);
        }
        let source = self.call.node.source(Freshness::Exactly(self.token), self.call.deadline).await;
        let source = source.map_err(|problem| self.call.hinted(error::view(&problem)))?;
        let most = self.left.min(self.piece);
        let read = self.call.node.relationships(&source, &self.tenant, &self.filter, self.after.as_deref(), most);
        let found = read.map_err(|problem| error::view(&problem))?.found;
        self.is_done = found.next.is_none();
        self.left -= found.items.len();
        self.after = found.next;
        Ok((!found.items.is_empty()).then_some(found.items))
    }
}
