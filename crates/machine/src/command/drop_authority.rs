use portcullis_model::{Fingerprint, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Has the signatures of an authority count no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropAuthority {
    /// Which.
    pub fingerprint: Fingerprint,
}

impl DropAuthority {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let mut trust = context.state.trust()?;
        let is_meant = |authority: &portcullis_model::Authority| authority.fingerprint == self.fingerprint;
        match trust.authorities.iter().position(is_meant) {
            None => return Err(Refusal::AuthorityMissing(self.fingerprint).into()),
            // Without it nobody could be given a certificate that counts.
            Some(nth) if nth + 1 == trust.authorities.len() => {
                return Err(Refusal::AuthoritySigns(self.fingerprint).into());
            }
            Some(nth) => trust.authorities.remove(nth),
        };
        Ok((Outcome::Done, vec![Effect::Trust(Box::new(trust))]))
    }
}
