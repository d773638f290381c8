use portcullis_model::{Authority, TenantId, limit};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Has another authority sign the certificates of nodes. The one before counts until it is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallAuthority {
    /// The authority, made by the node that was asked.
    pub authority: Authority,
}

impl InstallAuthority {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut trust = context.state.trust()?;
        let fingerprint = self.authority.fingerprint;
        if trust.authorities.iter().any(|known| known.fingerprint == fingerprint) {
            return Err(Refusal::AuthorityExists(fingerprint).into());
        }
        if let (true, Some(oldest)) = (trust.authorities.len() >= limit::AUTHORITIES_MAX, trust.authorities.first()) {
            return Err(Refusal::AuthoritiesFull { oldest: oldest.fingerprint }.into());
        }
        trust.authorities.push(self.authority.clone());
        Ok((Outcome::Done, vec![Effect::Trust(Box::new(trust))]))
    }
}
