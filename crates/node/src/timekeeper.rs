//! Starts and ends of grants, and ends of relationships: whoever leads proposes what is due, from the state itself, so no timer can be lost.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::{Ack, ProposeError};
use portcullis_eval::Snapshot;
use portcullis_machine::command::{DueRelationship, ExpireGrants, ExpireRelationships, StartGrants};
use portcullis_machine::{Command, Envelope, Stamp};
use portcullis_model::{Actor, Clock, Subject, TenantId, Verified};

use crate::node::Node;

/// How often the leader looks for what is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much earlier than necessary an end is proposed, in milliseconds, so that it is visible in time.
const LEAD_MS: u64 = 300;
/// How many starts or ends go into one command.
const BATCH_MAX: usize = 1_000;

/// Proposes what is due while this node leads. Ends when the node is dropped.
pub(crate) async fn keep_time(node: std::sync::Weak<Node>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(node) = node.upgrade() else { return };
        if node.leader() == Some(node.id()) && node.clock_deviation_ms().is_none() {
            propose_due(&node).await;
        }
    }
}

async fn propose_due(node: &Arc<Node>) {
    let clock = node.wall();
    let due = match node.reader.due(clock.earliest(), clock.latest().plus_ms(LEAD_MS), BATCH_MAX) {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "starts and ends cannot be read");
            return;
        }
    };
    if !due.ends.is_empty() {
        propose(node, clock, Command::ExpireGrants(ExpireGrants { due: due.ends })).await;
    }
    let due_now: Vec<DueRelationship> = due.relationships.into_iter().filter(|due| !waits(node, due, clock)).collect();
    if !due_now.is_empty() {
        let command = ExpireRelationships { due: due_now };
        propose(node, clock, Command::ExpireRelationships(command)).await;
    }
    if !due.starts.is_empty() {
        propose(node, clock, Command::StartGrants(StartGrants { due: due.starts })).await;
    }
}

/// Whether the end of a relationship has to have come for certain, and may not have: the machine would leave it alone.
fn waits(node: &Node, due: &DueRelationship, clock: Clock) -> bool {
    let view = node.reader.view();
    let program = view.resident.tenant(&due.tenant).and_then(|tenant| tenant.program());
    let (object_type, relation) = (&due.relationship.resource.object_type, due.relationship.relation.as_str());
    program.is_some_and(|program| program.schema().takes_away(object_type, relation)) && clock.earliest() < due.expires
}

pub(crate) async fn propose(node: &Arc<Node>, clock: Clock, command: Command) {
    let Ok(version) = node.reader.active_version() else { return };
    let caller: Subject = format!("node:{}", node.id()).parse().expect("INVARIANT: a node id is a subject");
    let envelope = Envelope {
        version,
        tenant: TenantId::system(),
        actor: Actor { caller, on_behalf_of: None, verified: Verified::Internal },
        reason: None,
        idempotency: None,
        preconditions: Vec::new(),
        stamp: Stamp::from(clock),
        salt: node.entropy.bytes(),
        command,
    };
    match node.group.propose(&envelope, Ack::Everywhere, None).await {
        Ok(proposed) => {
            if let Err(refusal) = proposed.reply.result {
                tracing::error!(%refusal, "the machine refuses what this leader proposes of itself");
            }
        }
        // Whoever leads next finds the same things due.
        Err(ProposeError::NotLeader { .. } | ProposeError::Unknown | ProposeError::Stopped) => {}
    }
}
