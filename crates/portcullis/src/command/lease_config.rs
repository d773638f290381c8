//! `portcullis cluster lease-config`.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use portcullis_client::{Client, v1};

use super::write_options;
use crate::args::{Output, Write, duration};
use crate::output;

/// `portcullis cluster lease-config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it.
    Get,
    /// Change it; what is left out stays as it is.
    Set(Box<Set>),
}

/// `portcullis cluster lease-config set`.
#[derive(Args, Debug)]
#[group(required = true, multiple = true, args = ["length", "renewal", "lag", "drift_ppm", "roster"])]
pub(crate) struct Set {
    /// How long a lease lasts. The loss of a node, or of the leader, stops writes for about as long.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
    /// How often a node asks for another; at most half of the length.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    renewal: Option<Duration>,
    /// How long a node may leave an entry unacknowledged before it gets no more leases.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lag: Option<Duration>,
    /// How far the clocks of two machines may drift apart, in parts per million.
    #[arg(long, value_name = "PPM")]
    drift_ppm: Option<u32>,
    /// Which nodes may hold leases: `all`, or their ids.
    #[arg(long, value_name = "all|ID,…", value_parser = roster)]
    roster: Option<v1::LeaseRoster>,
    #[command(flatten)]
    write: Write,
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let config = match command {
        Command::Get => client.get_lease_config(v1::GetLeaseConfigRequest { consistency: None }).await?.config,
        Command::Set(set) => {
            let request = v1::SetLeaseConfigRequest {
                length: set.length.map(wire).transpose()?,
                renewal: set.renewal.map(wire).transpose()?,
                lag: set.lag.map(wire).transpose()?,
                drift_ppm: set.drift_ppm,
                roster: set.roster,
                options: Some(write_options(set.write)),
            };
            client.set_lease_config(request).await?.config
        }
    };
    output::one(output, &config.ok_or_else(|| anyhow!("the answer holds no configuration"))?, describe);
    Ok(())
}

fn wire(duration: Duration) -> anyhow::Result<portcullis_wire::Duration> {
    portcullis_wire::Duration::try_from(duration).map_err(|_| anyhow!("`{duration:?}` is too long"))
}

/// Parses `all`, or the ids of nodes.
fn roster(text: &str) -> Result<v1::LeaseRoster, String> {
    if text == "all" {
        return Ok(v1::LeaseRoster { all: true, nodes: Vec::new() });
    }
    let id = |id: &str| id.parse().map_err(|_| format!("`{id}` is not a node id: give `all`, or ids such as `1,2,3`"));
    Ok(v1::LeaseRoster { all: false, nodes: text.split(',').map(id).collect::<Result<_, _>>()? })
}

fn describe(config: &v1::LeaseConfig) -> String {
    let time = |time: Option<portcullis_wire::Duration>| {
        let time = time.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
        humantime::format_duration(time).to_string()
    };
    let roster = match &config.roster {
        Some(roster) if !roster.all => {
            roster.nodes.iter().map(|node| format!("node {node}")).collect::<Vec<_>>().join(", ")
        }
        Some(_) | None => "all members".to_owned(),
    };
    let settled = if config.settled { "" } else { "\nlonger leases of the configuration before may be left" };
    format!(
        "length   {}\nrenewal  {}\nlag      {}\ndrift    {} ppm\nroster   {roster}\nchanged  at revision {}{settled}",
        time(config.length),
        time(config.renewal),
        time(config.lag),
        config.drift_ppm,
        config.changed_at
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_is_all_or_ids() {
        assert_eq!(roster("all"), Ok(v1::LeaseRoster { all: true, nodes: Vec::new() }));
        assert_eq!(roster("3,1"), Ok(v1::LeaseRoster { all: false, nodes: vec![3, 1] }));
        let refused = roster("1,x").unwrap_err();
        assert_eq!(refused, "`x` is not a node id: give `all`, or ids such as `1,2,3`");
        assert!(roster("").is_err());
    }
}
