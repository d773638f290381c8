use portcullis_model::{JoinTokenId, NodeId, TenantId};
use serde::{Deserialize, Serialize};

use super::{AdmitNode, Context, Decided, Stop};
use crate::{Effect, Footprint, Refusal, State};

/// Lets a node in, once, that knows the secret of a join token. The token is used up by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitByToken {
    /// The id of the node.
    pub node: NodeId,
    /// The id of the token.
    pub token: JoinTokenId,
    /// SHA-256 of the secret that the node gave.
    pub proof: [u8; 32],
    /// SHA-256 of the public key that the node is given a certificate for. It is part of the request, so that nobody else is
    /// given one who repeats the request.
    pub applicant: [u8; 32],
}

impl AdmitByToken {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut trust = context.state.trust()?;
        // Who does not know the secret is not told whether there is such a token.
        let known = trust.join_tokens.get_mut(&self.token).filter(|token| token.proof == self.proof);
        let token = known.ok_or_else(|| Refusal::JoinTokenMissing(self.token.clone()))?;
        if let Some(node) = token.used_by {
            return Err(Refusal::JoinTokenUsed { id: self.token.clone(), node }.into());
        }
        if token.expires <= context.clock.latest() {
            return Err(Refusal::JoinTokenExpired { id: self.token.clone(), expires: token.expires }.into());
        }
        token.used_by = Some(self.node);
        let (outcome, mut effects) = AdmitNode { node: self.node }.admit(context)?;
        effects.push(Effect::Trust(Box::new(trust)));
        Ok((outcome, effects))
    }
}
