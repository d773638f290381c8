//! Whether the clocks of one node run alike.
//!
//! Everything rests on clocks that drift apart by no more than a bound, and that cannot be seen from inside one clock. But
//! each machine has two that are driven differently: one follows the clock daemon, and one does not. Where these two drift
//! apart by more than the bound, one of them is wrong, and nobody knows which.
//!
//! A step of one clock alone is another matter: a machine was suspended, or a clock was set. Leases are counted by the clock
//! that went further, so a step says nothing about how clocks run, and is left out.

use std::time::Duration;

use crate::clock::Reading;
use crate::parameters::Drift;

/// The shortest time over which clocks are compared. Looking at both takes time, too.
const COMPARED_MIN: Duration = Duration::from_secs(5);
/// The longest, so that what was long ago does not hide what is now.
const COMPARED_MAX: Duration = Duration::from_mins(1);
/// What may lie between looking at one clock and at the other, on a busy machine.
const BETWEEN_LOOKS_MAX: Duration = Duration::from_millis(100);

/// How the clocks of this node have run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agreement {
    /// From when on they are compared.
    since: Option<Reading>,
    /// The last look.
    seen: Option<Reading>,
    found: Option<Disagreement>,
}

/// The clocks drift apart by more than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clocks of this node disagree: {boot:?} by CLOCK_BOOTTIME are {raw:?} by CLOCK_MONOTONIC_RAW")]
pub struct Disagreement {
    /// The time that has passed by one clock.
    pub boot: Duration,
    /// The same by the other.
    pub raw: Duration,
}

impl Agreement {
    /// Looks at the clocks, and says whether they agree as far as is known. To be called often: what passes between two looks
    /// counts as a step of one clock if it is more than [`BETWEEN_LOOKS_MAX`].
    pub fn look(&mut self, now: &Reading, drift: Drift) -> Result<(), Disagreement> {
        let is_step = self.seen.replace(*now).and_then(|seen| passed(&seen, now)).is_none_or(|passed| {
            let Disagreement { boot, raw } = passed;
            boot.abs_diff(raw) > BETWEEN_LOOKS_MAX
        });
        let compared = self.since.filter(|_| !is_step).and_then(|since| passed(&since, now));
        let Some(Disagreement { boot, raw }) = compared else {
            self.since = Some(*now);
            return self.known();
        };
        let (shorter, longer) = (boot.min(raw), boot.max(raw));
        if shorter >= COMPARED_MIN {
            let disagrees = longer > drift.longest(shorter) + BETWEEN_LOOKS_MAX;
            self.found = disagrees.then_some(Disagreement { boot, raw });
        }
        if shorter >= COMPARED_MAX {
            self.since = Some(*now);
        }
        self.known()
    }

    fn known(&self) -> Result<(), Disagreement> {
        self.found.map_or(Ok(()), Err)
    }
}

/// What has passed by each clock; `None` if one went backwards.
fn passed(since: &Reading, now: &Reading) -> Option<Disagreement> {
    Some(Disagreement { boot: now.boot.checked_sub(since.boot)?, raw: now.raw.checked_sub(since.raw)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK_EVERY_MS: u64 = 100;

    /// Clocks that run at rates in hundredths, looked at for so long.
    struct Clocks {
        agreement: Agreement,
        now: Reading,
    }

    impl Clocks {
        fn new() -> Self {
            Self { agreement: Agreement::default(), now: Reading::default() }
        }

        fn run(&mut self, seconds: u64, boot: u32, raw: u32) -> Result<(), Disagreement> {
            let step = Duration::from_millis(LOOK_EVERY_MS);
            let mut known = Ok(());
            for _ in 0..seconds * 1_000 / LOOK_EVERY_MS {
                self.now.boot += step * boot / 100;
                self.now.raw += step * raw / 100;
                known = self.agreement.look(&self.now, Drift::DEFAULT);
            }
            known
        }
    }

    #[test]
    fn clocks_that_drift_apart_by_more_than_the_bound_disagree() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.run(4, 100, 105), Ok(()), "too soon to say");
        let disagreement = clocks.run(6, 100, 105).unwrap_err();
        assert!(disagreement.to_string().starts_with("the clocks of this node disagree: 9."), "{disagreement}");
        assert!(Clocks::new().run(30, 105, 100).is_err(), "either may be the one that is wrong");
        assert_eq!(Clocks::new().run(200, 101, 100), Ok(()), "as far as they may");
    }

    #[test]
    fn clocks_that_run_alike_again_agree_again() {
        let mut clocks = Clocks::new();
        assert!(clocks.run(20, 110, 100).is_err());
        assert_eq!(clocks.run(130, 100, 100), Ok(()));
    }

    #[test]
    fn a_step_of_one_clock_is_no_disagreement() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.run(20, 100, 100), Ok(()));
        // The machine was suspended, which one of them does not see.
        clocks.now.boot += Duration::from_hours(1);
        assert_eq!(clocks.run(20, 100, 100), Ok(()));
        // It was set back.
        clocks.now.raw -= Duration::from_secs(5);
        assert_eq!(clocks.run(20, 100, 100), Ok(()));
        assert!(clocks.run(20, 100, 107).is_err(), "it is noticed afterwards, too");
    }
}
