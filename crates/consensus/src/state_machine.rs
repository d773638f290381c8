//! openraft's state machine over the state store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::alias::SnapshotOf;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use portcullis_fault::Point;
use portcullis_lease::Fault as Broken;
use portcullis_machine::{Effect, Envelope, Fault, VERSION_SUPPORTED};
use portcullis_storage::codec;
use portcullis_storage::state::{Reader, Received, Snapshot, Store};
use tokio::sync::watch;

use crate::convert;
use crate::leases::{Configured, Leases};
use crate::log_store::{leased, loaded_id, stored_id};
use crate::propose::{Acked, Proposed};
use crate::snapshot::{self, SnapshotData};
use crate::types::{Entry, LogId, Reply, SnapshotMeta, StoredMembership, Types};

/// How long an entry has to wait until it is frozen before it is visible, where that rule is broken.
const HELD_UP: Duration = Duration::from_millis(50);

/// The owner of the state store while the group runs.
pub(crate) struct StateMachine {
    store: Store,
    membership: StoredMembership,
    /// The last snapshot that was made, until the next one. None survives a restart: the state does.
    current: Option<Snapshot>,
    /// The index up to which readers see the state.
    published: watch::Sender<u64>,
    leases: Arc<Leases>,
    /// Whether the members or the configuration of leases changed since the leases were told.
    configured: bool,
}

impl StateMachine {
    pub(crate) fn new(
        store: Store,
        published: watch::Sender<u64>,
        leases: Arc<Leases>,
    ) -> Result<Self, convert::ConvertError> {
        let membership = match store.membership() {
            Some(bytes) => snapshot::stored_membership(bytes)?,
            None => StoredMembership::default(),
        };
        Ok(Self { store, membership, current: None, published, leases, configured: false })
    }

