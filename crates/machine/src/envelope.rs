//! What travels through the log around every command.

use portcullis_model::{Actor, Clock, IdempotencyKey, Reason, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Command, Precondition};

/// The newest version of commands, records and rules that this build carries out.
pub const VERSION_SUPPORTED: u32 = 4;

/// The version with which each thing came that was not there from the beginning. A command of an older version meets the
/// rules of that version, so that nodes of both builds decide alike.
pub mod since {
    /// Commands about the cluster and its tenants are carried out for the tenant `system` alone.
    pub const SYSTEM_ONLY: u32 = 2;
    /// History is compacted, by [`CompactHistory`](crate::command::CompactHistory).
    pub const HISTORY_COMPACTION: u32 = 2;
    /// The depth of inheritance is measured from the roles above a role that changes, too.
    pub const INHERITANCE_UPWARDS: u32 = 2;
    /// Tenants have schemas, and relationships may hold under something.
    pub const SCHEMAS: u32 = 2;
    /// Relationships are deleted, and expected, by filters that can say more; and writes carry metadata.
    pub const TUPLE_FILTERS: u32 = 3;
    /// Nodes prove to each other who they are, and are let in by tokens.
    pub const TRUST: u32 = 4;
}

/// A command, who gives it and why, and everything about the moment that the leader decided for all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The cluster's active version when the leader stamped the command.
    pub version: u32,
    /// The world that the command is about.
    pub tenant: TenantId,
    /// Who gives it.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// How a retry of the same call is recognised.
    pub idempotency: Option<Idempotency>,
    /// What has to hold for the command to be carried out.
    pub preconditions: Vec<Precondition>,
    /// The leader's wall clock and the bound on its error.
    pub stamp: Stamp,
    /// Random bytes from the leader, from which the commitments of personal fields are salted.
    pub salt: [u8; 16],
    /// What to do.
    pub command: Command,
}

/// The leader's clock, in the form that the log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970-01-01 UTC.
    pub reading_ms: i64,
    /// The most that the reading may be wrong, in milliseconds.
    pub error_ms: u64,
}

/// The name that a caller gave to a write, and a digest of what was asked under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The name.
    pub key: IdempotencyKey,
    /// SHA-256 of the request as the caller sent it, before anything was stamped into it.
    pub digest: [u8; 32],
}

impl From<Clock> for Stamp {
    fn from(clock: Clock) -> Self {
        Self { reading_ms: clock.reading.0, error_ms: clock.error_ms }
    }
}

impl From<Stamp> for Clock {
    fn from(stamp: Stamp) -> Self {
        Self { reading: portcullis_model::Timestamp(stamp.reading_ms), error_ms: stamp.error_ms }
    }
}
