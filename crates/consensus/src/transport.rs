//! How bytes reach other nodes: implemented by whoever owns the sockets.

use std::time::Duration;

use futures::future::BoxFuture;
use portcullis_model::NodeId;

/// Why a call got no answer. Whether the other node acted on it is unknown, but for [`TransportError::Refused`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The node cannot be reached.
    #[error("node {to} at `{address}` cannot be reached: {why}")]
    Unreachable {
        /// Who.
        to: NodeId,
        /// Where.
        address: String,
        /// What the network said.
        why: String,
    },
    /// The node did not answer in time.
    #[error("node {to} did not answer within {waited:?}")]
    TimedOut {
        /// Who.
        to: NodeId,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The node answered that it will not serve the call; it did nothing.
    #[error("node {to} refuses the call: {why}")]
    Refused {
        /// Who.
        to: NodeId,
        /// What it said.
        why: String,
    },
}

/// Calls to other nodes of the group.
pub trait Transport: Send + Sync + 'static {
    /// Sends a message and waits for its answer, at most `timeout`.
    fn call(
        &self,
        to: NodeId,
        address: &str,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, TransportError>>;

    /// Sends a note, which has no answer, behind those that were sent to the node before. Returns at once; the note may be
    /// lost, or arrive late.
    fn send(&self, to: NodeId, address: &str, note: Vec<u8>);
}
