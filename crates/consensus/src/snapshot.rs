//! Sending a snapshot to a node that is too far behind, and receiving one.
//!
//! The leader asks where the receiver is and sends piece after piece from there, one at a time. Whatever interrupts it,
//! the next attempt asks again and goes on. The receiver installs the whole once it has checked it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, ReplicationClosed, StreamingError};
use openraft::raft::SnapshotResponse;
use portcullis_fault::Point;
use portcullis_storage::codec;
use portcullis_storage::state::{Header, Inbox, Incoming, Piece, ReceiveError, Received, Snapshot};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Mutex;
use tokio::task::JoinError;

use crate::convert::{self, ConvertError, log_id, vote, wire_vote};
use crate::group::AnswerError;
use crate::leases::Leases;
use crate::log_store::loaded_id;
use crate::network::Connection;
use crate::peer::{Position, Request, Response, SnapshotAnswer, SnapshotPart, WireMembership, WireVote};
use crate::transport::TransportError;
use crate::types::{Raft, SnapshotMeta, StoredMembership, Types, Vote};

/// How long the receiver may take for one piece, and for installing the whole with the last one.
const PIECE_TIMEOUT: Duration = Duration::from_mins(2);

/// A snapshot in the hands of openraft.
pub(crate) enum SnapshotData {
    /// One that this node made.
    Built(Snapshot),
    /// One that it was sent.
    Received(Received),
}

/// What openraft wants to know of a snapshot.
pub(crate) fn meta(header: &Header) -> Result<SnapshotMeta, ConvertError> {
    let last_membership = header.membership.as_deref().map(stored_membership).transpose()?.unwrap_or_default();
    Ok(SnapshotMeta { last_log_id: header.applied().map(loaded_id), last_membership })
}

/// The membership in the form that the store keeps.
pub(crate) fn stored_membership(bytes: &[u8]) -> Result<StoredMembership, ConvertError> {
    let (position, wire): (Position, WireMembership) = codec::decode(bytes)?;
    Ok(StoredMembership::new(Some(log_id(position)), convert::membership(wire)?))
}

/// Sends a snapshot to the peer, and returns the peer's vote.
pub(crate) async fn send(
    connection: &Connection,
    leader: Vote,
    snapshot: SnapshotOf<Types, SnapshotData>,
    cancelled: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    let SnapshotData::Built(snapshot) = snapshot.snapshot else {
        unreachable!("INVARIANT: the state machine hands out snapshots that this node made")
    };
    tokio::select! {
        closed = cancelled => Err(closed.into()),
        sent = send_pieces(connection, wire_vote(&leader), snapshot) => sent,
    }
}

async fn send_pieces(
    connection: &Connection,
    leader: WireVote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    let mut piece = None;
    loop {
        connection.leases.points.wait(Point::SnapshotSendBeforePiece).await;
        let part = SnapshotPart { vote: leader, header: snapshot.header().clone(), piece: piece.take() };
        let answer = connection.exchange(Request::Snapshot(Box::new(part)), PIECE_TIMEOUT).await;
        let after = match answer.map_err(|error| interrupted(&error))? {
            Response::Snapshot(SnapshotAnswer::Done { vote: theirs }) => {
                connection.leases.points.wait(Point::SnapshotSendDone).await;
                return Ok(SnapshotResponse::new(vote(theirs)));
            }
            Response::Snapshot(SnapshotAnswer::Continue { after }) => after,
            _ => return Err(interrupted(&io::Error::other("the peer answered another question"))),
        };
        piece = Some(read_piece(snapshot.clone(), after).await.map_err(|error| interrupted(&error))?);
    }
}

async fn read_piece(snapshot: Snapshot, after: Option<Vec<u8>>) -> io::Result<Piece> {
    let read = at_the_disk(move || snapshot.piece(after)).await;
    read.map_err(io::Error::other)?.map_err(io::Error::other)
}

