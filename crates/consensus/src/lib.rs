//! The only crate that names openraft: one replicated group, its membership, and the proof that a read is fresh.
//!
//! What the group decides is in `machine`, where it is kept is in `storage`, and how bytes reach other nodes is behind
//! [`Transport`]. This crate holds them together. Reads are never answered by openraft's own read index or leader
//! lease, both of which serve stale reads over a pipelined stream or after a restart; see [`read_index`].

pub mod clock;
mod confirm;
mod convert;
mod foresee;
mod gate;
mod group;
mod leases;
mod log_store;
mod membership;
mod network;
mod octets;
pub mod peer;
mod propose;
mod raft_read;
pub mod read_index;
mod snapshot;
mod state_machine;
mod status;
mod transport;
mod types;
mod watched;

pub use group::{AnswerError, Application, CallError, Group, Options, Parts, StartError, Timing};
pub use leases::{Awaited, Counted, LeaseCounts, LeaseStatus, Ticket, Unsettled, View};
pub use membership::MembershipError;
pub use propose::{Ack, Acked, ProposeError, Proposed};
pub use read_index::ReadError;
pub use status::{NodeRole, NodeStatus, Status};
pub use transport::{Transport, TransportError};
pub use types::{Peer, Reply};

#[cfg(test)]
mod tests;
