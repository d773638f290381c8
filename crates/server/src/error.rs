//! Errors as callers see them: a gRPC code, a reason that programs can read, and words that people can.

use std::collections::HashMap;
use std::time::Duration;

use portcullis_machine::{Refusal, RefusalKind};
use portcullis_model::Token;
use portcullis_node::{AdministerError, CheckError, DecideError, ViewError, WatchError, WriteError};
use portcullis_wire::{Domain, FieldError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// When a caller may try again after `UNAVAILABLE`.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The key of `ErrorInfo` under which the end of a watch says where to watch on from.
const TOKEN: &str = "token";

pub(crate) fn status(code: Code, reason: &str, message: String) -> Status {
    status_with(code, reason, message, HashMap::new())
}

fn status_with(code: Code, reason: &str, message: String, metadata: HashMap<String, String>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, Domain::NAME, metadata);
    if code == Code::Unavailable {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, message, details)
}

/// A field is not what it should be.
pub(crate) fn field(error: FieldError) -> Status {
    let message = error.to_string();
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", Domain::NAME, HashMap::new());
    details.add_bad_request_violation(error.field, error.problem);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A field is not what it should be.
pub(crate) fn invalid(name: &str, problem: &str) -> Status {
    field(FieldError::new(name, problem))
}

/// Too much was given.
pub(crate) fn too_many(what: &str, given: usize, most: usize) -> Status {
    let message = format!("{given} {what} given, the most is {most}: split the call");
    status(Code::ResourceExhausted, "TOO_MANY", message)
}

/// Something named is not there.
pub(crate) fn not_found(reason: &str, message: String) -> Status {
    status(Code::NotFound, reason, message)
}

/// What there is only where nodes prove who they are.
pub(crate) fn proves_nothing(so: &str) -> Status {
    let message =
        format!("the nodes of this cluster prove nothing to each other, so {so}: make a cluster with `--tls`");
    status(Code::FailedPrecondition, "TLS_REQUIRED", message)
}

/// A write was not carried out, or may not have been.
pub(crate) fn write(error: &WriteError) -> Status {
    let message = error.to_string();
    match error {
        WriteError::Refused { refusal, .. } => refused(refusal),
        WriteError::LowDisk(_) => status(Code::ResourceExhausted, "DISK_RESERVE", message),
        WriteError::AckTooEarly => status(Code::InvalidArgument, "ACK_TOO_EARLY", message),
        WriteError::TooManyPending(_) => status(Code::ResourceExhausted, "TOO_MANY_PENDING", message),
        WriteError::ClockDeviates(_) => status(Code::Unavailable, "CLOCK_DEVIATES", message),
        WriteError::NoLeader => status(Code::Unavailable, "NO_LEADER", message),
        WriteError::Unknown(_) => status(Code::Unavailable, "OUTCOME_UNKNOWN", message),
        WriteError::Failed(_) => status(Code::Unavailable, "NODE_FAILED", message),
    }
}

fn refused(refusal: &Refusal) -> Status {
    let code = match refusal.kind() {
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::FailedPrecondition => Code::FailedPrecondition,
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
    };
    status(code, refusal.reason(), refusal.to_string())
}

/// A read cannot be served here and now.
pub(crate) fn view(error: &ViewError) -> Status {
    let message = error.to_string();
    match error {
        ViewError::NotFresh(_) => status(Code::Unavailable, "NOT_FRESH", message),
        ViewError::OtherGroup { .. } => status(Code::InvalidArgument, "TOKEN_OF_OTHER_GROUP", message),
        ViewError::NotRetained { .. } => status(Code::OutOfRange, "REVISION_NOT_RETAINED", message),
        ViewError::TimeNotOver { .. } => status(Code::OutOfRange, "TIME_NOT_OVER", message),
        ViewError::TimeNotRetained { .. } => status(Code::OutOfRange, "TIME_NOT_RETAINED", message),
        ViewError::TimeNotSettled { .. } => status(Code::Unavailable, "TIME_NOT_SETTLED", message),
        ViewError::PastTooLarge(_) => status(Code::ResourceExhausted, "PAST_TOO_LARGE", message),
        ViewError::Late => status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message),
        ViewError::Failed => status(Code::Unavailable, "NODE_FAILED", message),
    }
}

