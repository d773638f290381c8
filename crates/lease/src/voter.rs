//! The voter's side: what it promises with a vote (R8).

use std::time::Duration;

use portcullis_fault::{Fault, Faults};

use crate::clock::Reading;

/// When a voter last helped a leader, in this start of its process.
///
/// A leader of an older epoch can have been confirmed no later than that, so its leases run out no later than a lease
/// length after it. What happened before the start is not remembered, so nothing is promised until something is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Voter {
    helped: Option<Reading>,
    leads: bool,
    faults: Faults,
}

impl Voter {
    /// Notes that it answered a round, an append or a snapshot of some leader.
    pub fn answered(&mut self, now: Reading) {
        self.helped = Some(now);
        self.leads = false;
    }

    /// Notes that it leads. While it does it confirms itself.
    pub fn led(&mut self) {
        self.leads = true;
    }

    /// Notes that it has stopped to lead, which it still did at `now`.
    pub fn stepped_down(&mut self, now: Reading) {
        if self.leads && !self.faults.has(Fault::SilentLeader) {
            self.helped = Some(now);
        }
        self.leads = false;
    }

    /// The lazy time since it last helped a leader, to be sent with a vote for another. Zero when it led itself, or
    /// has helped nobody since it started.
    pub fn silent(&self, now: &Reading) -> Duration {
        if self.leads && !self.faults.has(Fault::SilentLeader) {
            return Duration::ZERO;
        }
        match self.helped {
            Some(helped) => now.lazy_since(&helped),
            None if self.faults.has(Fault::SilentRestart) => Duration::MAX,
            None => Duration::ZERO,
        }
    }

    /// Remembers no more than `length` of silence. It decides nothing where every fence is shorter.
    pub fn forget(&mut self, now: &Reading, length: Duration) {
        if self.helped.is_some_and(|helped| now.lazy_since(&helped) > length) {
            self.helped = Some(now.aged(&Reading { boot: length, raw: length, monotonic: length }));
        }
    }

    /// Ages what is remembered; see [`Reading::aged`].
    pub fn aged(self, by: &Reading) -> Self {
        Self { helped: self.helped.map(|helped| helped.aged(by)), ..self }
    }

    /// The same with a rule broken, if `faults` says so.
    pub fn broken_by(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Reading {
        let time = Duration::from_millis(millis);
        Reading { boot: time, raw: time, monotonic: time }
    }

    #[test]
    fn r8_a_voter_promises_only_what_it_remembers() {
        let mut voter = Voter::default();
        assert_eq!(voter.silent(&at(500)), Duration::ZERO);
        voter.answered(at(500));
        assert_eq!(voter.silent(&at(700)), Duration::from_millis(200));
    }

    #[test]
    fn r8_a_voter_that_led_promises_nothing() {
        let mut voter = Voter::default();
        voter.answered(at(100));
        voter.led();
        assert_eq!(voter.silent(&at(700)), Duration::ZERO);
        voter.stepped_down(at(800));
        assert_eq!(voter.silent(&at(900)), Duration::from_millis(100));
    }
}
