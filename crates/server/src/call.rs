//! What every call has in common: its deadline and its caller.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::{Ack, Acked};
use portcullis_machine::Precondition;
use portcullis_model::{Actor, TenantId, Token, limit};
use portcullis_node::{Action, Draft, Freshness, Node, Source, Written};
use portcullis_wire::{self as wire, FieldError, v1};
use tokio::time::Instant;
use tonic::{Code, Request, Status};

use crate::{error, identity, meter};

/// The longest deadline that is honoured.
const DEADLINE_MAX: Duration = Duration::from_mins(5);

/// Which share of a call's time is left for the answer to reach the caller, up to [`ANSWER_TIME_MAX`].
const ANSWER_SHARE: u32 = 10;
/// The most that is left for it.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(100);

/// A call, taken apart.
pub(crate) struct Call<T> {
    pub(crate) node: Arc<Node>,
    pub(crate) actor: Actor,
    pub(crate) deadline: Instant,
    pub(crate) message: T,
}

impl<T> Call<T> {
    /// Takes a request apart. Without a `grpc-timeout` the default deadline of checks holds.
    pub(crate) fn new(node: &Arc<Node>, request: Request<T>) -> Result<Self, Status> {
        let actor = identity::actor(request.metadata())?;
        let timeout = timeout(request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok()));
        let deadline = Instant::now() + working_time(timeout);
        Ok(Self { node: Arc::clone(node), actor, deadline, message: request.into_inner() })
    }

    /// Like [`Call::new`], for an answer that is a stream: without a `grpc-timeout` it has longer.
    pub(crate) fn streamed(node: &Arc<Node>, request: Request<T>) -> Result<Self, Status> {
        let timed = request.metadata().contains_key("grpc-timeout");
        let call = Self::new(node, request)?;
        let default = Instant::now() + Duration::from_millis(limit::STREAM_DEADLINE_MS);
        Ok(Self { deadline: if timed { call.deadline } else { default }, ..call })
    }

    /// The same call about something else.
    pub(crate) fn with<U>(&self, message: U) -> Call<U> {
        Call { node: Arc::clone(&self.node), actor: self.actor.clone(), deadline: self.deadline, message }
    }

    /// The call without what it is about, and that.
    pub(crate) fn split(self) -> (Call<()>, T) {
        (self.with(()), self.message)
    }

    /// The token of a revision at which something may be read as it was, that is as fresh as was asked for.
    pub(crate) async fn standing(&self, freshness: Freshness) -> Result<Token, Status> {
        let source = self.node.source(freshness, self.deadline).await;
        let source = source.map_err(|error| self.hinted(error::view(&error)))?;
        Ok(Token { group: self.node.group_id(), revision: source.revision() })
    }

    /// Waits for what a list or a single record may be read from.
    pub(crate) async fn source(&self, consistency: Option<&v1::Consistency>) -> Result<Source, Status> {
        let freshness = freshness(consistency)?;
        self.node.source(freshness, self.deadline).await.map_err(|error| self.hinted(error::view(&error)))
    }

    /// The same for what has no past.
    pub(crate) async fn source_of_now(&self, consistency: Option<&v1::Consistency>) -> Result<Source, Status> {
        let field = match wire::freshness(consistency) {
            Ok(wire::Freshness::Exactly(_)) => "consistency.at_exact",
            Ok(wire::Freshness::ExactlyAt(_)) => "consistency.at_exact_time",
            Ok(_) | Err(_) => return self.source(consistency).await,
        };
        Err(error::invalid(field, "no history is kept of this: leave it out"))
    }

    /// Carries out a write for the caller.
    pub(crate) async fn write(
        self,
        tenant: TenantId,
        options: Option<&v1::WriteOptions>,
        action: Action,
    ) -> Result<Written, Status> {
        let draft = Draft {
            tenant,
            actor: self.actor,
            reason: wire::reason(options).map_err(error::field)?,
            idempotency_key: wire::idempotency_key(options).map_err(error::field)?,
            preconditions: preconditions(options).map_err(error::field)?,
            ack: ack(options).map_err(error::field)?,
            action: action.annotated(wire::metadata(options).map_err(error::field)?),
        };
        let begun = Instant::now();
        let written = self.node.write(draft, self.deadline).await;
        meter::wrote(&written, begun.elapsed());
        written.map_err(|error| hinted(&self.node, error::write(&error)))
    }

    /// An error that says who leads, where another node may do better.
    pub(crate) fn hinted(&self, status: Status) -> Status {
        hinted(&self.node, status)
    }
}

fn hinted(node: &Node, mut status: Status) -> Status {
    if status.code() == Code::Unavailable
        && let Some(leader) = node.leader_address().and_then(|leader| leader.parse().ok())
    {
        status.metadata_mut().insert(wire::LEADER_HEADER, leader);
    }
    status
}

/// How fresh a caller wants an answer.
pub(crate) fn freshness(consistency: Option<&v1::Consistency>) -> Result<Freshness, Status> {
    Ok(node_freshness(wire::freshness(consistency).map_err(error::field)?))
}

