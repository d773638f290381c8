use portcullis_model::TenantId;
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Says that no lease is left of what was configured before. The leader proposes it once it has waited for as long as
/// they last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleLeases {
    /// The entry that brought the configuration which it waited for: another may have come meanwhile.
    pub changed_at: u64,
}

impl SettleLeases {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let leases = context.state.leases()?;
        if leases.changed_at() != self.changed_at {
            return Err(Refusal::LeasesChanged { waited_for: self.changed_at, changed_at: leases.changed_at() }.into());
        }
        let settled = Box::new(leases.settled());
        Ok((Outcome::Leases(settled.clone()), vec![Effect::Leases(settled)]))
    }
}
