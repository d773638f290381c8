//! Certificates: who signs those of nodes, what a node holds, and how connections between nodes prove who is at their ends.
//!
//! A cluster has an [authority](authority). Its private key is part of the replicated state, sealed by the
//! [cluster key](ClusterKey), which is not: each node keeps that beside its data and hands it to nodes that are let in. So
//! a copy of the state alone signs nothing, and every node can renew its own certificate without asking another.
//!
//! A certificate says who a node is, and no more than that: whether the node was removed since is asked of the state, so the
//! certificate of a node that was removed is worth nothing from then on.

pub mod authority;
pub mod tls;

mod cluster_key;
mod join_token;
mod node_name;
mod papers;

pub use cluster_key::{ClusterKey, OpenError};
pub use join_token::{JoinSecret, JoinSecretError};
pub use node_name::{NodeName, NodeNameError};
pub use papers::{Applicant, Papers, PapersError, pem};
