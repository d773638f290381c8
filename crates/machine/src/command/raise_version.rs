use portcullis_model::TenantId;
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Raises the active version, once every member of the cluster reports that it can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseVersion {
    /// The version that gates commands from here on.
    pub version: u32,
}

impl RaiseVersion {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let active = context.state.active_version()?;
        if self.version <= active {
            return Err(Refusal::VersionNotAbove { asked: self.version, active }.into());
        }
        Ok((Outcome::Done, vec![Effect::ActiveVersion(self.version)]))
    }
}
