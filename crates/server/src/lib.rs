//! The listeners of a node: gRPC for clients, gRPC for other nodes, HTTP for whoever watches it.
//!
//! A file per service. What a service does is parse, ask the node, and say what came of it; it decides nothing.

mod authorization;
mod authzed;
mod bulk;
mod call;
mod cluster;
mod connection;
mod emission;
pub mod empty;
mod error;
mod grants;
mod http;
mod identity;
mod lease_config;
mod listen;
mod lookup;
mod meter;
mod peer;
mod reading;
mod ready;
mod relationships;
mod roles;
mod schemas;
mod tenants;
mod transport;
mod watch;

pub use connection::{Connection, Dial};
pub use listen::{ListenError, Listeners, Running, check_insecure, serve_peers};
pub use transport::GrpcTransport;
