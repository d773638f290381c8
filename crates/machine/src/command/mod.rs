//! The commands, one file each.

use portcullis_model::{Actor, Clock, Reason, Revision, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Effect, Footprint, Outcome, Refusal, State, Unreadable};

mod admit_by_token;
mod admit_node;
mod annotated;
mod compact_history;
mod configure_leases;
mod create_grant;
mod create_join_token;
mod create_role;
mod create_tenant;
mod delete_relationships;
mod delete_role;
mod delete_tenant;
mod delete_tuples;
mod drop_authority;
mod expire_grants;
mod expire_relationships;
mod inheritance;
mod initialise;
mod install_authority;
mod raise_version;
mod retire_node;
mod revoke_by_filter;
mod revoke_grants;
mod revoke_join_token;
mod schemaless;
mod settle_leases;
mod start_grants;
mod typed;
mod update_role;
mod write_relationships;
mod write_schema;

pub use admit_by_token::AdmitByToken;
pub use admit_node::AdmitNode;
pub use annotated::Annotated;
pub use compact_history::CompactHistory;
pub use configure_leases::ConfigureLeases;
pub use create_grant::{CreateGrant, End};
pub use create_join_token::CreateJoinToken;
pub use create_role::CreateRole;
pub use create_tenant::CreateTenant;
pub use delete_relationships::DeleteRelationships;
pub use delete_role::DeleteRole;
pub use delete_tenant::DeleteTenant;
pub use delete_tuples::DeleteTuples;
pub use drop_authority::DropAuthority;
pub use expire_grants::{DueEnd, ExpireGrants};
pub use expire_relationships::{DueRelationship, ExpireRelationships};
pub use initialise::Initialise;
pub use install_authority::InstallAuthority;
pub use raise_version::RaiseVersion;
pub use retire_node::RetireNode;
pub use revoke_by_filter::RevokeByFilter;
pub use revoke_grants::RevokeGrants;
pub use revoke_join_token::RevokeJoinToken;
pub use settle_leases::SettleLeases;
pub use start_grants::{DueStart, StartGrants};
pub use typed::check_tuple;
pub use update_role::UpdateRole;
pub use write_relationships::{Update, WriteRelationships};
pub use write_schema::WriteSchema;

/// Something to do to the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Gives the cluster its identity and makes its built-in tenants.
    Initialise(Initialise),
    /// Raises the active version.
    RaiseVersion(RaiseVersion),
    /// Lets a node in, once.
    AdmitNode(AdmitNode),
    /// Uses up a node id.
    RetireNode(RetireNode),
    /// Makes a tenant.
    CreateTenant(CreateTenant),
    /// Deletes a tenant and what is in it.
    DeleteTenant(DeleteTenant),
    /// Makes a role.
    CreateRole(CreateRole),
    /// Changes a role, and with it every grant of it.
    UpdateRole(UpdateRole),
    /// Deletes a role that nothing uses.
    DeleteRole(DeleteRole),
    /// Grants a role to a subject on a scope.
    CreateGrant(Box<CreateGrant>),
    /// Revokes grants by their ids.
    RevokeGrants(RevokeGrants),
    /// Revokes every live grant that matches.
    RevokeByFilter(RevokeByFilter),
    /// Lets grants begin whose start has come.
    StartGrants(StartGrants),
    /// Ends grants whose end has come.
    ExpireGrants(ExpireGrants),
    /// Creates, touches and deletes relationships.
    WriteRelationships(WriteRelationships),
    /// Deletes every relationship that matches.
    DeleteRelationships(DeleteRelationships),
    /// Changes how leases are granted, and to whom.
    ConfigureLeases(ConfigureLeases),
    /// Says that no lease is left of what was configured before.
    SettleLeases(SettleLeases),
    /// Lets go of history that is too old.
    CompactHistory(CompactHistory),
    /// Gives a tenant a schema.
    WriteSchema(WriteSchema),
    /// Deletes relationships whose end has come.
    ExpireRelationships(ExpireRelationships),
    /// Deletes relationships that match, all or some.
    DeleteTuples(DeleteTuples),
    /// Does what another command does, and says something besides.
    Annotated(Annotated),
    /// Has another authority sign the certificates of nodes.
    InstallAuthority(InstallAuthority),
    /// Has the signatures of an authority count no more.
    DropAuthority(DropAuthority),
    /// Makes a token that lets one node in.
    CreateJoinToken(CreateJoinToken),
    /// Has a token let nobody in any more.
    RevokeJoinToken(RevokeJoinToken),
    /// Lets a node in, once, by a token.
    AdmitByToken(AdmitByToken),
}

