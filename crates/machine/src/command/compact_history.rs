use portcullis_model::{Revision, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Lets go of history: what was replaced at `floor` or before can no longer be read. Proposed by the leader, for the tenant
/// `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactHistory {
    /// The oldest revision that can still be read.
    pub floor: Revision,
}

impl CompactHistory {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let (asked, floor) = (self.floor, context.state.history_floor()?);
        if asked <= floor || asked >= context.revision {
            return Err(Refusal::HistoryFloorOutOfRange { asked, floor, revision: context.revision }.into());
        }
        Ok((Outcome::Done, vec![Effect::HistoryFloor(asked)]))
    }
}
