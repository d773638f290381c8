//! Watching: what changed, in the order of the log, each commit as a whole, from any revision on that history reaches back to.
//!
//! There is one record of each change, the same at every node, so the position of a watcher is a revision and nothing else: it
//! may go on from it at any node, after a failure or a snapshot. A watcher reads for itself what is published here
//! behind its position, when it is asked for the next; nothing is pushed to it but a sign that there is more, and nobody waits for it.
//!
//! INVARIANT: only what is published is told, which is only what was declared visible (R12).

mod bells;
mod tail;
mod wanted;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_consensus::ReadError;
use portcullis_fault::Point;
use portcullis_lease::Fault;
use portcullis_machine::{Change, Effect};
use portcullis_model::{Actor, Context, Reason, Revision, TenantId, Timestamp, Token};
use tokio::time::Instant;

use crate::node::Node;
use crate::view::ViewError;
use bells::{Bells, Ear};
use tail::Tail;
pub use wanted::{ChangeKind, Wanted};

/// How long a node may fail to prove that its copy is fresh before its watchers have to go elsewhere: it may be cut off, and
/// would be silent.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// How often a watcher of whom nothing is wanted looks how far everything is quiet, so that it is never far behind.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Whose.
    pub tenant: TenantId,
    /// Which changes are told.
    pub wanted: Wanted,
    /// How often it is said up to where everything was told.
    pub checkpoint_every: Duration,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What one command changed.
    Commit(Commit),
    /// Everything up to here was told.
    Checkpoint(Revision),
}

/// What one command changed, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where.
    pub revision: Revision,
    /// When, by the leader's clock.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// What its caller wants those who watch to be told.
    pub metadata: Option<Context>,
    /// What is watched of its effects, in order; never empty.
    pub effects: Vec<Effect>,
}

impl Told {
    /// From where on to watch again without missing or repeating anything.
    pub fn position(&self) -> Revision {
        match self {
            Self::Commit(commit) => commit.revision,
            Self::Checkpoint(revision) => *revision,
        }
    }
}

/// Why a watch does not begin, or ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// It cannot be told here what changed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// There is nothing to watch, or no longer.
    #[error("tenant `{0}` does not exist: create it, or name another")]
    TenantMissing(TenantId),
    /// This node may be cut off from the others, and would be silent.
    #[error("this node could not prove for {age:?} that it knows of every change: watch at another")]
    Stale {
        /// How long ago it was known to.
        age: Duration,
    },
    /// This node has too many watchers.
    #[error("this node has {most} watchers already: watch at another")]
    TooMany {
        /// The limit.
        most: usize,
    },
}

/// All watchers of a node.
#[derive(Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    bells: Bells,
    tail: Tail,
}

impl Node {
    /// How many watchers this node has.
    pub fn watchers(&self) -> usize {
        self.watchers.count.load(Ordering::Relaxed)
    }

    /// How long a watcher may leave an event untaken before it has to be disconnected.
    pub fn watcher_patience(&self) -> Duration {
        self.config.watcher_patience
    }

    /// Begins to watch behind a token, or behind everything that was acknowledged anywhere before the call. Waits until
    /// `deadline` for this node to have come that far.
    pub async fn watch(
        self: &Arc<Self>,
        watched: Watched,
        since: Option<Token>,
        deadline: Instant,
    ) -> Result<Watcher, WatchError> {
        let place = Place::take(self)?;
        self.points.wait(Point::WatchBegun).await;
        // Whatever comes from here on wakes the watcher.
        let ear = bells::hear(self, &watched.tenant);
        let served = match since {
            Some(token) => self.at_least(token, deadline).await?,
            None => self.prove_fresh(deadline).await?,
        };
        let position = since.map_or(served.view.revision, |token| token.revision);
        let exists = served.view.resident.tenant(&watched.tenant).is_some();
        if !exists && position >= served.view.revision {
            return Err(WatchError::TenantMissing(watched.tenant));
        }
        let floor = self.reader.history_floor().map_err(|error| ViewError::failed(&*error.0))?;
        if position < floor {
            return Err(ViewError::NotRetained { asked: position, floor }.into());
        }
        self.check_not_stale()?;
        Ok(Watcher {
            watched,
            position,
            read: VecDeque::new(),
            reached: position,
            exists,
            ear,
            next_checkpoint: Instant::now(),
            place,
        })
    }

