use std::time::Duration;

use portcullis_lease::{Drift, Outlook, Parameters, ParametersError, Roster};
use portcullis_model::{NodeId, TenantId};
use serde::{Deserialize, Serialize};

use super::{Context, Decided, Stop};
use crate::{Effect, Footprint, Outcome, Refusal, State};

/// Changes how leases are granted, and to whom. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureLeases {
    /// How long a lease lasts.
    pub length: Option<Duration>,
    /// How often a holder asks for another.
    pub renewal: Option<Duration>,
    /// How long a holder may leave an entry unacknowledged.
    pub lag: Option<Duration>,
    /// How far clocks may drift apart, in parts per million.
    pub drift_ppm: Option<u32>,
    /// Who may hold leases.
    pub roster: Option<Roster>,
}

impl ConfigureLeases {
    #[expect(clippy::unused_self, reason = "every command has this method")]
    pub(super) fn footprint(&self, _tenant: &TenantId) -> Footprint {
        Footprint::default()
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        let before = context.state.leases()?;
        let parameters = self.parameters(before.parameters()).map_err(Refusal::LeaseParameters)?;
        let roster = self.roster.as_ref().unwrap_or(before.roster()).clone();
        if self.roster.is_some() {
            check(&roster, context)?;
        }
        if parameters == before.parameters() && roster == *before.roster() {
            return Ok((Outcome::Leases(Box::new(before)), Vec::new()));
        }
        let after = Box::new(before.changed(parameters, roster, context.revision.0));
        Ok((Outcome::Leases(after.clone()), vec![Effect::Leases(after)]))
    }

    /// What a leader has to reckon with that does not know whether the command was carried out.
    pub fn widen(&self, outlook: Outlook) -> Outlook {
        // What is out of range is refused.
        outlook.with_change(self.length, self.drift_ppm.and_then(|ppm| Drift::from_ppm(ppm).ok()))
    }

    fn parameters(&self, before: Parameters) -> Result<Parameters, ParametersError> {
        let drift = self.drift_ppm.map_or(Ok(before.drift()), Drift::from_ppm)?;
        let (length, renewal) = (self.length.unwrap_or(before.length()), self.renewal.unwrap_or(before.renewal()));
        Parameters::new(length, renewal, self.lag.unwrap_or(before.lag()), drift)
    }
}

/// Only nodes that were let in can hold leases.
fn check<S: State>(roster: &Roster, context: &Context<'_, S>) -> Result<(), Stop> {
    let Roster::Only(nodes) = roster else { return Ok(()) };
    if nodes.is_empty() {
        return Err(Refusal::RosterEmpty.into());
    }
    for node in nodes.iter().copied().map(NodeId) {
        if context.state.is_retired(node)? {
            return Err(Refusal::RosterNodeRetired(node).into());
        }
        if !context.state.is_admitted(node)? {
            return Err(Refusal::RosterNodeUnknown(node).into());
        }
    }
    Ok(())
}
