//! What nodes tell each other about leases. Notes need no answer, may be lost, and may come in any order.

use portcullis_lease::{Epoch, Grant, Refusal, Registered, Release, Request, Stored};
use serde::{Deserialize, Serialize};

use super::direct::{Direct, Ticket};

/// One note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Note {
    /// To the leader: grant me a lease.
    Request(Request),
    /// To a holder: granted.
    Granted(Grant),
    /// To a holder: not granted.
    Refused {
        /// Of the leader.
        epoch: Epoch,
        /// Why.
        refusal: Refusal,
        /// The highest index declared visible.
        visible: u64,
    },
    /// To the leader: what is in my log up to here counts in my answers.
    Registered(Registered),
    /// To everybody: up to here everything is visible.
    Visible {
        /// Of the leader.
        epoch: Epoch,
        /// The highest index declared visible.
        visible: u64,
    },
    /// To the leader: I hold no lease any more.
    Release(Release),
    /// To the leader: I hold no lease of an epoch before this one, and my vote on disk is no lower.
    Dropped {
        /// Of the leader.
        epoch: Epoch,
        /// Who says so.
        node: u64,
    },
    /// To everybody: for a while, tell me too what you register.
    Watch {
        /// Who asks.
        node: u64,
    },
    /// To the node that took a write: it is in the log.
    Direct(Box<Direct>),
    /// To the node that took the write of this ticket: it is committed.
    Committed(Ticket),
    /// To those who watch: what is on my disk.
    Stored(Stored),
}

impl Note {
    /// The node that the note says it is from, for those that come from holders and voters.
    pub(crate) fn holder(&self) -> Option<u64> {
        match self {
            Self::Request(request) => Some(request.node),
            Self::Registered(registered) => Some(registered.node),
            Self::Release(release) => Some(release.node),
            Self::Dropped { node, .. } | Self::Watch { node } => Some(*node),
            Self::Stored(stored) => Some(stored.node),
            Self::Granted(_) | Self::Refused { .. } | Self::Visible { .. } | Self::Direct(_) | Self::Committed(_) => {
                None
            }
        }
    }
}
