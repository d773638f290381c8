//! What a run has covered. One that has covered too little proves nothing, and is rejected.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

use crate::fault::LOST;
use crate::history::{Asked, By, History, Key, Outcome};
use crate::nemesis::Nemesis;

/// What was covered, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Grants that were acknowledged.
    pub granted: u64,
    /// Revocations that were acknowledged.
    pub revoked: u64,
    /// Writes whose outcome is not known.
    pub unknown: u64,
    /// Allows by a lease.
    pub allowed: u64,
    /// Denials by a lease.
    pub denied: u64,
    /// Answers that waited for what was under way.
    pub waited: u64,
    /// Answers of nodes without a lease.
    pub led: u64,
    /// Checks that were not answered.
    pub unanswered: u64,
    /// Grants with a start and an end that were acknowledged.
    pub timed: u64,
    /// Allows of such grants.
    pub allowed_in_time: u64,
    /// Snapshots that were installed.
    pub snapshots: u64,
    /// Machines that lost their power, and with it some of their state that was not synced.
    pub powerless: u64,
    /// Faults.
    pub faults: u64,
    /// Faults that met the leader.
    pub met_leader: u64,
    /// Faults that met a holder of a lease.
    pub met_holder: u64,
}

impl Coverage {
    /// What a history covers.
    pub fn of(history: &History, nemesis: &Nemesis, snapshots: u64) -> Self {
        let powerless = history.events.iter().filter(|(_, event)| event.contains(LOST)).count() as u64;
        let mut covered = Self { snapshots, powerless, ..Self::default() };
        let timed = history.calls.iter().filter(|call| matches!(call.asked, Asked::GrantTimed(_)));
        let timed: BTreeSet<Key> = timed.map(|call| call.key).collect();
        for call in &history.calls {
            let is_allow = matches!(call.outcome, Outcome::Allow(_));
            covered.allowed_in_time += u64::from(is_allow && timed.contains(&call.key));
            let count = match (call.asked, call.outcome) {
                (Asked::Grant | Asked::GrantEarly, Outcome::Done) => &mut covered.granted,
                (Asked::GrantTimed(_), Outcome::Done) => &mut covered.timed,
                (Asked::Revoke, Outcome::Done) => &mut covered.revoked,
                (Asked::Grant | Asked::GrantEarly | Asked::GrantTimed(_) | Asked::Revoke, Outcome::Unknown) => {
                    &mut covered.unknown
                }
                (_, Outcome::Allow(By::Lease)) => &mut covered.allowed,
                (_, Outcome::Deny(By::Lease)) => &mut covered.denied,
                (_, Outcome::Allow(By::Waiting) | Outcome::Deny(By::Waiting)) => &mut covered.waited,
                (_, Outcome::Allow(By::Leader) | Outcome::Deny(By::Leader)) => &mut covered.led,
                (Asked::Check | Asked::CheckClosed, Outcome::Unknown) => &mut covered.unanswered,
                (_, Outcome::Done | Outcome::Nothing) => continue,
            };
            *count += 1;
        }
        for (_, leads, holds) in &nemesis.met {
            covered.faults += 1;
            covered.met_leader += u64::from(*leads);
            covered.met_holder += u64::from(*holds);
        }
        covered
    }

    /// The counts as one line that [`Coverage::parse`] reads.
    pub fn numbers(&self) -> String {
        let mut copy = *self;
        copy.counts().map(|count| count.to_string()).join(" ")
    }

    /// Reads what [`Coverage::numbers`] has written; `None` if it is something else.
    pub fn parse(numbers: &str) -> Option<Self> {
        let mut covered = Self::default();
        let mut words = numbers.split(' ');
        for count in covered.counts() {
            *count = words.next()?.parse().ok()?;
        }
        words.next().is_none().then_some(covered)
    }

    fn counts(&mut self) -> [&mut u64; 15] {
        let Self {
            granted,
            revoked,
            unknown,
            allowed,
            denied,
            waited,
            led,
            unanswered,
            timed,
            allowed_in_time,
            snapshots,
            powerless,
            faults,
            met_leader,
            met_holder,
        } = self;
        [
            granted,
            revoked,
            unknown,
            allowed,
            denied,
            waited,
            led,
            unanswered,
            timed,
            allowed_in_time,
            snapshots,
            powerless,
            faults,
            met_leader,
            met_holder,
        ]
    }

    /// What is missing for so many runs to prove anything.
    pub fn missing(&self, runs: u64) -> Vec<String> {
        // In ten runs.
        let least = [
            ("revocations that were acknowledged", self.revoked, 300),
            ("allows by a lease", self.allowed, 1_500),
            ("denials by a lease", self.denied, 1_500),
            ("allows of grants for a time", self.allowed_in_time, 300),
            ("snapshots that were installed", self.snapshots, 5),
            ("states that lost their ends", self.powerless, 8),
            ("faults that met the leader", self.met_leader, 10),
            ("faults that met a holder", self.met_holder, 20),
        ];
        let missing = least.into_iter().filter(|(_, count, least)| count * 10 < least * runs);
        missing.map(|(what, count, least)| format!("{count} {what}, and {} are the least", least * runs / 10)).collect()
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, mut other: Self) {
        for (count, more) in self.counts().into_iter().zip(other.counts()) {
            *count += *more;
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { granted, revoked, unknown, allowed, denied, waited, led, unanswered, .. } = self;
        write!(f, "{granted} grants and {revoked} revocations acknowledged, {unknown} unknown; ")?;
        write!(f, "{allowed} allows and {denied} denials by lease, {waited} waited, {led} by the leader, ")?;
        write!(f, "{unanswered} unanswered; ")?;
        let Self { timed, allowed_in_time, snapshots, powerless, .. } = self;
        write!(f, "{timed} grants for a time, allowed {allowed_in_time} times; {snapshots} snapshots installed; ")?;
        write!(f, "{powerless} states lost their ends; ")?;
        let Self { faults, met_leader, met_holder, .. } = self;
        write!(f, "{faults} faults, {met_leader} met the leader, {met_holder} a holder")
    }
}