/// There is no decision.
pub(crate) fn decide(error: &DecideError) -> Status {
    match error {
        DecideError::View(error) => view(error),
        DecideError::Check(error) => check(error),
    }
}

/// A question has no decision.
pub(crate) fn check(error: &CheckError) -> Status {
    let code = match error {
        CheckError::TenantMissing(_) => Code::NotFound,
        CheckError::DepthExceeded { .. } | CheckError::VisitedExceeded { .. } | CheckError::NestingExceeded { .. } => {
            Code::ResourceExhausted
        }
        CheckError::PermissionUnknown { .. } => Code::FailedPrecondition,
        CheckError::Caveat { .. } => Code::InvalidArgument,
        CheckError::DeadlineExceeded => Code::DeadlineExceeded,
        CheckError::Undecided | CheckError::Overtaken | CheckError::Unreadable => Code::Unavailable,
    };
    status(code, error.reason(), error.to_string())
}

/// A watch does not begin.
pub(crate) fn watch(error: &WatchError) -> Status {
    let message = error.to_string();
    match error {
        WatchError::View(error) => view(error),
        WatchError::TenantMissing(_) => not_found("TENANT_NOT_FOUND", message),
        WatchError::Stale { .. } => status(Code::Unavailable, "NOT_FRESH", message),
        WatchError::TooMany { .. } => status(Code::ResourceExhausted, "TOO_MANY_WATCHERS", message),
    }
}

/// A watch ends; everything up to a token was told.
pub(crate) fn watch_ended(error: &WatchError, told: Token) -> Status {
    resumable(&watch(error), told)
}

/// A watch ends because its node does.
pub(crate) fn watch_stopped(told: Token) -> Status {
    let message = "the node is stopping: watch on at another".to_owned();
    resumable(&status(Code::Unavailable, "NODE_STOPPING", message), told)
}

/// A watch ends because nobody takes what it tells.
pub(crate) fn watcher_too_slow(patience: Duration, told: Token) -> Status {
    let message = format!("nothing was taken for {patience:?}: watch on from `{told}`, and for less or faster");
    resumable(&status(Code::ResourceExhausted, "WATCHER_TOO_SLOW", message), told)
}

/// The same status, which says where to watch on from.
fn resumable(status: &Status, told: Token) -> Status {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let metadata = HashMap::from([(TOKEN.to_owned(), told.to_string())]);
    status_with(status.code(), &reason, status.message().to_owned(), metadata)
}

/// The cluster was not changed, or may not have been.
pub(crate) fn administer(error: &AdministerError) -> Status {
    let message = error.to_string();
    match error {
        AdministerError::NotInitialised => status(Code::Unavailable, "NOT_INITIALISED", message),
        AdministerError::Initialised => status(Code::AlreadyExists, "ALREADY_INITIALISED", message),
        AdministerError::Refused(_) => status(Code::FailedPrecondition, "CLUSTER_CHANGE_REFUSED", message),
        AdministerError::NoLeader => status(Code::Unavailable, "NO_LEADER", message),
        AdministerError::Unknown(_) => status(Code::Unavailable, "OUTCOME_UNKNOWN", message),
    }
}

/// The leader answered a write with an outcome of another kind.
pub(crate) fn unexpected(outcome: &portcullis_machine::Outcome) -> Status {
    tracing::error!(?outcome, "a write has the outcome of another");
    status(
        Code::Internal,
        "UNEXPECTED_OUTCOME",
        "the write was carried out, but its outcome is of another kind".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    /// Where reasons are given, and where they are documented.
    const SOURCES: [&str; 3] = [
        include_str!("error.rs"),
        include_str!("../../machine/src/refusal.rs"),
        include_str!("../../node/src/check.rs"),
    ];
    const DOCUMENTED: &str = include_str!("../../../docs/errors.md");

    #[test]
    fn every_reason_is_documented() {
        let is_reason = |word: &&str| word.len() > 4 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let reasons: Vec<&str> = SOURCES.iter().flat_map(|source| source.split('"')).filter(is_reason).collect();
        assert!(reasons.len() > 30, "the sources give reasons in another way: {reasons:?}");
        for reason in reasons {
            assert!(DOCUMENTED.contains(&format!("| `{reason}` |")), "docs/errors.md does not tell of {reason}");
        }
    }
}
