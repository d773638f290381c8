//! Relationships in bulk, for all who import or export them.

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use portcullis_consensus::Ack;
use portcullis_machine::command::Update;
use portcullis_model::{Context, IdempotencyKey, Reason, TenantId, Tuple, limit};
use portcullis_node::{Action, Draft, WriteError, Written};
use portcullis_wire::{self as wire, FieldError, v1};
use tonic::{Response, Status, Streaming};

use crate::call::{Call, freshness, position};
use crate::lookup::Stream as Messages;
use crate::reading::{Place, Reading, cursor_behind};
use crate::relationships::counts;
use crate::{error, meter};

/// How many writes of an import are under way at a time.
const UNDER_WAY_MAX: usize = 32;
/// How many relationships a message of an export holds.
const EXPORTED: usize = 1_000;

/// What all writes of an import have in common.
#[derive(Clone)]
pub(crate) struct Import {
    pub(crate) tenant: TenantId,
    pub(crate) reason: Option<Reason>,
    pub(crate) metadata: Context,
    /// What the names of the writes begin with; without, each has one that nobody knows.
    pub(crate) key: Option<IdempotencyKey>,
}

impl Import {
    /// Carries out the writes, several at a time, and tells each that was; `told` says what an error of one is.
    pub(crate) fn carry_out<S>(
        self,
        call: Call<()>,
        writes: S,
        told: impl Fn(&WriteError) -> Status + Clone + Send + 'static,
    ) -> impl Stream<Item = Result<(usize, Written), Status>> + Send
    where
        S: Stream<Item = Result<Vec<Update>, Status>> + Send + 'static,
    {
        let numbered = stream::iter(0_u64..).map(Ok::<u64, Status>);
        let written = writes.zip(numbered).map(|(updates, nth)| Ok::<_, Status>((updates?, nth?)));
        let written = written.map_ok(move |(updates, nth)| {
            let (import, call, told) = (self.clone(), call.with(()), told.clone());
            async move {
                let count = updates.len();
                let written = import.one(&call, updates, nth).await;
                Ok((count, written.map_err(|problem| call.hinted(told(&problem)))?))
            }
        });
        written.try_buffer_unordered(UNDER_WAY_MAX)
    }

    async fn one(self, call: &Call<()>, updates: Vec<Update>, nth: u64) -> Result<Written, WriteError> {
        let key = self.key.and_then(|key| IdempotencyKey::new(&format!("{key}-{nth}")).ok());
        let draft = Draft {
            tenant: self.tenant,
            actor: call.actor.clone(),
            reason: self.reason,
            idempotency_key: Some(key.unwrap_or_else(|| call.node.new_key())),
            preconditions: Vec::new(),
            ack: Ack::Everywhere,
            action: Action::WriteRelationships(updates).annotated(self.metadata),
        };
        let begun = tokio::time::Instant::now();
        let written = call.node.write(draft, call.deadline).await;
        meter::wrote(&written, begun.elapsed());
        written
    }
}

/// Updates as so many writes as it takes.
pub(crate) fn pieces(updates: &[Update]) -> impl Stream<Item = Result<Vec<Update>, Status>> + use<> {
    let pieces: Vec<_> = updates.chunks(limit::UPDATES_MAX).map(|piece| Ok(piece.to_vec())).collect();
    stream::iter(pieces)
}

/// Touches all relationships of a stream.
pub(crate) async fn import(
    call: Call<Streaming<v1::ImportRelationshipsRequest>>,
) -> Result<Response<Messages<v1::ImportRelationshipsResponse>>, Status> {
    let (call, mut messages) = call.split();
    let Some(first) = messages.message().await? else {
        return Err(error::invalid("relationships", "there is none: give at least one"));
    };
    let options = first.options.as_ref();
    let import = Import {
        tenant: wire::tenant(&first.tenant).map_err(error::field)?,
        reason: wire::reason(options).map_err(error::field)?,
        metadata: wire::metadata(options).map_err(error::field)?,
        key: wire::idempotency_key(options).map_err(error::field)?,
    };
    let node = std::sync::Arc::clone(&call.node);
    let messages = stream::iter([Ok(first)]).chain(messages);
    let writes =
        messages.map(|message| Ok::<_, Status>(pieces(&touches(&message?).map_err(error::field)?))).try_flatten();
    let written = import.carry_out(call, writes, error::write);
    let told = written.scan(v1::ImportRelationshipsResponse::default(), move |sum, written| {
        let told = written.and_then(|(count, written)| {
            sum.written += count as u64;
            sum.created += counts(&written.outcome)?.0;
            sum.position = Some(position(&node, &written));
            Ok(sum.clone())
        });
        std::future::ready(Some(told))
    });
    Ok(Response::new(told.boxed()))
}

fn touches(message: &v1::ImportRelationshipsRequest) -> Result<Vec<Update>, FieldError> {
    let touch = |(nth, text): (usize, &String)| {
        Ok(Update::touch(wire::field::<Tuple>(&format!("relationships[{nth}]"), text)?))
    };
    message.relationships.iter().enumerate().map(touch).collect()
}

/// Reads all relationships that match.
pub(crate) async fn export(
    call: Call<v1::ExportRelationshipsRequest>,
) -> Result<Response<Messages<v1::ExportRelationshipsResponse>>, Status> {
    let message = &call.message;
    let tenant = wire::tenant(&message.tenant).map_err(error::field)?;
    let filter = wire::relationship_filter(message.filter.as_ref()).map_err(error::field)?;
    let from = if message.page_token.is_empty() {
        Place::First(freshness(message.consistency.as_ref())?)
    } else if message.consistency.as_ref().is_some_and(|consistency| consistency.mode.is_some()) {
        return Err(error::invalid("consistency", "a cursor has a revision of its own: leave one of the two out"));
    } else {
        Place::parse(&message.page_token).map_err(|problem| error::invalid("page_token", &problem))?
    };
    let reading = Reading::begin(call.with(()), tenant, filter, from, usize::MAX, EXPORTED).await?;
    let token = reading.token;
    let messages = reading.pages().map_ok(move |tuples| v1::ExportRelationshipsResponse {
        next_page_token: tuples.last().map(|last| cursor_behind(token, last)).unwrap_or_default(),
        relationships: tuples.iter().map(ToString::to_string).collect(),
        position: Some(wire::position(token.group, token.revision)),
    });
    Ok(Response::new(messages.boxed()))
}
