//! The listeners of a node: gRPC for clients, gRPC for other nodes, HTTP for whoever watches it.
//!
//! A file per service. What a service does is parse, ask the node, and say what came of it; it decides nothing.

mod authorities;
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
mod join_tokens;
mod lease_config;
mod listen;
mod lookup;
mod meter;
mod peer;
mod reading;
mod ready;
mod relationships;
pub mod renew;
mod roles;
mod schemas;
mod tenants;
mod tls;
mod transport;
mod watch;

pub use connection::{Connection, Dial};
pub use listen::{ListenError, Listeners, Running, Serving, check_insecure, serve_peers};
pub use transport::GrpcTransport;
