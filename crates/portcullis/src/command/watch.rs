//! `portcullis watch`.

use anyhow::Context;
use portcullis_client::{Client, v1};
use portcullis_wire::wire_tuple_filter;
use v1::change::Change;

use super::{revision, token};
use crate::args::{ChangeKind, Output, Watch};
use crate::output;

/// Prints changes as they come, until there is an error or the command is interrupted.
pub(crate) async fn run(client: &Client, output: Output, watch: Watch) -> anyhow::Result<()> {
    let kind = |kind: &ChangeKind| match kind {
        ChangeKind::Relationship => v1::ChangeKind::Relationship,
        ChangeKind::Grant => v1::ChangeKind::Grant,
        ChangeKind::Role => v1::ChangeKind::Role,
        ChangeKind::Schema => v1::ChangeKind::Schema,
    };
    let since = watch.since.as_deref().map(token).transpose().context("since")?;
    let mut told = client.watch(v1::WatchRequest {
        tenant: String::new(),
        since: since.map(|token| token.to_string()).unwrap_or_default(),
        kinds: watch.kinds.iter().map(|given| kind(given).into()).collect(),
        object_types: watch.types.iter().map(ToString::to_string).collect(),
        relationships: watch.relationships.iter().map(wire_tuple_filter).collect(),
        checkpoint_every: None,
    });
    loop {
        let next = told.message().await;
        let event = next.with_context(|| match told.token() {
            "" => "the watch did not begin".to_owned(),
            token => format!("the watch ended; `--since {token}` goes on from there"),
        })?;
        match output {
            Output::Json => output::one(output, &event, |_| String::new()),
            Output::Table => lines(&event).for_each(output::line),
        }
    }
}

/// A commit for people: a line for each change.
fn lines(event: &v1::WatchResponse) -> impl Iterator<Item = String> {
    let at = revision(event.position.as_ref());
    let by = event.actor.as_ref().map(|actor| actor.caller.clone()).unwrap_or_default();
    let changes = event.changes.iter().filter_map(|change| change.change.as_ref());
    changes.map(move |change| format!("{at}  {by}  {}", words(change)))
}

fn words(change: &Change) -> String {
    match change {
        Change::RelationshipTouched(relationship) => format!("touched {relationship}"),
        Change::RelationshipDeleted(relationship) => format!("deleted {relationship}"),
        Change::Grant(grant) => {
            let v1::Grant { id, subject, role, scope, .. } = &**grant;
            let state = super::grants::state(grant);
            format!("grant {id}: {subject} is {role} on {scope}, {state}")
        }
        Change::Role(role) => format!("role {}: {}", role.id, role.permissions.join(" ")),
        Change::RoleDeleted(id) => format!("role {id} deleted"),
        Change::Schema(text) => format!("schema written, {} bytes", text.len()),
    }
}
