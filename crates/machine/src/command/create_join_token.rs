use portcullis_model::{JoinToken, JoinTokenId, TenantId, Timestamp, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Makes a token that lets one node in. Those that let nobody in any more are cleared away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// SHA-256 of its secret.
    pub proof: [u8; 32],
    /// From when on it lets nobody in.
    pub expires: Timestamp,
}

impl CreateJoinToken {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let (now, expires) = (context.clock.reading, self.expires);
        let latest = now.plus_ms(limit::JOIN_TOKEN_MS_MAX);
        if expires <= now || expires > latest {
            return Err(Refusal::JoinTokenExpiry { expires, now, latest }.into());
        }
        let mut trust = context.state.trust()?;
        if trust.join_tokens.contains_key(&self.id) {
            return Err(Refusal::JoinTokenExists(self.id.clone()).into());
        }
        // A used one is told apart from one that never was for as long as it would have counted.
        trust.join_tokens.retain(|_, token| token.expires > now);
        if trust.join_tokens.len() >= limit::JOIN_TOKENS_MAX {
            return Err(Refusal::JoinTokensFull { most: limit::JOIN_TOKENS_MAX as u64 }.into());
        }
        let token = JoinToken { proof: self.proof, expires: self.expires, used_by: None };
        trust.join_tokens.insert(self.id.clone(), token);
        Ok((Outcome::Done, vec![Effect::Trust(Box::new(trust))]))
    }
}
