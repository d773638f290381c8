//! Writes before the leader has stamped them.

use std::collections::BTreeSet;

use portcullis_consensus::Ack;
use portcullis_machine::command::{
    AdmitByToken, AdmitNode, Annotated, ConfigureLeases, CreateGrant, CreateJoinToken, CreateRole, CreateTenant,
    DeleteRelationships, DeleteRole, DeleteTenant, DeleteTuples, DropAuthority, End, Initialise, InstallAuthority,
    RaiseVersion, RetireNode, RevokeByFilter, RevokeGrants, RevokeJoinToken, SettleLeases, Update, UpdateRole,
    WriteRelationships, WriteSchema,
};
use portcullis_machine::{Command, Envelope, Idempotency, Precondition, Stamp, Target, since};
use portcullis_model::{
    Actor, Authority, Clock, ClusterId, Context, Fingerprint, GrantFilter, GrantId, IdempotencyKey, JoinTokenId,
    NodeId, Object, PermissionPattern, Reason, RelationshipFilter, RoleId, Subject, TenantId, Timestamp, TupleFilter,
    limit,
};
use portcullis_storage::codec;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A write as its caller asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The world.
    pub tenant: TenantId,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// The caller's name for the write.
    pub idempotency_key: Option<IdempotencyKey>,
    /// What has to hold.
    pub preconditions: Vec<Precondition>,
    /// When it is answered.
    pub ack: Ack,
    /// What to do.
    pub action: Action,
}

/// What to do. It becomes a [`Command`] once the leader has added what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Gives the cluster its identity, and lets in the node that does so.
    Initialise(ClusterId, NodeId),
    /// Lets a node in.
    AdmitNode(NodeId),
    /// Uses up a node id.
    RetireNode(NodeId),
    /// Raises the active version.
    RaiseVersion(u32),
    /// Makes a tenant.
    CreateTenant(TenantId),
    /// Deletes a tenant.
    DeleteTenant(TenantId),
    /// Makes a role.
    CreateRole {
        /// Its id.
        id: RoleId,
        /// The permissions that it names.
        permissions: BTreeSet<PermissionPattern>,
        /// The roles that it inherits.
        inherits: BTreeSet<RoleId>,
    },
    /// Changes a role.
    UpdateRole {
        /// Its id.
        id: RoleId,
        /// The permissions that it names from now on.
        permissions: BTreeSet<PermissionPattern>,
        /// The roles that it inherits from now on.
        inherits: BTreeSet<RoleId>,
    },
    /// Deletes a role.
    DeleteRole(RoleId),
    /// Grants a role.
    CreateGrant {
        /// Its id; `None` has the leader make one.
        id: Option<GrantId>,
        /// Who.
        subject: Subject,
        /// The role.
        role: RoleId,
        /// On what.
        scope: Object,
        /// From when.
        start: Option<Timestamp>,
        /// Until when.
        end: End,
    },
    /// Revokes grants.
    RevokeGrants(BTreeSet<GrantId>),
    /// Revokes the grants that match.
    RevokeByFilter(GrantFilter),
    /// Updates relationships.
    WriteRelationships(Vec<Update>),
    /// Deletes the relationships that match.
    DeleteRelationships(RelationshipFilter),
    /// Changes how leases are granted.
    ConfigureLeases(ConfigureLeases),
    /// Says that no lease is left of what was configured before.
    SettleLeases {
        /// The entry that brought the configuration which was waited for.
        changed_at: u64,
    },
    /// Gives the tenant a schema.
    WriteSchema(String),
    /// Deletes relationships that match.
    DeleteTuples(DeleteTuples),
    /// Does what another action does, and says something besides.
    Annotated(Context, Box<Action>),
    /// Has another authority sign the certificates of nodes.
    InstallAuthority(Box<Authority>),
    /// Has the signatures of an authority count no more.
    DropAuthority(Fingerprint),
    /// Makes a join token.
    CreateJoinToken(CreateJoinToken),
    /// Has a join token let nobody in any more.
    RevokeJoinToken(JoinTokenId),
    /// Lets a node in by a token.
    AdmitByToken(AdmitByToken),
}

/// Whether an action adds to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adds {
    /// It does nothing else: nobody is harmed where it is not visible yet.
    Only,
    /// It does, and may take something away as well.
    Also,
    /// It does not, or has to be carried out however little room there is.
    Not,
}

