//! At which version a read may be served: the one place that decides it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::clock::Reading;
use portcullis_consensus::{Counted, ReadError};
use portcullis_eval::{Program, Snapshot};
use portcullis_model::{Clock, GroupId, Revision, TenantId, Timestamp, Token};
use portcullis_schema::Schema;
use portcullis_storage::state::{PastError, View};
use tokio::time::Instant;

use crate::decide::DecideError;
use crate::node::Node;
use crate::write::WriteError;

/// How fresh the answer to a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As everything that was acknowledged anywhere before the read began.
    Linearizable,
    /// The same, and a decision that is being changed at this very moment is no at once.
    FailClosed,
    /// At least as fresh as a token.
    AtLeast(Token),
    /// Exactly at a token, while history reaches back that far.
    Exactly(Token),
    /// Exactly at a moment, while history reaches back that far.
    ExactlyAt(Timestamp),
    /// Whatever this node has, with its age.
    MinimizeLatency,
}

/// A version that a read may be served from.
#[derive(Clone, Debug)]
pub struct Served {
    /// The version.
    pub view: Arc<View>,
    /// What a later read must be as fresh as, so that it is no older than this one could have been.
    pub token: Revision,
    /// What made it fresh.
    pub by: ServedBy,
    /// For a decision that was made by the lease: what it takes into account.
    pub(crate) counted: Option<Counted>,
    /// The time that counts, where that is not the present: when the state became so, for a state of the past.
    pub(crate) then: Option<Clock>,
    /// How long ago it was known to hold everything acknowledged; only where less than that was asked for.
    pub age: Option<Duration>,
}

impl Served {
    /// The schema of a tenant in it, if it has one.
    pub fn schema(&self, tenant: &TenantId) -> Option<&Schema> {
        self.view.resident.tenant(tenant)?.program().map(Program::schema)
    }
}

/// What made an answer as fresh as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedBy {
    /// The lease of this node, at once.
    Lease,
    /// The lease, once what was under way had become visible.
    Waiting,
    /// The leader's word, because this node had no lease.
    Leader,
    /// Nothing: less was asked for.
    Nothing,
}

impl std::fmt::Display for ServedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lease => "lease",
            Self::Waiting => "waited",
            Self::Leader => "leader",
            Self::Nothing => "unproven",
        })
    }
}

/// Why a read cannot be served. A retry, here or at another node, is safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// This node cannot prove that its copy is fresh.
    #[error("this node cannot prove that its answer would be fresh: {0}")]
    NotFresh(#[from] ReadError),
    /// The token is of another group.
    #[error("the token is of group {given}, and this is group {own}: use the token of an answer of this cluster")]
    OtherGroup {
        /// The token's group.
        given: GroupId,
        /// This group.
        own: GroupId,
    },
    /// History does not reach back that far.
    #[error("revision {asked} is no longer kept: history begins at revision {floor}; ask for that or a later one")]
    NotRetained {
        /// The revision asked for.
        asked: Revision,
        /// The oldest that is kept.
        floor: Revision,
    },
    /// A time is not over.
    #[error("the time {asked} is not over: it is {now} here; ask for an earlier time, or for the present")]
    TimeNotOver {
        /// The time asked for.
        asked: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// A time from before everything that is known.
    #[error("nothing is known of {asked}: history begins at {begins}; ask for that time or a later one")]
    TimeNotRetained {
        /// The time asked for.
        asked: Timestamp,
        /// The earliest that can be asked for.
        begins: Timestamp,
    },
    /// Nothing later than a time is known here, so what was made by then may still come.
    #[error(
        "nothing that was written after {asked} is visible here, so something that was written by then may be under way, \
         and the leader has to say that it is not: {why}"
    )]
    TimeNotSettled {
        /// The time asked for.
        asked: Timestamp,
        /// Why the leader did not.
        why: WriteError,
    },
    /// The tenant was too large then.
    #[error("{0}")]
    PastTooLarge(String),
    /// The caller's deadline came first.
    #[error("the deadline came before the earlier state was made again")]
    Late,
    /// This node cannot read its state.
    #[error("this node cannot read its state: ask another node")]
    Failed,
}