/// The same, of the node.
pub(crate) fn node_freshness(freshness: wire::Freshness) -> Freshness {
    match freshness {
        wire::Freshness::Linearizable => Freshness::Linearizable,
        wire::Freshness::FailClosed => Freshness::FailClosed,
        wire::Freshness::AtLeast(token) => Freshness::AtLeast(token),
        wire::Freshness::Exactly(token) => Freshness::Exactly(token),
        wire::Freshness::ExactlyAt(time) => Freshness::ExactlyAt(time),
        wire::Freshness::MinimizeLatency => Freshness::MinimizeLatency,
    }
}

/// Where a write took place.
pub(crate) fn position(node: &Node, written: &Written) -> v1::Position {
    let (acked, visible_after) = match written.acked {
        Acked::Everywhere { after_commit } => {
            (v1::Ack::Everywhere, after_commit.and_then(|time| wire::Duration::try_from(time).ok()))
        }
        Acked::Quorum => (v1::Ack::Quorum, None),
    };
    v1::Position { acked: acked.into(), visible_after, ..wire::position(node.group_id(), written.revision) }
}

fn ack(options: Option<&v1::WriteOptions>) -> Result<Ack, FieldError> {
    let given = options.map_or(0, |options| options.ack);
    match v1::Ack::try_from(given) {
        Ok(v1::Ack::Unspecified | v1::Ack::Everywhere) => Ok(Ack::Everywhere),
        Ok(v1::Ack::Quorum) => Ok(Ack::Quorum),
        Err(_) => Err(FieldError::new("options.ack", format!("`{given}` is not known: see `Ack`"))),
    }
}

fn preconditions(options: Option<&v1::WriteOptions>) -> Result<Vec<Precondition>, FieldError> {
    let given = options.map(|options| options.preconditions.as_slice()).unwrap_or_default();
    if given.len() > limit::UPDATES_MAX {
        let problem = format!("{} given, the most is {}", given.len(), limit::UPDATES_MAX);
        return Err(FieldError::new("options.preconditions", problem));
    }
    let parse = |(nth, precondition)| {
        precondition_of(precondition).map_err(|error| error.within(&format!("options.preconditions[{nth}]")))
    };
    given.iter().enumerate().map(parse).collect()
}

fn precondition_of(precondition: &v1::Precondition) -> Result<Precondition, FieldError> {
    use portcullis_machine::Target;
    use portcullis_model::Revision;
    use v1::precondition::{Expectation, Target as Wire};
    let target = match &precondition.target {
        Some(Wire::Role(role)) => Target::Role(wire::field("role", role)?),
        Some(Wire::Grant(grant)) => Target::Grant(wire::field("grant", grant)?),
        Some(Wire::Relationship(filter)) => Target::tuples(wire::relationship_filter(Some(filter))?),
        None => return Err(FieldError::new("target", "there is none: give a role, a grant or a relationship")),
    };
    match Expectation::try_from(precondition.expectation) {
        Ok(Expectation::Exists) => Ok(Precondition::Exists(target)),
        Ok(Expectation::Missing) => Ok(Precondition::Missing(target)),
        Ok(Expectation::AtRevision) => Ok(Precondition::At(target, Revision(precondition.revision))),
        Ok(Expectation::Unspecified) | Err(_) => {
            let problem = format!("`{}` is not an expectation: see `Precondition`", precondition.expectation);
            Err(FieldError::new("expectation", problem))
        }
    }
}

/// How long the node may work on a call. An error that came at the caller's deadline would never be read, and the caller
/// would be left to guess whether the node is gone or cannot prove that it is fresh.
fn working_time(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / ANSWER_SHARE).min(ANSWER_TIME_MAX))
}

/// The value of a `grpc-timeout` header: up to eight digits and a unit.
fn timeout(header: Option<&str>) -> Duration {
    let default = Duration::from_millis(limit::CHECK_DEADLINE_MS);
    let Some(header) = header.filter(|header| header.is_ascii() && header.len() >= 2) else { return default };
    let (digits, unit) = header.split_at(header.len() - 1);
    let Ok(count) = digits.parse::<u64>() else { return default };
    let timeout = match unit {
        "H" => Duration::from_secs(count.saturating_mul(3_600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => default,
    };
    timeout.min(DEADLINE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_from_the_header() {
        for (header, expected) in [
            (None, Duration::from_secs(5)),
            (Some("250m"), Duration::from_millis(250)),
            (Some("2S"), Duration::from_secs(2)),
            (Some("99H"), DEADLINE_MAX),
            (Some("nonsense"), Duration::from_secs(5)),
        ] {
            assert_eq!(timeout(header), expected, "{header:?}");
        }
    }
    #[test]
    fn an_error_has_time_to_reach_the_caller() {
        for (timeout_ms, expected_ms) in [(0, 0), (100, 90), (1_000, 900), (5_000, 4_900), (60_000, 59_900)] {
            assert_eq!(working_time(Duration::from_millis(timeout_ms)), Duration::from_millis(expected_ms));
        }
    }
}
