use portcullis_model::{NodeId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Uses up a node id: a node that was removed or lost its disk never comes back under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireNode {
    /// The id.
    pub node: NodeId,
}

impl RetireNode {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        if context.state.is_retired(self.node)? {
            return Err(Refusal::NodeRetired(self.node).into());
        }
        Ok((Outcome::Done, vec![Effect::RetireNode(self.node)]))
    }
}
