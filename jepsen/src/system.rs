//! What the workload `revocation` asks of a system: ours, or another.
//!
//! The judges know nothing of the system, so another one is judged by the same rules, from the same kind of history.

pub mod portcullis;
pub mod spicedb;

use futures::future::BoxFuture;

use crate::history::{Action, Outcome};
use crate::workload::revocation::Access;

/// How to reach the nodes of a system.
pub trait System: Send + Sync {
    /// The nodes, by their numbers.
    fn nodes(&self) -> Vec<u64>;

    /// Connections to a node.
    fn connect(&self, node: u64) -> anyhow::Result<Lines>;
}

/// Connections to one node, by how long calls may take.
pub struct Lines {
    /// The node.
    pub node: u64,
    /// For checks.
    pub check: Box<dyn Line>,
    /// For writes.
    pub write: Box<dyn Line>,
    /// For writes of hasty clients.
    pub hasty: Box<dyn Line>,
    /// For final reads.
    pub last: Box<dyn Line>,
}

/// A connection to one node.
pub trait Line: Send + Sync {
    /// Makes what all accesses share.
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Makes what has to be there before an access can be given, without giving it. What could not be prepared cannot be
    /// given, and then it must not be allowed either, so nobody is told whether it could.
    fn prepare(&self, access: Access) -> BoxFuture<'_, ()>;

    /// Gives or takes an access away.
    fn change(&self, access: Access, change: Change) -> BoxFuture<'_, Outcome>;

    /// Asks whether an access is given.
    fn check(&self, access: Access) -> BoxFuture<'_, Outcome>;
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gives.
    Grant,
    /// It takes away.
    Revoke,
}

impl Change {
    /// As the history has it.
    pub fn action(self) -> Action {
        match self {
            Self::Grant => Action::Grant,
            Self::Revoke => Action::Revoke,
        }
    }
}
