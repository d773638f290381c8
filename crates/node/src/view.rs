//! At which version a read may be served: the one place that decides it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::{Counted, ReadError};
use portcullis_model::{GroupId, Revision, Token};
use portcullis_storage::state::View;
use tokio::time::Instant;

use crate::node::Node;

/// How fresh the answer to a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As everything that was acknowledged anywhere before the read began.
    Linearizable,
    /// The same, and a decision that is being changed at this very moment is no at once.
    FailClosed,
    /// At least as fresh as a token.
    AtLeast(Token),
    /// Exactly at a token, while its version is retained.
    Exactly(Token),
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
    /// How long ago it was known to hold everything acknowledged; only where less than that was asked for.
    pub age: Option<Duration>,
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
    /// The version is no longer retained.
    #[error("revision {asked} is not retained at this node: it has {oldest_known} and what came shortly before")]
    NotRetained {
        /// The revision asked for.
        asked: Revision,
        /// The newest that it has.
        oldest_known: Revision,
    },
    /// This node cannot read its state.
    #[error("this node cannot read its state: ask another node")]
    Failed,
}

impl Node {
    /// Decides at which version a read may be served, waiting for it until `deadline`.
    ///
    /// Every read of every kind goes through here. Nothing that is not published is ever served.
    pub async fn view(&self, freshness: Freshness, deadline: Instant) -> Result<Served, ViewError> {
        match freshness {
            Freshness::Linearizable | Freshness::FailClosed => loop {
                let Ok((began, _)) = self.group.begin_read() else { return self.view_without_lease(deadline).await };
                let asked = self.clock.read();
                if self.group.wait_registered(&began, deadline).await?.is_some() {
                    self.last_fresh.send_replace(asked);
                    return Ok(self.newest(ServedBy::Lease));
                }
            },
            Freshness::AtLeast(token) => {
                let revision = self.check_group(token)?;
                self.group.wait_published(revision.0, deadline).await?;
                Ok(self.newest(ServedBy::Nothing))
            }
            Freshness::Exactly(token) => {
                let revision = self.check_group(token)?;
                self.group.wait_published(revision.0, deadline).await?;
                let view = self.reader.view_at(revision).map_err(|error| {
                    tracing::error!(%error, "an earlier version cannot be made again");
                    ViewError::Failed
                })?;
                let not_retained = ViewError::NotRetained { asked: revision, oldest_known: self.visible() };
                let view = view.ok_or(not_retained)?;
                Ok(Served { view, token: revision, by: ServedBy::Nothing, counted: None, age: None })
            }
            Freshness::MinimizeLatency => {
                let last_fresh = *self.last_fresh.borrow();
                // A clock that went backwards proves nothing about the age.
                let age = self.clock.read().eager_since(&last_fresh).unwrap_or(Duration::MAX);
                Ok(Served { age: Some(age), ..self.newest(ServedBy::Nothing) })
            }
        }
    }

    /// A version that the leader's word proves fresh, for a node that has no lease.
    pub(crate) async fn view_without_lease(&self, deadline: Instant) -> Result<Served, ViewError> {
        let asked = self.clock.read();
        self.group.wait_fresh(deadline).await?;
        self.last_fresh.send_replace(asked);
        Ok(self.newest(ServedBy::Leader))
    }

    fn newest(&self, by: ServedBy) -> Served {
        let view = Arc::clone(&self.reader.view());
        Served { token: view.revision, view, by, counted: None, age: None }
    }

    fn check_group(&self, token: Token) -> Result<Revision, ViewError> {
        let own = self.group_id();
        if token.group == own { Ok(token.revision) } else { Err(ViewError::OtherGroup { given: token.group, own }) }
    }
}