impl Draft {
    /// The command, with everything that the leader decides.
    pub(crate) fn stamp(self, version: u32, clock: Clock, salt: [u8; 16], new_id: [u8; 16]) -> Envelope {
        let digest = self.digest();
        let idempotency = self.idempotency_key.map(|key| Idempotency { key, digest });
        let mut preconditions = self.preconditions;
        if self.ack == Ack::Quorum && version >= since::SCHEMAS {
            // Whether an addition takes something away depends on the schema that it meets.
            preconditions.push(Precondition::OnlyAdds);
        }
        Envelope {
            version,
            tenant: self.tenant,
            actor: self.actor,
            reason: self.reason,
            idempotency,
            preconditions,
            stamp: Stamp::from(clock),
            salt,
            command: self.action.command(new_id),
        }
    }

    /// The version that the cluster has to have for it.
    pub(crate) fn since(&self) -> u32 {
        let is_qualified = |update: &Update| matches!(update, Update::CreateQualified(_) | Update::TouchQualified(_));
        let of_action = match &self.action {
            Action::WriteRelationships(updates) if updates.iter().any(is_qualified) => since::SCHEMAS,
            Action::WriteSchema(_) => since::SCHEMAS,
            Action::DeleteTuples(_) | Action::Annotated(..) => since::TUPLE_FILTERS,
            Action::InstallAuthority(_)
            | Action::DropAuthority(_)
            | Action::CreateJoinToken(_)
            | Action::RevokeJoinToken(_)
            | Action::AdmitByToken(_) => since::TRUST,
            _ => 1,
        };
        let is_of_tuples = |precondition: &Precondition| match precondition {
            Precondition::Exists(target) | Precondition::Missing(target) | Precondition::At(target, _) => {
                matches!(target, Target::Tuples(_))
            }
            Precondition::OnlyAdds => false,
        };
        let of_preconditions = if self.preconditions.iter().any(is_of_tuples) { since::TUPLE_FILTERS } else { 1 };
        of_action.max(of_preconditions)
    }

    /// What makes two requests the same: everything but the name of the call and who calls it, which are the key.
    fn digest(&self) -> [u8; 32] {
        let request = codec::encode(&(&self.actor.on_behalf_of, &self.reason, &self.preconditions, &self.action));
        Sha256::digest(request).into()
    }
}

impl Action {
    /// Deletes every relationship that matches, or nothing, in the form that the oldest nodes can read.
    pub fn delete(filter: TupleFilter) -> Self {
        match filter.simple() {
            Some(simple) => Self::DeleteRelationships(simple),
            None => Self::DeleteTuples(DeleteTuples { filter, most: limit::ENDED_BY_FILTER_MAX as u64, partly: false }),
        }
    }

    /// The same with something for those who watch.
    #[must_use]
    pub fn annotated(self, metadata: Context) -> Self {
        if metadata.is_empty() { self } else { Self::Annotated(metadata, Box::new(self)) }
    }

    /// Whether it adds to what is stored.
    pub(crate) fn adds(&self) -> Adds {
        match self {
            Self::CreateTenant(_) | Self::CreateRole { .. } | Self::CreateGrant { .. } => Adds::Only,
            Self::WriteRelationships(updates) => {
                // What is touched may have held under less.
                let may_remove = |update: &Update| matches!(update, Update::Delete(_) | Update::TouchQualified(_));
                let is_removal = |update: &Update| matches!(update, Update::Delete(_));
                match (updates.iter().any(may_remove), updates.iter().all(is_removal)) {
                    (false, _) => Adds::Only,
                    (true, false) => Adds::Also,
                    (true, true) => Adds::Not,
                }
            }
            // A schema may be written that allows less, or more.
            Self::WriteSchema(_) => Adds::Also,
            Self::Annotated(_, action) => action.adds(),
            // A role may be updated to hold less.
            Self::UpdateRole { .. }
            | Self::Initialise(..)
            | Self::AdmitNode(_)
            | Self::RetireNode(_)
            | Self::RaiseVersion(_)
            | Self::DeleteTenant(_)
            | Self::DeleteRole(_)
            | Self::RevokeGrants(_)
            | Self::RevokeByFilter(_)
            | Self::DeleteRelationships(_)
            | Self::DeleteTuples(_)
            | Self::ConfigureLeases(_)
            | Self::SettleLeases { .. }
            | Self::InstallAuthority(_)
            | Self::DropAuthority(_)
            | Self::CreateJoinToken(_)
            | Self::RevokeJoinToken(_)
            | Self::AdmitByToken(_) => Adds::Not,
        }
    }

