//! `portcullis.v1.Watch`.
//!
//! A watcher is asked for its next event when there is room for one: a caller that reads slowly makes its own watch slow and
//! nothing else. One that leaves an event for longer than the node's patience is disconnected.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use portcullis_machine::Effect;
use portcullis_model::{GroupId, Revision, Token, limit};
use portcullis_node::{ChangeKind, Node, Told, Wanted, Watched, Watcher};
use portcullis_wire::v1::change::Change;
use portcullis_wire::v1::watch_server::Watch;
use portcullis_wire::{self as wire, FieldError, v1};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::{error, meter};

/// How many events wait for a caller to take them.
const WAITING_EVENTS_MAX: usize = 1;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
    /// Whether the listener takes no more calls. A watch would keep it open.
    pub(crate) stopped: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Watch for Service {
    type WatchStream = Events<v1::WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let call = Call::new(&self.node, request)?;
        let watched = watched(&call.message).map_err(error::field)?;
        let since = &call.message.since;
        let since: Option<Token> =
            (!since.is_empty()).then(|| wire::field("since", since)).transpose().map_err(error::field)?;
        let begun = call.node.watch(watched, since, call.deadline).await;
        let begun = begun.map_err(|error| call.hinted(error::watch(&error)))?;
        Ok(Response::new(events(&self.node, begun, self.stopped.clone(), response)))
    }
}

/// What a watcher is told, as a caller takes it.
pub(crate) type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Has a caller told what a watcher is told, in the words of `say`, until one of them ends or the node stops.
pub(crate) fn events<T: Send + 'static>(
    node: &Arc<Node>,
    watcher: Watcher,
    stopped: watch::Receiver<bool>,
    say: impl Fn(GroupId, Told) -> T + Send + 'static,
) -> Events<T> {
    let (events, waiting) = mpsc::channel(WAITING_EVENTS_MAX);
    let (end, ended) = oneshot::channel();
    let (group, patience) = (node.group_id(), node.watcher_patience());
    tokio::spawn(async move {
        if let Some(status) = tell(group, watcher, patience, stopped, &events, say).await {
            // An error means that the caller is gone.
            let _ = end.send(status);
        }
    });
    // What waits is taken before the end is said.
    let end = stream::once(ended).filter_map(async |status| status.ok().map(Err));
    Box::pin(ReceiverStream::new(waiting).map(Ok).chain(end))
}

/// Tells until there is an end to say; `None` when the caller is gone.
async fn tell<T>(
    group: GroupId,
    mut watcher: Watcher,
    patience: Duration,
    mut stopped: watch::Receiver<bool>,
    events: &mpsc::Sender<T>,
    say: impl Fn(GroupId, Told) -> T,
) -> Option<Status> {
    let mut told = watcher.position();
    loop {
        let next = tokio::select! {
            next = watcher.next() => next,
            () = events.closed() => return None,
            _ = stopped.wait_for(|stopped| *stopped) => return Some(error::watch_stopped(token(group, told))),
        };
        let next = match next {
            Ok(next) => next,
            Err(error) => return Some(error::watch_ended(&error, token(group, told))),
        };
        let room = tokio::select! {
            room = tokio::time::timeout(patience, events.reserve()) => room,
            _ = stopped.wait_for(|stopped| *stopped) => return Some(error::watch_stopped(token(group, told))),
        };
        match room {
            Ok(Ok(room)) => {
                told = next.position();
                room.send(say(group, next));
                meter::told();
            }
            Ok(Err(_)) => return None,
            Err(_) => {
                meter::watcher_too_slow();
                return Some(error::watcher_too_slow(patience, token(group, told)));
            }
        }
    }
}

fn token(group: GroupId, revision: Revision) -> Token {
    Token { group, revision }
}

