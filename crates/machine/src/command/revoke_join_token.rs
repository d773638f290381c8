use portcullis_model::{JoinTokenId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Has a token let nobody in any more. A node that it has let in stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeJoinToken {
    /// Which.
    pub id: JoinTokenId,
}

impl RevokeJoinToken {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut trust = context.state.trust()?;
        if trust.join_tokens.remove(&self.id).is_none() {
            return Err(Refusal::JoinTokenMissing(self.id.clone()).into());
        }
        Ok((Outcome::Done, vec![Effect::Trust(Box::new(trust))]))
    }
}
