//! `portcullis grant`, `portcullis grants` and `portcullis revoke`.

use std::time::Duration;

use clap::Subcommand;
use portcullis_client::{Client, v1};
use portcullis_model::{Object, RoleId, Subject};
use portcullis_wire::{timestamp, wire_timestamp};

use super::{revision, write_options};
use crate::args::{AsOf, Grant, Output, Revoke};
use crate::output;

/// `portcullis grants`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List grants.
    List {
        /// Of this subject.
        #[arg(long)]
        subject: Option<Subject>,
        /// Of this role.
        #[arg(long)]
        role: Option<RoleId>,
        /// On this object.
        #[arg(long)]
        scope: Option<Object>,
        /// Leave out grants that have ended.
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Show a grant, also one that has ended.
    Get {
        /// Its id.
        id: String,
        #[command(flatten)]
        as_of: AsOf,
    },
}

/// Lists or shows grants.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let tenant = String::new();
    match command {
        Command::List { subject, role, scope, active, as_of } => {
            let mut request = v1::ListGrantsRequest {
                tenant,
                filter: Some(filter(subject.as_ref(), role.as_ref(), scope.as_ref())),
                active_only: active,
                consistency: super::as_of(&as_of)?,
                ..v1::ListGrantsRequest::default()
            };
            let mut grants = Vec::new();
            loop {
                let page = client.list_grants(request.clone()).await?;
                grants.extend(page.grants);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            output::many(output, &grants, &["id", "subject", "role", "scope", "state", "end"], |grant| {
                let end = grant.end.as_ref().map_or("-".to_owned(), time);
                let state = state(grant);
                vec![
                    grant.id.clone(),
                    grant.subject.clone(),
                    grant.role.clone(),
                    grant.scope.clone(),
                    state.to_owned(),
                    end,
                ]
            });
        }
        Command::Get { id, as_of } => {
            let consistency = super::as_of(&as_of)?;
            let answer = client.get_grant(v1::GetGrantRequest { tenant, id, consistency }).await?;
            output::one(output, &answer.grant.unwrap_or_default(), |grant| {
                let until = grant.end.as_ref().map_or(String::new(), |end| format!(" until {}", time(end)));
                let state = state(grant);
                format!("{}: {} is {} on {}{until}, {state}", grant.id, grant.subject, grant.role, grant.scope)
            });
        }
    }
    Ok(())
}

/// Grants a role, and prints the grant's id.
pub(crate) async fn create(client: &Client, output: Output, grant: Grant) -> anyhow::Result<()> {
    use v1::create_grant_request::Until;
    let until = match (grant.duration, grant.until) {
        (Some(duration), _) => Some(Until::Duration(wire_duration(duration)?)),
        (None, Some(end)) => Some(Until::End(wire_timestamp(end))),
        (None, None) => None,
    };
    let request = v1::CreateGrantRequest {
        tenant: String::new(),
        id: grant.id.unwrap_or_default(),
        subject: grant.subject.to_string(),
        role: grant.role.to_string(),
        scope: grant.scope.to_string(),
        start: grant.from.map(wire_timestamp),
        until,
        options: Some(write_options(grant.write)),
    };
    let answer = client.create_grant(request).await?;
    output::one(output, &answer.grant.unwrap_or_default(), |grant| grant.id.clone());
    Ok(())
}

/// Revokes grants, and prints how many ended, and where.
pub(crate) async fn revoke(client: &Client, output: Output, revoke: Revoke) -> anyhow::Result<()> {
    let options = Some(write_options(revoke.write));
    let tenant = String::new();
    let answer = if revoke.ids.is_empty() {
        let filter = Some(filter(revoke.subject.as_ref(), revoke.role.as_ref(), revoke.scope.as_ref()));
        let request = v1::RevokeGrantsByFilterRequest { tenant, filter, options };
        let answer = client.revoke_grants_by_filter(request).await?;
        v1::RevokeGrantsResponse { ids: answer.ids, position: answer.position }
    } else {
        client.revoke_grants(v1::RevokeGrantsRequest { tenant, ids: revoke.ids, options }).await?
    };
    output::one(output, &answer, |answer| {
        let ended = if answer.ids.len() == 1 { "1 grant" } else { &format!("{} grants", answer.ids.len()) };
        format!("{ended} ended at revision {}", revision(answer.position.as_ref()))
    });
    Ok(())
}

fn filter(subject: Option<&Subject>, role: Option<&RoleId>, scope: Option<&Object>) -> v1::GrantFilter {
    v1::GrantFilter {
        subject: subject.map(ToString::to_string).unwrap_or_default(),
        role: role.map(ToString::to_string).unwrap_or_default(),
        scope: scope.map(ToString::to_string).unwrap_or_default(),
    }
}

fn wire_duration(duration: Duration) -> anyhow::Result<portcullis_wire::Duration> {
    Ok(portcullis_wire::Duration {
        seconds: i64::try_from(duration.as_secs())?,
        nanos: i32::try_from(duration.subsec_nanos())?,
    })
}

pub(super) fn time(time: &portcullis_wire::Timestamp) -> String {
    match timestamp("time", time) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{} s {} ns", time.seconds, time.nanos),
    }
}

pub(super) fn state(grant: &v1::Grant) -> &'static str {
    use v1::grant::State;
    match grant.state() {
        State::Unspecified => "UNKNOWN",
        State::Scheduled => "SCHEDULED",
        State::Active => "ACTIVE",
        State::Ended => "ENDED",
        State::Revoked => "REVOKED",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_time_of_a_server_is_printed() {
        let printed = |seconds, nanos| super::time(&portcullis_wire::Timestamp { seconds, nanos });
        assert_eq!(printed(1, 500_000_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(printed(i64::MAX, 7), "9223372036854775807 s 7 ns");
    }
}