fn watched(request: &v1::WatchRequest) -> Result<Watched, FieldError> {
    let kinds = request.kinds.iter().enumerate();
    let kinds = kinds.map(|(nth, given)| kind(nth, *given)).collect::<Result<BTreeSet<_>, _>>()?;
    check_count("object_types", request.object_types.len())?;
    check_count("relationships", request.relationships.len())?;
    let filter = |(nth, filter)| {
        wire::relationship_filter(Some(filter)).map_err(|error| error.within(&format!("relationships[{nth}]")))
    };
    Ok(Watched {
        tenant: wire::tenant(&request.tenant)?,
        wanted: Wanted {
            kinds,
            types: wire::fields("object_types", &request.object_types)?,
            relationships: request.relationships.iter().enumerate().map(filter).collect::<Result<_, _>>()?,
        },
        checkpoint_every: checkpoint_every(request.checkpoint_every.as_ref())?,
    })
}

fn kind(nth: usize, given: i32) -> Result<ChangeKind, FieldError> {
    match v1::ChangeKind::try_from(given) {
        Ok(v1::ChangeKind::Relationship) => Ok(ChangeKind::Relationship),
        Ok(v1::ChangeKind::Grant) => Ok(ChangeKind::Grant),
        Ok(v1::ChangeKind::Role) => Ok(ChangeKind::Role),
        Ok(v1::ChangeKind::Schema) => Ok(ChangeKind::Schema),
        Ok(v1::ChangeKind::Unspecified) | Err(_) => {
            Err(FieldError::new(format!("kinds[{nth}]"), format!("`{given}` is not a kind: see `ChangeKind`")))
        }
    }
}

fn check_count(field: &str, given: usize) -> Result<(), FieldError> {
    let most = limit::WATCH_FILTERS_MAX;
    if given <= most { Ok(()) } else { Err(FieldError::new(field, format!("{given} given, the most is {most}"))) }
}

fn checkpoint_every(given: Option<&wire::Duration>) -> Result<Duration, FieldError> {
    let Some(given) = given else { return Ok(Duration::from_millis(limit::CHECKPOINT_MS)) };
    let (least, most) = (limit::CHECKPOINT_MS_MIN, limit::CHECKPOINT_MS_MAX);
    match wire::duration_ms("checkpoint_every", given)?.get() {
        ms if (least..=most).contains(&ms) => Ok(Duration::from_millis(ms)),
        ms => {
            let problem = format!("{ms} ms is out of range: give {least} ms to {most} ms");
            Err(FieldError::new("checkpoint_every", problem))
        }
    }
}

fn response(group: GroupId, told: Told) -> v1::WatchResponse {
    let position = Some(wire::position(group, told.position()));
    match told {
        Told::Checkpoint(_) => v1::WatchResponse { position, is_checkpoint: true, ..v1::WatchResponse::default() },
        Told::Commit(commit) => v1::WatchResponse {
            position,
            is_checkpoint: false,
            committed_at: Some(wire::wire_timestamp(commit.at)),
            actor: Some(wire::wire_actor(&commit.actor)),
            reason: commit.reason.map(|reason| reason.to_string()).unwrap_or_default(),
            metadata: commit.metadata.map(|metadata| metadata.to_string()).unwrap_or_default(),
            changes: commit
                .effects
                .iter()
                .filter_map(change)
                .map(|change| v1::Change { change: Some(change) })
                .collect(),
        },
    }
}

fn change(effect: &Effect) -> Option<Change> {
    Some(match effect {
        Effect::PutRelationship { relationship, .. } => Change::RelationshipTouched(relationship.to_string()),
        Effect::PutTuple { tuple, .. } => Change::RelationshipTouched(tuple.to_string()),
        Effect::DeleteRelationship { relationship, .. } => Change::RelationshipDeleted(relationship.to_string()),
        Effect::PutGrant { grant, .. } => Change::Grant(Box::new(wire::wire_grant(grant))),
        Effect::PutRole { role, .. } => Change::Role(wire::wire_role(role)),
        Effect::DeleteRole { role, .. } => Change::RoleDeleted(role.to_string()),
        Effect::PutSchema { schema, .. } => Change::Schema(schema.text.clone()),
        // These are not watched.
        Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::PutTenant(_)
        | Effect::DropTenant(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. }
        | Effect::Leases(_)
        | Effect::HistoryFloor(_)
        | Effect::Trust(_) => return None,
    })
}
