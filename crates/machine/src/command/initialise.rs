use portcullis_model::{ClusterId, NodeId, Tenant, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State, Touch};

/// Gives the cluster its identity and makes its built-in tenants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialise {
    /// The identity, made at random by the node that initialises.
    pub cluster: ClusterId,
    /// That node, which is let in by this.
    pub node: NodeId,
}

impl Initialise {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        let may_add = vec![Touch::Tenant(TenantId::default_tenant()), Touch::Tenant(TenantId::system())];
        Footprint { may_add, may_remove: Vec::new() }
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if context.state.cluster()?.is_some() {
            return Err(Refusal::AlreadyInitialised.into());
        }
        let tenant = |id| Effect::PutTenant(Tenant { id, created: context.revision });
        let effects = vec![
            Effect::Cluster(self.cluster),
            Effect::AdmitNode(self.node),
            tenant(TenantId::default_tenant()),
            tenant(TenantId::system()),
        ];
        Ok((Outcome::Done, effects))
    }
}