impl From<PastError> for ViewError {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Compacted { asked, floor } => Self::NotRetained { asked, floor },
            PastError::TooLarge => Self::PastTooLarge(error.to_string()),
            PastError::Late => Self::Late,
            PastError::Store(error) => Self::failed(&error),
        }
    }
}

impl ViewError {
    /// What callers are told when the node cannot read its own copy.
    pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "the state cannot be read");
        Self::Failed
    }
}

impl Node {
    /// Decides at which version a question about a tenant may be answered, waiting for it until `deadline`.
    ///
    /// Every decision goes through here or through [`Node::decide`], and every list through [`Node::source`]. Nothing that is
    /// not published is ever served.
    pub(crate) async fn view(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Served, DecideError> {
        match freshness {
            Freshness::Linearizable | Freshness::FailClosed => Ok(self.prove_fresh(deadline).await?),
            Freshness::AtLeast(token) => Ok(self.at_least(token, deadline).await?),
            Freshness::Exactly(token) => self.exactly(token, tenant, deadline).await,
            Freshness::ExactlyAt(time) => self.exactly_at(time, tenant, deadline).await,
            Freshness::MinimizeLatency => Ok(self.whatever_there_is()),
        }
    }

    /// A version that holds everything that was acknowledged anywhere before the call.
    pub async fn prove_fresh(&self, deadline: Instant) -> Result<Served, ViewError> {
        loop {
            let Ok((began, _)) = self.group.begin_read() else { return self.view_without_lease(deadline).await };
            let asked = self.clock.read();
            if self.group.wait_registered(&began, deadline).await?.is_some() {
                self.was_fresh(asked);
                return Ok(self.newest(ServedBy::Lease));
            }
        }
    }

    pub(crate) async fn at_least(&self, token: Token, deadline: Instant) -> Result<Served, ViewError> {
        let revision = self.check_group(token)?;
        self.group.wait_published(revision.0, deadline).await?;
        Ok(self.newest(ServedBy::Nothing))
    }

    pub(crate) fn whatever_there_is(&self) -> Served {
        let age = self.age();
        Served { age: Some(age), ..self.newest(ServedBy::Nothing) }
    }

    /// How long ago the copy was known to hold everything acknowledged.
    pub(crate) fn age(&self) -> Duration {
        let last_fresh = *self.last_fresh.borrow();
        // A clock that went backwards proves nothing about the age.
        self.clock.read().eager_since(&last_fresh).unwrap_or(Duration::MAX)
    }

    /// A version that the leader's word proves fresh, for a node that has no lease.
    pub(crate) async fn view_without_lease(&self, deadline: Instant) -> Result<Served, ViewError> {
        let asked = self.clock.read();
        self.group.wait_fresh(deadline).await?;
        self.was_fresh(asked);
        Ok(self.newest(ServedBy::Leader))
    }

    /// The schema of a tenant as this node shows it now, if it has one. It may be older than others that were acknowledged.
    pub fn schema_shown(&self, tenant: &TenantId) -> Option<Schema> {
        self.newest(ServedBy::Nothing).schema(tenant).cloned()
    }

    fn newest(&self, by: ServedBy) -> Served {
        let view = Arc::clone(&self.reader.view());
        Served { token: view.revision, view, by, counted: None, then: None, age: None }
    }

    /// Notes when the copy was known to hold everything acknowledged. Proofs may end in another order than they began, and
    /// what one has proved another does not undo.
    fn was_fresh(&self, asked: Reading) {
        let now = self.clock.read();
        self.last_fresh.send_if_modified(|known| {
            // A clock that went backwards since has nothing to say about what it said before.
            let is_older = known.eager_since(&asked).is_some() && now.eager_since(known).is_some();
            if !is_older {
                *known = asked;
            }
            !is_older
        });
    }

    pub(crate) fn check_group(&self, token: Token) -> Result<Revision, ViewError> {
        let own = self.group_id();
        if token.group == own { Ok(token.revision) } else { Err(ViewError::OtherGroup { given: token.group, own }) }
    }
}
