//! What is counted, for the HTTP listener to show.

use std::sync::LazyLock;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use portcullis_consensus::Acked;
use portcullis_model::GroupId;
use portcullis_node::{Answer, CheckError, DecideError, Decision, Served, ServedBy, WriteError, Written};

static CHECKS: LazyLock<Checks> = LazyLock::new(|| {
    let checks = |result| counter!("portcullis_checks_total", "group" => group(), "result" => result);
    Checks {
        allowed: checks("allow"),
        denied: checks("deny"),
        conditional: checks("conditional"),
        failed: checks("error"),
    }
});

static SERVED: LazyLock<Decisions> = LazyLock::new(|| {
    let served = |by| counter!("portcullis_decisions_total", "group" => group(), "by" => by);
    Decisions {
        lease: served("lease"),
        waited: served("waited"),
        leader: served("leader"),
        unproven: served("unproven"),
    }
});

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let messages = |kind| counter!("portcullis_peer_messages_total", "group" => group(), "kind" => kind);
    Messages { calls: messages("call"), notes: messages("note") }
});

static WRITES: LazyLock<Writes> = LazyLock::new(|| {
    let writes = |result| counter!("portcullis_writes_total", "group" => group(), "result" => result);
    Writes {
        done: writes("done"),
        refused: writes("refused"),
        unknown: writes("unknown"),
        failed: writes("error"),
        seconds: histogram!("portcullis_write_seconds", "group" => group()),
        visibility: histogram!("portcullis_write_visibility_seconds", "group" => group()),
    }
});

static WATCHES: LazyLock<Watches> = LazyLock::new(|| Watches {
    told: counter!("portcullis_watch_events_total", "group" => group()),
    too_slow: counter!("portcullis_watch_too_slow_total", "group" => group()),
});

struct Checks {
    allowed: Counter,
    conditional: Counter,
    denied: Counter,
    failed: Counter,
}

/// How calls that decide something were served.
struct Decisions {
    /// By the lease, at once.
    lease: Counter,
    /// By the lease, after a wait.
    waited: Counter,
    /// By the leader's word.
    leader: Counter,
    /// Less than a linearizable answer was asked for.
    unproven: Counter,
}

/// What this node has sent to others.
struct Messages {
    calls: Counter,
    notes: Counter,
}

struct Writes {
    done: Counter,
    refused: Counter,
    unknown: Counter,
    failed: Counter,
    seconds: Histogram,
    /// From the commit of a write until no node can show the state before it.
    visibility: Histogram,
}

struct Watches {
    told: Counter,
    too_slow: Counter,
}

fn group() -> String {
    GroupId::FIRST.to_string()
}

/// Counts a handshake that came to nothing.
pub(crate) fn handshake(listener: &'static str, what: &'static str) {
    counter!("portcullis_handshakes_failed_total", "listener" => listener, "why" => what).increment(1);
}

/// Counts a message to another node that has an answer.
pub(crate) fn called() {
    MESSAGES.calls.increment(1);
}

/// Counts a message to another node that has none.
pub(crate) fn noted() {
    MESSAGES.notes.increment(1);
}

/// Counts a check and how it was served.
pub(crate) fn decided(answered: &Result<(Answer, Served), DecideError>) {
    match answered {
        Ok((answer, served)) => {
            self::served(served.by);
            decided_as(&answer.decision);
        }
        Err(_) => CHECKS.failed.increment(1),
    }
}

/// Counts how a call that decides something was served.
pub(crate) fn served(by: ServedBy) {
    match by {
        ServedBy::Lease => SERVED.lease.increment(1),
        ServedBy::Waiting => SERVED.waited.increment(1),
        ServedBy::Leader => SERVED.leader.increment(1),
        ServedBy::Nothing => SERVED.unproven.increment(1),
    }
}

/// Counts a check, also one within a batch.
pub(crate) fn checked(answer: &Result<Answer, CheckError>) {
    match answer {
        Ok(answer) => decided_as(&answer.decision),
        Err(_) => CHECKS.failed.increment(1),
    }
}

fn decided_as(decision: &Decision) {
    match decision {
        Decision::Allow => CHECKS.allowed.increment(1),
        Decision::Deny => CHECKS.denied.increment(1),
        Decision::Conditional(_) => CHECKS.conditional.increment(1),
    }
}

/// Counts a write of a client.
pub(crate) fn wrote(written: &Result<Written, WriteError>, took: Duration) {
    match written {
        Ok(written) => {
            WRITES.done.increment(1);
            if let Acked::Everywhere { after_commit: Some(after_commit) } = written.acked {
                WRITES.visibility.record(after_commit);
            }
        }
        Err(WriteError::Refused { .. }) => WRITES.refused.increment(1),
        Err(WriteError::Unknown(_)) => WRITES.unknown.increment(1),
        Err(
            WriteError::NoLeader
            | WriteError::LowDisk(_)
            | WriteError::TooManyPending(_)
            | WriteError::AckTooEarly
            | WriteError::ClockDeviates(_)
            | WriteError::Failed(_),
        ) => WRITES.failed.increment(1),
    }
    WRITES.seconds.record(took);
}

/// Counts an event that was handed to a watcher.
pub(crate) fn told() {
    WATCHES.told.increment(1);
}

/// Counts a watcher that was disconnected because it took nothing.
pub(crate) fn watcher_too_slow() {
    WATCHES.too_slow.increment(1);
}
