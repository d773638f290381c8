//! What a command changes.

use portcullis_lease::Configuration;
use portcullis_model::{
    ClusterId, Grant, IdempotencyKey, NodeId, Relationship, Revision, Role, RoleId, Subject, Tenant, TenantId,
    Timestamp, Trust, Tuple,
};
use serde::{Deserialize, Serialize};

use crate::{Outcome, Refusal};

/// One change of the state. A list of them is carried out in order and as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The cluster has an identity.
    Cluster(ClusterId),
    /// Another version gates commands from here on.
    ActiveVersion(u32),
    /// A node was let in.
    AdmitNode(NodeId),
    /// A node id is used up.
    RetireNode(NodeId),
    /// A tenant exists.
    PutTenant(Tenant),
    /// A tenant and everything in it is gone, but for its change records.
    DropTenant(TenantId),
    /// A role exists, or is another.
    PutRole {
        /// Whose.
        tenant: TenantId,
        /// The whole role.
        role: Role,
    },
    /// A role is gone.
    DeleteRole {
        /// Whose.
        tenant: TenantId,
        /// Which.
        role: RoleId,
    },
    /// A grant exists, or stands elsewhere. Grants stay after their end, as history.
    PutGrant {
        /// Whose.
        tenant: TenantId,
        /// The whole grant.
        grant: Box<Grant>,
    },
    /// A relationship exists.
    PutRelationship {
        /// Whose.
        tenant: TenantId,
        /// Which.
        relationship: Relationship,
    },
    /// A relationship is gone.
    DeleteRelationship {
        /// Whose.
        tenant: TenantId,
        /// Which.
        relationship: Relationship,
    },
    /// The outcome of this command is remembered under its idempotency key.
    Remember {
        /// Whose.
        tenant: TenantId,
        /// Who called.
        caller: Subject,
        /// The name of the call.
        key: IdempotencyKey,
        /// What is remembered.
        remembered: Box<Remembered>,
    },
    /// A remembered outcome is too old, or one too many.
    Forget {
        /// Whose.
        tenant: TenantId,
        /// Who called.
        caller: Subject,
        /// The name of the call.
        key: IdempotencyKey,
        /// Where it was remembered.
        revision: Revision,
    },
    /// Leases are granted otherwise.
    Leases(Box<Configuration>),
    /// History begins here: what was replaced at this revision or before is gone.
    HistoryFloor(Revision),
    /// A relationship exists, and holds under something.
    PutTuple {
        /// Whose.
        tenant: TenantId,
        /// What.
        tuple: Box<Tuple>,
    },
    /// The tenant has a schema, or another one.
    PutSchema {
        /// Whose.
        tenant: TenantId,
        /// What.
        schema: Box<StoredSchema>,
    },
    /// The cluster trusts others.
    Trust(Box<Trust>),
}

impl Effect {
    /// A relationship exists, and holds under what the tuple says.
    pub fn put(tenant: TenantId, tuple: Tuple) -> Self {
        if tuple.qualifier.is_none() {
            Self::PutRelationship { tenant, relationship: tuple.relationship }
        } else {
            Self::PutTuple { tenant, tuple: Box::new(tuple) }
        }
    }
}

/// A version of a tenant's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSchema {
    /// Its text, as it was written.
    pub text: String,
    /// Where it was written, which is its version.
    pub written: Revision,
}

/// The outcome of an earlier call, kept so that a retry is not carried out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// SHA-256 of the request.
    pub digest: [u8; 32],
    /// Where it was carried out or refused.
    pub revision: Revision,
    /// When, by the leader's clock.
    pub at: Timestamp,
    /// What came of it.
    pub result: Result<Outcome, Refusal>,
}
