//! The client library: many endpoints, safe retries, decisions that are never too old.
//!
//! A [`Client`] knows several nodes and asks the nearest that answers. It tries again, at another node and after a
//! jittered pause, whenever a node is unavailable, until the deadline of the call; writes carry an idempotency key, so
//! that trying again never does anything twice. A decision that took longer than `max_decision_age` to arrive,
//! measured from the moment its question was sent, is dropped.

mod age;
mod calls;
mod client;
mod endpoints;
mod error;
mod tls;
mod watch;

pub use calls::{Messages, STREAM_TIMEOUT};
pub use client::{Client, Options, OptionsError};
pub use error::{Error, Kind};
pub use portcullis_wire::v1;
pub use tls::{TlsError, Trust};
pub use watch::Watch;