    fn check_not_stale(&self) -> Result<(), WatchError> {
        let age = self.age();
        if age > STALE_AFTER { Err(WatchError::Stale { age }) } else { Ok(()) }
    }
}

/// One of the watchers that a node may have.
struct Place {
    node: Arc<Node>,
}

impl Place {
    fn take(node: &Arc<Node>) -> Result<Self, WatchError> {
        let most = node.config.watchers_max;
        let one_more = |count| (count < most).then_some(count + 1);
        match node.watchers.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Self { node: Arc::clone(node) }),
            Err(_) => Err(WatchError::TooMany { most }),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.node.watchers.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Somebody who watches.
pub struct Watcher {
    watched: Watched,
    /// Everything up to here was told.
    position: Revision,
    /// Records that were read and not looked at yet.
    read: VecDeque<Arc<Change>>,
    /// Where those that were read end.
    reached: Revision,
    /// Whether the tenant was seen to exist.
    exists: bool,
    ear: Ear,
    next_checkpoint: Instant,
    place: Place,
}

impl Watcher {
    /// From where on to watch again without missing or repeating anything.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// Waits for what is to be told next; a checkpoint comes first. A call that is given up loses nothing.
    pub async fn next(&mut self) -> Result<Told, WatchError> {
        loop {
            if let Some(commit) = self.look_at_read()? {
                self.place.node.points.pass(Point::WatchBeforeCommit);
                return Ok(Told::Commit(commit));
            }
            let quiet = self.place.node.watchers.bells.quiet();
            if self.ear.is_quiet().map_err(|_| ViewError::from(ReadError::Stopped))? {
                self.reached = self.reached.max(quiet);
                self.position = self.reached;
            }
            if Instant::now() >= self.next_checkpoint {
                self.place.node.check_not_stale()?;
                self.next_checkpoint = Instant::now() + self.watched.checkpoint_every;
                self.place.node.points.pass(Point::WatchBeforeCheckpoint);
                return Ok(Told::Checkpoint(self.position));
            }
            if self.ear.is_caught_up() {
                self.ear.wait(self.next_checkpoint.min(Instant::now() + LOOK_EVERY)).await;
            } else {
                self.read_on().await?;
            }
        }
    }

    /// Reads some of what is published here behind the position, or finds that there is nothing.
    async fn read_on(&mut self) -> Result<(), WatchError> {
        self.ear.forget();
        let Node { watchers, reader, .. } = &*self.place.node;
        let view = Arc::clone(&reader.view());
        if self.position < view.revision {
            let piece = watchers.tail.read(reader, self.position, view.revision).await?;
            self.place.node.points.wait(Point::WatchRecordsRead).await;
            (self.read, self.reached) = (piece.changes, piece.reached);
            return Ok(());
        }
        self.ear.catch_up();
        self.exists |= view.resident.tenant(&self.watched.tenant).is_some();
        if self.exists { Ok(()) } else { Err(WatchError::TenantMissing(self.watched.tenant.clone())) }
    }

    /// Looks at what was read, up to something that is to be told.
    fn look_at_read(&mut self) -> Result<Option<Commit>, WatchError> {
        while let Some(change) = self.read.pop_front() {
            let follows = change.revision.0 == self.position.0 + 1;
            self.position = change.revision;
            if !follows && self.place.node.faults.has(Fault::WatchSkipsFailover) {
                continue;
            }
            if drops(&change, &self.watched.tenant) {
                // Another one of the same name may come: whoever watches on from here is told of that one.
                return Err(WatchError::TenantMissing(self.watched.tenant.clone()));
            }
            if let Some(commit) = self.watched.commit(&change) {
                return Ok(Some(commit));
            }
        }
        self.position = self.reached;
        Ok(None)
    }
}

impl Watched {
    /// What is told of a change: whatever tenant it was made in, its effects count.
    fn commit(&self, change: &Change) -> Option<Commit> {
        let effects = change.effects.iter().filter(|effect| self.wanted.selects(&self.tenant, effect));
        let effects: Vec<Effect> = effects.cloned().collect();
        (!effects.is_empty()).then(|| Commit {
            revision: change.revision,
            at: change.at,
            actor: change.actor.clone(),
            reason: change.reason.clone(),
            metadata: change.metadata().cloned(),
            effects,
        })
    }
}

fn drops(change: &Change, tenant: &TenantId) -> bool {
    change.effects.iter().any(|effect| matches!(effect, Effect::DropTenant(gone) if gone == tenant))
}