    fn apply_one(&mut self, entry: Entry) -> io::Result<Option<Proposed>> {
        let id = stored_id(&entry.log_id);
        match entry.payload {
            EntryPayload::Blank => self.store.apply_blank(id).map(|()| None).map_err(io::Error::other),
            EntryPayload::Normal(proposal) => {
                let applied = self.store.apply(id, envelope(&proposal.command)?).map_err(io::Error::other)?;
                self.configured |= applied.change.effects.iter().any(configures);
                let reply = Reply { revision: applied.revision, result: applied.result };
                Ok(Some(Proposed { reply, acked: Acked::Everywhere { after_commit: None } }))
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

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Frozen;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.store.applied().map(loaded_id);
        Ok((applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut upto = 0;
        let freezes_early = self.leases.faults().has(Broken::SnapshotAboveVisible);
        let mut replies = Vec::new();
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let index = entry.log_id.index;
            if index > upto && !freezes_early {
                // What is visible already need not wait for what is not yet.
                self.show(&mut replies)?;
                let Some(visible) = self.leases.until_visible(index).await else {
                    // Consensus has ended. What is left is applied after the next start.
                    while entries.next().await.is_some() {}
                    return Ok(());
                };
                upto = visible;
            }
            self.leases.points.wait(Point::StateEntryBeforeApply).await;
            let reply = self.apply_one(entry)?;
            self.leases.points.wait(Point::StateEntryApplied).await;
            replies.extend(responder.map(|responder| Answered { index, responder, proposed: reply }));
            if freezes_early {
                self.freeze_held_up(index).await?;
            }
        }
        self.show(&mut replies)
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Frozen> {
        // Before the first entry there is nothing to freeze.
        (force || self.store.applied().is_some()).then(|| Frozen(self.freeze()))
    }

    async fn get_snapshot_builder(&mut self) -> Frozen {
        Frozen(self.freeze())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> io::Result<()> {
        let received = match snapshot {
            SnapshotData::Received(received) => received,
            SnapshotData::Built(built) => self.receive(&built)?,
        };
        self.store.install(&received).map_err(io::Error::other)?;
        self.membership = meta.last_membership.clone();
        self.freeze()?;
        let (applied, reader) = (self.store.applied().map(leased).unwrap_or_default(), self.store.reader());
        self.leases.installed(applied, Arc::clone(&reader.view()), configured(&reader)?);
        self.published.send_replace(applied.index);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, SnapshotData>>> {
        self.current.as_ref().map(handed_out).transpose()
    }
}

/// An entry that was applied, and whoever proposed it.
struct Answered {
    index: u64,
    responder: ApplyResponder<Types>,
    proposed: Option<Proposed>,
}

impl StateMachine {
    /// Lets readers see what was applied, and answers its writers after them.
    fn show(&mut self, replies: &mut Vec<Answered>) -> io::Result<()> {
        let Some(applied) = self.store.applied().filter(|applied| applied.index > *self.published.borrow()) else {
            answer(replies);
            return Ok(());
        };
        self.store.publish().map_err(io::Error::other)?;
        let reader = self.store.reader();
        let configured = std::mem::take(&mut self.configured).then(|| configured(&reader)).transpose()?;
        let proposed =
            replies.iter_mut().filter_map(|Answered { index, proposed, .. }| Some((*index, proposed.as_mut()?)));
        self.leases.took_since_commit(proposed.map(|(index, proposed)| (index, &mut proposed.acked)));
        self.leases.applied(Arc::clone(&reader.view()), configured);
        self.published.send_replace(applied.index);
        self.leases.points.pass(Point::StateBeforeAnswers);
        answer(replies);
        Ok(())
    }

    /// Takes a snapshot of this machine the way that one from another machine comes in.
    fn receive(&self, built: &Snapshot) -> io::Result<Received> {
        let mut incoming = self.store.inbox().receive(0, built.header()).map_err(io::Error::other)?;
        loop {
            let after = incoming.after().map(<[u8]>::to_vec);
            let piece = built.piece(after).map_err(io::Error::other)?;
            incoming.take(&piece).map_err(io::Error::other)?;
            if piece.last {
                return incoming.finish().map_err(io::Error::other);
            }
        }
    }

    /// Waits until an entry is visible that was applied before. Where that takes long, freezes the state meanwhile.
    async fn freeze_held_up(&mut self, index: u64) -> io::Result<()> {
        let leases = Arc::clone(&self.leases);
        if tokio::time::timeout(HELD_UP, leases.until_visible(index)).await.is_err() {
            self.freeze()?;
            leases.until_visible(index).await;
        }
        Ok(())
    }

    /// Freezes the state, at once and not in the task that openraft would do it in: a snapshot must not include more than
    /// openraft knows to be applied.
    fn freeze(&mut self) -> io::Result<Snapshot> {
        let snapshot = self.store.snapshot().map_err(io::Error::other)?;
        self.current = Some(snapshot.clone());
        Ok(snapshot)
    }
}

fn answer(replies: &mut Vec<Answered>) {
    for Answered { responder, proposed, .. } in replies.drain(..) {
        responder.send(proposed);
    }
}

/// Whether an effect changes who may hold leases, or how they are granted.
fn configures(effect: &Effect) -> bool {
    matches!(effect, Effect::AdmitNode(_) | Effect::RetireNode(_) | Effect::Leases(_))
}

/// What the state says of leases.
pub(crate) fn configured(reader: &Reader) -> io::Result<Configured> {
    let members = reader.members().map_err(io::Error::other)?.into_iter().map(|node| node.0).collect();
    Ok(Configured { configuration: reader.leases().map_err(io::Error::other)?, members })
}

/// Reads a command. One of a newer version may hold what this build does not know, so the version is read first.
pub(crate) fn envelope(bytes: &[u8]) -> io::Result<Envelope> {
    let version: u32 = codec::decode_first(bytes).map_err(io::Error::other)?;
    if version > VERSION_SUPPORTED {
        return Err(io::Error::other(Fault::VersionUnsupported { version }));
    }
    codec::decode(bytes).map_err(io::Error::other)
}

/// A snapshot that was made already.
pub(crate) struct Frozen(io::Result<Snapshot>);

impl RaftSnapshotBuilder<Types> for Frozen {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotData>> {
        match &self.0 {
            Ok(snapshot) => handed_out(snapshot),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

fn handed_out(snapshot: &Snapshot) -> io::Result<SnapshotOf<Types, SnapshotData>> {
    let meta = snapshot::meta(snapshot.header()).map_err(io::Error::other)?;
    Ok(SnapshotOf::<Types, SnapshotData> { meta, snapshot: SnapshotData::Built(snapshot.clone()) })
}