/// What a command decides with.
pub(crate) struct Context<'a, S> {
    pub(crate) state: &'a S,
    /// Of the command: which rules it meets.
    pub(crate) version: u32,
    pub(crate) tenant: &'a TenantId,
    pub(crate) actor: &'a Actor,
    pub(crate) reason: Option<&'a Reason>,
    pub(crate) revision: Revision,
    pub(crate) clock: Clock,
}

/// What a command decided.
pub(crate) type Decided = (Outcome, Vec<Effect>);

/// Why a command decided nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Unreadable(Unreadable),
}

impl From<Unreadable> for Stop {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Runs `$body` on whichever command `$self` holds.
macro_rules! each {
    ($self:expr, $command:ident => $body:expr) => {
        match $self {
            Command::Initialise($command) => $body,
            Command::RaiseVersion($command) => $body,
            Command::AdmitNode($command) => $body,
            Command::RetireNode($command) => $body,
            Command::CreateTenant($command) => $body,
            Command::DeleteTenant($command) => $body,
            Command::CreateRole($command) => $body,
            Command::UpdateRole($command) => $body,
            Command::DeleteRole($command) => $body,
            Command::CreateGrant($command) => $body,
            Command::RevokeGrants($command) => $body,
            Command::RevokeByFilter($command) => $body,
            Command::StartGrants($command) => $body,
            Command::ExpireGrants($command) => $body,
            Command::WriteRelationships($command) => $body,
            Command::DeleteRelationships($command) => $body,
            Command::ConfigureLeases($command) => $body,
            Command::SettleLeases($command) => $body,
            Command::CompactHistory($command) => $body,
            Command::WriteSchema($command) => $body,
            Command::ExpireRelationships($command) => $body,
            Command::DeleteTuples($command) => $body,
            Command::Annotated($command) => $body,
            Command::InstallAuthority($command) => $body,
            Command::DropAuthority($command) => $body,
            Command::CreateJoinToken($command) => $body,
            Command::RevokeJoinToken($command) => $body,
            Command::AdmitByToken($command) => $body,
        }
    };
}

impl Command {
    /// What the command may touch when it is carried out for `tenant`, whatever state it meets.
    pub fn footprint(&self, tenant: &TenantId) -> Footprint {
        each!(self, command => command.footprint(tenant))
    }

    pub(crate) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        each!(self, command => command.decide(context))
    }

    /// Whether the command is about the cluster and its tenants, or given by the cluster itself.
    pub(crate) fn is_of_system(&self) -> bool {
        match self {
            Self::Initialise(_)
            | Self::RaiseVersion(_)
            | Self::AdmitNode(_)
            | Self::RetireNode(_)
            | Self::CreateTenant(_)
            | Self::DeleteTenant(_)
            | Self::StartGrants(_)
            | Self::ExpireGrants(_)
            | Self::ConfigureLeases(_)
            | Self::SettleLeases(_)
            | Self::CompactHistory(_)
            | Self::ExpireRelationships(_)
            | Self::InstallAuthority(_)
            | Self::DropAuthority(_)
            | Self::CreateJoinToken(_)
            | Self::RevokeJoinToken(_)
            | Self::AdmitByToken(_) => true,
            Self::CreateRole(_)
            | Self::UpdateRole(_)
            | Self::DeleteRole(_)
            | Self::CreateGrant(_)
            | Self::RevokeGrants(_)
            | Self::RevokeByFilter(_)
            | Self::WriteRelationships(_)
            | Self::DeleteRelationships(_)
            | Self::DeleteTuples(_)
            | Self::WriteSchema(_) => false,
            Self::Annotated(annotated) => annotated.command.is_of_system(),
        }
    }

    /// Refuses what may take something away by adding to it. What takes away as such is not asked about.
    pub(crate) fn check_only_adds<S: State>(&self, state: &S, tenant: &TenantId) -> Result<(), Stop> {
        match self {
            Self::WriteRelationships(command) => command.check_only_adds(state, tenant),
            Self::Annotated(annotated) => annotated.command.check_only_adds(state, tenant),
            _ => Ok(()),
        }
    }

    /// Whether the command itself makes the tenant that it is given for.
    pub(crate) fn creates_its_tenant(&self) -> bool {
        matches!(self, Self::Initialise(_))
    }
}
