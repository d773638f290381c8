//! A cluster of real processes on loopback, for tests and for the demo.
//!
//! What is tested is the binary that users run, from outside: its flags, its exit status, its gRPC interface through
//! the client library. Nothing of a node is linked in, so nothing can be tested that a user could not do.
//!
//! INVARIANT: one cluster at a time. [`Cluster::start`] waits its turn, so that tests of one program never compete for
//! the machine. Ports are free ones, data lies in a temporary folder, and only processes that were started here are
//! signalled. When a test fails, the logs of its nodes are printed.

pub mod binary;
pub mod cluster;
pub mod node;
mod ports;
mod proving;
pub mod requests;
pub mod wait;

pub use cluster::Cluster;
pub use node::Node;