/// Does what waits for the disk, and must not hold up heartbeats. A runtime of one thread does it at once: a simulation knows when
/// things happen only if no other thread has a part in them.
async fn at_the_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => tokio::task::spawn_blocking(work).await,
    }
}

fn interrupted(error: &(impl std::error::Error + 'static)) -> StreamingError<Types> {
    StreamingError::Network(NetworkError::new(error))
}

/// Where snapshots arrive.
pub(crate) struct Receiver {
    inbox: Inbox,
    leases: Arc<Leases>,
    /// The one that is being received, and by whom it is sent.
    current: Mutex<Option<(u64, Header, Incoming)>>,
}

impl Receiver {
    pub(crate) fn new(inbox: Inbox, leases: Arc<Leases>) -> Arc<Self> {
        Arc::new(Self { inbox, leases, current: Mutex::new(None) })
    }

    /// Takes a part, and says what is wanted next. Runs to its end also when the sender no longer waits, so that the
    /// database that is received into is never open twice.
    pub(crate) async fn take(self: &Arc<Self>, raft: &Raft, part: SnapshotPart) -> Result<SnapshotAnswer, AnswerError> {
        let (receiver, raft) = (Arc::clone(self), raft.clone());
        let taken = tokio::spawn(async move { receiver.take_to_the_end(&raft, part).await });
        taken.await.map_err(|_| AnswerError::Stopped)?
    }

    async fn take_to_the_end(&self, raft: &Raft, part: SnapshotPart) -> Result<SnapshotAnswer, AnswerError> {
        let own = raft.with_raft_state(|state| *state.vote_ref()).await.map_err(|_| AnswerError::Stopped)?;
        if vote(part.vote) < own {
            return Ok(SnapshotAnswer::Done { vote: wire_vote(&own) });
        }
        let mut current = self.current.lock().await;
        let sender = part.vote.node;
        let same = current.take().filter(|(from, header, _)| *from == sender && *header == part.header);
        let incoming = match same {
            Some((_, _, incoming)) => incoming,
            None => self.inbox.receive(sender, &part.header)?,
        };
        let Some(piece) = part.piece else {
            let after = incoming.after().map(<[u8]>::to_vec);
            *current = Some((sender, part.header, incoming));
            return Ok(SnapshotAnswer::Continue { after });
        };
        let taken = at_the_disk(move || take_piece(incoming, &piece)).await;
        match taken.map_err(|_| AnswerError::Stopped)?? {
            Taken::More(incoming) => {
                let after = incoming.after().map(<[u8]>::to_vec);
                *current = Some((sender, part.header, incoming));
                Ok(SnapshotAnswer::Continue { after })
            }
            Taken::All(received) => {
                // What a snapshot holds is visible. Said before it is installed, because that waits for what is being applied.
                self.leases.proved_visible(received.header().applied().map_or(0, |id| id.index));
                self.leases.points.wait(Point::SnapshotInstallBefore).await;
                let snapshot = SnapshotOf::<Types, SnapshotData> {
                    meta: meta(received.header())?,
                    snapshot: SnapshotData::Received(received),
                };
                let installed = raft.install_full_snapshot(vote(part.vote), snapshot).await;
                let installed = installed.map_err(|_| AnswerError::Stopped)?;
                Ok(SnapshotAnswer::Done { vote: wire_vote(&installed.vote) })
            }
        }
    }
}

enum Taken {
    More(Incoming),
    All(Received),
}

fn take_piece(mut incoming: Incoming, piece: &Piece) -> Result<Taken, ReceiveError> {
    incoming.take(piece)?;
    if piece.last { incoming.finish().map(Taken::All) } else { Ok(Taken::More(incoming)) }
}

impl From<ReceiveError> for AnswerError {
    fn from(error: ReceiveError) -> Self {
        tracing::warn!(%error, "a part of a snapshot was not taken");
        Self::Snapshot(error.to_string())
    }
}

impl From<TransportError> for StreamingError<Types> {
    fn from(error: TransportError) -> Self {
        interrupted(&error)
    }
}
