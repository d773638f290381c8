//! How read leases are granted, between the wire and the machine.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_lease::{Configuration, Roster};
use portcullis_machine::command::ConfigureLeases;
use portcullis_wire::{FieldError, v1};

/// What a caller wants changed.
pub(crate) fn change(request: &v1::SetLeaseConfigRequest) -> Result<ConfigureLeases, FieldError> {
    Ok(ConfigureLeases {
        length: time("length", request.length)?,
        renewal: time("renewal", request.renewal)?,
        lag: time("lag", request.lag)?,
        drift_ppm: request.drift_ppm,
        roster: request.roster.as_ref().map(roster).transpose()?,
    })
}

/// What there is.
pub(crate) fn wire(configuration: &Configuration) -> v1::LeaseConfig {
    let parameters = configuration.parameters();
    let time = |time: Duration| portcullis_wire::Duration::try_from(time).ok();
    let (all, nodes) = match configuration.roster() {
        Roster::Everyone => (true, Vec::new()),
        Roster::Only(nodes) => (false, nodes.iter().copied().collect()),
    };
    v1::LeaseConfig {
        length: time(parameters.length()),
        renewal: time(parameters.renewal()),
        lag: time(parameters.lag()),
        drift_ppm: parameters.drift().ppm(),
        roster: Some(v1::LeaseRoster { all, nodes }),
        changed_at: configuration.changed_at(),
        settled: configuration.settles_after().is_none(),
    }
}

fn time(name: &str, given: Option<portcullis_wire::Duration>) -> Result<Option<Duration>, FieldError> {
    let parse = |given: portcullis_wire::Duration| {
        let problem =
            format!("{} s {} ns is not a duration: give one that is not negative", given.seconds, given.nanos);
        Duration::try_from(given).map_err(|_| FieldError::new(name, problem))
    };
    given.map(parse).transpose()
}

fn roster(roster: &v1::LeaseRoster) -> Result<Roster, FieldError> {
    let nodes: BTreeSet<u64> = roster.nodes.iter().copied().collect();
    match (roster.all, nodes.is_empty()) {
        (true, true) => Ok(Roster::Everyone),
        (false, _) => Ok(Roster::Only(nodes)),
        (true, false) => Err(FieldError::new("roster", "it is either all members or some nodes: give one of them")),
    }
}
