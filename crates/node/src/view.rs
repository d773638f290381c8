//! At which version a read may be served: the one place that decides it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::ReadError;
use portcullis_model::{GroupId, Revision, Token};
use portcullis_storage::state::View;
use tokio::time::Instant;

use crate::node::Node;

/// How fresh the answer to a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As everything that was acknowledged anywhere before the read began.
    Linearizable,
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
    /// How long ago it was known to hold everything acknowledged; only where less than that was asked for.
    pub age: Option<Duration>,
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
            Freshness::Linearizable => {
                let asked = self.clock.read();
                self.group.wait_fresh(deadline).await?;
                self.last_fresh.send_replace(asked);
                Ok(self.newest(None))
            }
            Freshness::AtLeast(token) => {
                let revision = self.check_group(token)?;
                self.group.wait_published(revision.0, deadline).await?;
                Ok(self.newest(None))
            }
            Freshness::Exactly(token) => {
                let revision = self.check_group(token)?;
                self.group.wait_published(revision.0, deadline).await?;
                let view = self.reader.view_at(revision).map_err(|error| {
                    tracing::error!(%error, "an earlier version cannot be made again");
                    ViewError::Failed
                })?;
                let not_retained = ViewError::NotRetained { asked: revision, oldest_known: self.visible() };
                Ok(Served { view: view.ok_or(not_retained)?, age: None })
            }
            Freshness::MinimizeLatency => {
                let last_fresh = *self.last_fresh.borrow();
                // A clock that went backwards proves nothing about the age.
                let age = self.clock.read().eager_since(&last_fresh).unwrap_or(Duration::MAX);
                Ok(self.newest(Some(age)))
            }
        }
    }

    fn newest(&self, age: Option<Duration>) -> Served {
        Served { view: Arc::clone(&self.reader.view()), age }
    }

    fn check_group(&self, token: Token) -> Result<Revision, ViewError> {
        let own = self.group_id();
        if token.group == own { Ok(token.revision) } else { Err(ViewError::OtherGroup { given: token.group, own }) }
    }
}