    fn command(self, new_id: [u8; 16]) -> Command {
        match self {
            Self::Initialise(cluster, node) => Command::Initialise(Initialise { cluster, node }),
            Self::AdmitNode(node) => Command::AdmitNode(AdmitNode { node }),
            Self::RetireNode(node) => Command::RetireNode(RetireNode { node }),
            Self::RaiseVersion(version) => Command::RaiseVersion(RaiseVersion { version }),
            Self::CreateTenant(id) => Command::CreateTenant(CreateTenant { id }),
            Self::DeleteTenant(id) => Command::DeleteTenant(DeleteTenant { id }),
            Self::CreateRole { id, permissions, inherits } => {
                Command::CreateRole(CreateRole { id, permissions, inherits })
            }
            Self::UpdateRole { id, permissions, inherits } => {
                Command::UpdateRole(UpdateRole { id, permissions, inherits })
            }
            Self::DeleteRole(id) => Command::DeleteRole(DeleteRole { id }),
            Self::CreateGrant { id, subject, role, scope, start, end } => {
                let id = id.unwrap_or_else(|| grant_id(new_id));
                Command::CreateGrant(Box::new(CreateGrant { id, subject, role, scope, start, end }))
            }
            Self::RevokeGrants(ids) => Command::RevokeGrants(RevokeGrants { ids }),
            Self::RevokeByFilter(filter) => Command::RevokeByFilter(RevokeByFilter { filter }),
            Self::WriteRelationships(updates) => Command::WriteRelationships(WriteRelationships { updates }),
            Self::DeleteRelationships(filter) => Command::DeleteRelationships(DeleteRelationships { filter }),
            Self::ConfigureLeases(change) => Command::ConfigureLeases(change),
            Self::SettleLeases { changed_at } => Command::SettleLeases(SettleLeases { changed_at }),
            Self::WriteSchema(text) => Command::WriteSchema(WriteSchema { text }),
            Self::DeleteTuples(command) => Command::DeleteTuples(command),
            Self::Annotated(metadata, action) => {
                Command::Annotated(Annotated { metadata, command: Box::new(action.command(new_id)) })
            }
            Self::InstallAuthority(authority) => Command::InstallAuthority(InstallAuthority { authority: *authority }),
            Self::DropAuthority(fingerprint) => Command::DropAuthority(DropAuthority { fingerprint }),
            Self::CreateJoinToken(command) => Command::CreateJoinToken(command),
            Self::RevokeJoinToken(id) => Command::RevokeJoinToken(RevokeJoinToken { id }),
            Self::AdmitByToken(command) => Command::AdmitByToken(command),
        }
    }
}

/// A grant id from random bytes: `g-` and 32 hexadecimal digits.
fn grant_id(random: [u8; 16]) -> GrantId {
    let id = format!("g-{:032x}", u128::from_be_bytes(random));
    GrantId::new(&id).expect("INVARIANT: the id matches the grammar")
}

#[cfg(test)]
mod tests {
    use portcullis_model::Verified;

    use super::*;

    fn draft(key: &str, reason: &str) -> Draft {
        Draft {
            tenant: TenantId::default_tenant(),
            actor: Actor { caller: "user:admin".parse().unwrap(), on_behalf_of: None, verified: Verified::Assumed },
            reason: reason.parse().ok(),
            idempotency_key: key.parse().ok(),
            preconditions: Vec::new(),
            ack: Ack::Everywhere,
            action: Action::CreateGrant {
                id: None,
                subject: "user:alice".parse().unwrap(),
                role: "viewer".parse().unwrap(),
                scope: "folder:q3".parse().unwrap(),
                start: None,
                end: End::Never,
            },
        }
    }

    #[test]
    fn a_retry_is_the_same_request_whatever_the_leader_adds() {
        let clock = Clock { reading: Timestamp(5), error_ms: 1 };
        let first = draft("k", "audit").stamp(1, clock, [1; 16], [1; 16]);
        let retry = draft("k", "audit").stamp(1, clock, [2; 16], [2; 16]);
        assert_ne!(first.command, retry.command);
        assert_eq!(first.idempotency, retry.idempotency);
        let other = draft("k", "another reason").stamp(1, clock, [1; 16], [1; 16]);
        assert_ne!(first.idempotency, other.idempotency);
    }
}
