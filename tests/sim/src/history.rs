//! What was asked of which node when, and what came of it, by true time.

use std::fmt;
use std::time::Duration;

/// One grant, by its number. Every grant is of a subject and a scope of its own, so that an allow has one reason, and it is
/// granted once and revoked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// When a grant holds, by true time, in milliseconds since the simulation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub start_ms: u64,
    /// Until when.
    pub end_ms: u64,
}

/// A question to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Grant.
    Grant,
    /// Grant, and be answered once it cannot be lost; nodes may deny for a moment what it allows.
    GrantEarly,
    /// Grant from a time on, until another. It is not revoked.
    GrantTimed(Window),
    /// Revoke.
    Revoke,
    /// May the subject of the grant do what it is for? Linearizable.
    Check,
    /// The same, where what is being changed counts as no.
    CheckClosed,
}

impl Asked {
    /// Whether it changes something.
    pub fn is_write(self) -> bool {
        match self {
            Self::Grant | Self::GrantEarly | Self::GrantTimed(_) | Self::Revoke => true,
            Self::Check | Self::CheckClosed => false,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was heard, so anything may have.
    Unknown,
    /// It was carried out.
    Done,
    /// It was not carried out.
    Nothing,
    /// Yes.
    Allow(By),
    /// No.
    Deny(By),
}

/// What made an answer fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The lease of the node.
    Lease,
    /// The lease, after waiting.
    Waiting,
    /// The leader.
    Leader,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Of which node it was asked.
    pub node: u64,
    /// About what.
    pub key: Key,
    /// What was asked.
    pub asked: Asked,
    /// When.
    pub invoked: Duration,
    /// When it was answered; `None` if it never was.
    pub returned: Option<Duration>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Everything that happened, in the order in which it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The calls.
    pub calls: Vec<Call>,
    /// What the simulation did, and when.
    pub events: Vec<(Duration, String)>,
}

impl History {
    /// Notes that a call begins; the place is where its outcome goes.
    pub fn begin(&mut self, node: u64, key: Key, asked: Asked, now: Duration) -> usize {
        self.calls.push(Call { node, key, asked, invoked: now, returned: None, outcome: Outcome::Unknown });
        self.calls.len() - 1
    }

    /// Notes what came of a call.
    pub fn end(&mut self, place: usize, outcome: Outcome, now: Duration) {
        let call = &mut self.calls[place];
        call.returned = Some(now);
        call.outcome = outcome;
    }

    /// A number that differs between histories that do.
    pub fn digest(&self) -> u64 {
        let told = self.calls.iter().map(Call::to_string).chain(self.events.iter().map(|event| format!("{event:?}")));
        // FNV-1a: it is the same in every process.
        told.flat_map(String::into_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Notes an event.
    pub fn event(&mut self, now: Duration, text: impl Into<String>) {
        self.events.push((now, text.into()));
    }
}

impl Call {
    /// How long it took.
    pub fn took(&self) -> Option<Duration> {
        self.returned?.checked_sub(self.invoked)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, key, asked, invoked, returned, outcome } = self;
        write!(f, "node {node} grant {} {asked:?} at {invoked:?}: {outcome:?}", key.0)?;
        match returned {
            Some(returned) => write!(f, " at {returned:?}"),
            None => write!(f, ", never answered"),
        }
    }
}
