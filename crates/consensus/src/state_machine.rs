//! openraft's state machine over the state store.

use std::io;
use std::path::PathBuf;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use portcullis_machine::Envelope;
use portcullis_storage::codec;
use portcullis_storage::state::Store;
use tokio::sync::watch;

use crate::convert;
use crate::types::{Entry, LogId, Reply, SnapshotMeta, StoredMembership, Types};

/// A folder that holds a snapshot.
pub(crate) struct SnapshotFolder(#[expect(dead_code, reason = "snapshots are not sent yet")] pub(crate) PathBuf);

/// The owner of the state store while the group runs.
pub(crate) struct StateMachine {
    store: Store,
    membership: StoredMembership,
    /// The index up to which readers see the state.
    published: watch::Sender<u64>,
}

impl StateMachine {
    pub(crate) fn new(store: Store, published: watch::Sender<u64>) -> Result<Self, convert::ConvertError> {
        let membership = match store.membership() {
            Some(bytes) => stored_membership(bytes)?,
            None => StoredMembership::default(),
        };
        Ok(Self { store, membership, published })
    }

    fn apply_one(&mut self, entry: Entry) -> io::Result<Option<Reply>> {
        let id = store_id(&entry.log_id);
        match entry.payload {
            EntryPayload::Blank => self.store.apply_blank(id).map(|()| None).map_err(io::Error::other),
            EntryPayload::Normal(proposal) => {
                let envelope: Envelope = codec::decode(&proposal.0).map_err(io::Error::other)?;
                let applied = self.store.apply(id, envelope).map_err(io::Error::other)?;
                Ok(Some(Reply { revision: applied.revision, result: applied.result }))
            }
            EntryPayload::Membership(membership) => {
                let wire = convert::wire_membership(&membership);
                let bytes = codec::encode(&(convert::position(&entry.log_id), wire));
                self.store.apply_membership(id, bytes).map_err(io::Error::other)?;
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Ok(None)
            }
        }
    }
}

fn store_id(id: &LogId) -> portcullis_storage::log::LogId {
    portcullis_storage::log::LogId { term: id.committed_leader_id().term, index: id.index }
}

fn stored_membership(bytes: &[u8]) -> Result<StoredMembership, convert::ConvertError> {
    let (position, wire) = codec::decode(bytes)?;
    Ok(StoredMembership::new(Some(convert::log_id(position)), convert::membership(wire)?))
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotFolder;
    type SnapshotBuilder = NoSnapshots;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.store.applied().map(|id| LogId::new_term_index(id.term, id.index));
        Ok((applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut replies = Vec::new();
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let reply = self.apply_one(entry)?;
            replies.extend(responder.map(|responder| (responder, reply)));
        }
        // Writers are answered only after readers can see what they wrote.
        self.store.publish();
        self.published.send_replace(self.store.applied().map_or(0, |id| id.index));
        for (responder, reply) in replies {
            responder.send(reply);
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<NoSnapshots> {
        None
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshots {
        NoSnapshots
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta, _snapshot: SnapshotFolder) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "snapshots are not installed yet"))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<openraft::alias::SnapshotOf<Types, SnapshotFolder>>> {
        Ok(None)
    }
}

/// The log is never purged yet, so no snapshot is ever needed.
pub(crate) struct NoSnapshots;

impl RaftSnapshotBuilder<Types> for NoSnapshots {
    type SnapshotData = SnapshotFolder;

    async fn build_snapshot(&mut self) -> io::Result<openraft::alias::SnapshotOf<Types, SnapshotFolder>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "snapshots are not built yet"))
    }
}
