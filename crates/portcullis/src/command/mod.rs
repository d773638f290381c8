//! The client commands, a file for each noun.

mod authority;
pub(crate) mod check;
pub(crate) mod cluster;
mod expected;
pub(crate) mod grants;
mod import;
mod join_token;
mod lease_config;
mod lookup;
pub(crate) mod relationship;
pub(crate) mod role;
pub(crate) mod schema;
pub(crate) mod tenant;
mod validate;
mod watch;

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use portcullis_client::{Client, Options, Trust, v1};
use portcullis_model::{GroupId, Revision, Timestamp, Token};
use portcullis_wire::wire_timestamp;

use crate::args::{Ack, AsOf, Command, Consistency, Global, Mode, Write};
use crate::output;

/// Runs a client command.
pub(crate) async fn run(global: &Global, command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Whoami = command {
        output::line(global.run_as.as_ref().map_or("user:admin".to_owned(), ToString::to_string));
        return Ok(ExitCode::SUCCESS);
    }
    let output = global.output;
    let command = match command {
        Command::Schema(command) if command.is_local() => {
            schema::run_locally(output, command)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Validate { files } => return validate::run(output, &files, now()),
        command => command,
    };
    let client = client(&global.endpoint, global)?;
    match command {
        Command::Cluster(command) => cluster::run(&client, output, command).await?,
        Command::Tenant(command) => tenant::run(&client, output, command).await?,
        Command::Role(command) => role::run(&client, output, command).await?,
        Command::Grant(grant) => grants::create(&client, output, grant).await?,
        Command::Grants(command) => grants::run(&client, output, command).await?,
        Command::Revoke(revoke) => grants::revoke(&client, output, revoke).await?,
        Command::Schema(command) => schema::run(&client, output, command).await?,
        Command::Relationship(command) => relationship::run(&client, output, command).await?,
        Command::Check(check) => return check::run(&client, output, check).await,
        Command::Lookup(lookup) => lookup::run(&client, output, lookup).await?,
        Command::Watch(watch) => watch::run(&client, output, watch).await?,
        Command::Dev(_)
        | Command::Serve(_)
        | Command::Config(_)
        | Command::Bench(_)
        | Command::EmptyService
        | Command::Completion { .. }
        | Command::Validate { .. }
        | Command::Version
        | Command::Whoami => {
            unreachable!("INVARIANT: these need no client")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The time, for relationships that end.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).min(Timestamp::MAX)
}

/// A client of some nodes.
pub(crate) fn client(endpoints: &[String], global: &Global) -> anyhow::Result<Client> {
    let mut options = Options::new(endpoints.iter().cloned());
    options.tenant.clone_from(&global.tenant);
    options.run_as.clone_from(&global.run_as);
    options.timeout = global.timeout;
    options.trust = match &global.ca_file {
        None => None,
        Some(path) => {
            let pem = std::fs::read_to_string(path);
            Some(Trust::Authorities(pem.with_context(|| format!("--ca-file: `{}` cannot be read", path.display()))?))
        }
    };
    Ok(Client::new(options)?)
}

/// What a write carries beside its content.
fn write_options(write: Write) -> v1::WriteOptions {
    v1::WriteOptions {
        reason: write.reason.unwrap_or_default(),
        idempotency_key: write.idempotency_key.unwrap_or_default(),
        preconditions: Vec::new(),
        metadata: write.metadata.unwrap_or_default(),
        ack: match write.ack {
            Ack::Everywhere => v1::Ack::Everywhere,
            Ack::Quorum => v1::Ack::Quorum,
        }
        .into(),
    }
}

/// How fresh an answer has to be.
fn consistency(given: Consistency) -> anyhow::Result<Option<v1::Consistency>> {
    use v1::consistency::Mode as Wire;
    if given.at.is_some() {
        return as_of(&AsOf { at: given.at });
    }
    let mode = match given.mode {
        Mode::Linearizable => Wire::Linearizable(true),
        Mode::AtLeastAsFresh => Wire::AtLeastAsFresh(given.token.unwrap_or_default()),
        Mode::MinimizeLatency => Wire::MinimizeLatency(true),
        Mode::FailClosed => Wire::FailClosed(true),
    };
    Ok(Some(v1::Consistency { mode: Some(mode) }))
}

/// As of when something is shown; now, if nothing is said.
fn as_of(given: &AsOf) -> anyhow::Result<Option<v1::Consistency>> {
    use v1::consistency::Mode as Wire;
    let Some(at) = &given.at else { return Ok(None) };
    let mode = match at.parse::<Timestamp>() {
        Ok(time) => Wire::AtExactTime(wire_timestamp(time)),
        Err(_) => Wire::AtExact(token(at).map_err(|_| not_a_moment(at))?.to_string()),
    };
    Ok(Some(v1::Consistency { mode: Some(mode) }))
}

fn not_a_moment(given: &str) -> anyhow::Error {
    anyhow!(
        "`{given}` says of no moment: give a revision, the token of an earlier answer, or a time with a zone, for example \
         `2026-12-01T09:00:00Z`"
    )
}

/// A revision as it may be given: a number or a token.
fn token(given: &str) -> anyhow::Result<Token> {
    Ok(match given.parse::<u64>() {
        Ok(revision) => Token { group: GroupId::FIRST, revision: Revision(revision) },
        Err(_) => given.parse()?,
    })
}

/// Where something took place, for people.
fn revision(position: Option<&v1::Position>) -> String {
    position.map_or("-".to_owned(), |position| position.revision.to_string())
}
