use portcullis_model::{NodeId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Lets a node in, once. A node that lost its disk has forgotten its votes, so it never comes back under the same id.
/// Only where nodes prove nothing to each other: else see [`AdmitByToken`](super::AdmitByToken).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitNode {
    /// The id.
    pub node: NodeId,
}

impl AdmitNode {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if !context.state.trust()?.authorities.is_empty() {
            return Err(Refusal::JoinTokenRequired(self.node).into());
        }
        self.admit(context)
    }

    pub(super) fn admit<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if context.state.is_retired(self.node)? {
            return Err(Refusal::NodeRetired(self.node).into());
        }
        if context.state.is_admitted(self.node)? {
            return Err(Refusal::NodeAdmitted(self.node).into());
        }
        Ok((Outcome::Done, vec![Effect::AdmitNode(self.node)]))
    }
}
