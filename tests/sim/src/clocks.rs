//! The clocks of a simulated machine: they start anywhere, run at rates of their own, are steered, jump, and stand still.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_consensus::clock::{Clock, Reading};
use portcullis_model::Timestamp;

use crate::time::Truth;

/// How far two machines may run apart is one per cent, so each may be off by half of that, and a little less.
pub const PPM_MAX: i64 = 4_900;

/// What a wall clock that is right shows when the simulation begins, in milliseconds since 1970.
const WALL_MS: i64 = 1_700_000_000_000;

/// One of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// `CLOCK_BOOTTIME`.
    Boot,
    /// `CLOCK_MONOTONIC_RAW`.
    Raw,
    /// `CLOCK_MONOTONIC`.
    Monotonic,
    /// The wall clock.
    Wall,
}

/// How long a machine stood still, by its own clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stood {
    /// The process was stopped: all clocks went on.
    Process,
    /// The machine was suspended: only `CLOCK_BOOTTIME` and the wall clock went on.
    Machine,
}

/// The clocks of one machine.
pub struct Clocks {
    truth: Arc<Truth>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// When the hands were as in `hands`.
    anchor: Duration,
    /// Nanoseconds of each hand, in the order of [`Hand`].
    hands: [i128; 4],
    /// How much faster than true time each hand runs, in parts per million.
    ppm: [i64; 4],
    stands: bool,
}

impl Clocks {
    /// Clocks that are off by `offset` and run faster than true time by `ppm`.
    pub fn new(truth: Arc<Truth>, offset: Duration, ppm: i64) -> Arc<Self> {
        let start = |base: Duration| i128::try_from(base.as_nanos()).expect("INVARIANT: it is small");
        let hands = [start(offset * 3), start(offset * 2), start(offset), i128::from(WALL_MS) * 1_000_000];
        let state = State { anchor: truth.now(), hands, ppm: [ppm; 4], stands: false };
        Arc::new(Self { truth, state: Mutex::new(state) })
    }

    /// What a wall clock that is right shows so many milliseconds after the simulation began.
    pub fn true_wall(now_ms: u64) -> Timestamp {
        Timestamp(WALL_MS).plus_ms(now_ms)
    }

    /// Sets the wall clock, so that it is off by so many milliseconds.
    pub fn set_wall(&self, off_ms: i64) {
        let now = i128::try_from(self.truth.now().as_nanos()).expect("INVARIANT: it is small");
        self.at_present().hands[Hand::Wall as usize] = now + i128::from(WALL_MS + off_ms) * 1_000_000;
    }

    /// Changes how fast all hands run.
    pub fn run_at(&self, ppm: i64) {
        let mut state = self.at_present();
        state.ppm = [ppm; 4];
    }

    /// Changes how fast `CLOCK_MONOTONIC` runs, as a clock daemon may.
    pub fn steer(&self, ppm: i64) {
        let mut state = self.at_present();
        state.ppm[Hand::Monotonic as usize] = state.ppm[Hand::Raw as usize] + ppm;
    }

    /// Moves one hand.
    pub fn jump(&self, hand: Hand, by_ms: i64) {
        let mut state = self.at_present();
        let hand = &mut state.hands[hand as usize];
        *hand = (*hand + i128::from(by_ms) * 1_000_000).max(0);
    }

    /// Moves all hands that measure elapsed time.
    pub fn jump_all(&self, by_ms: i64) {
        for hand in [Hand::Boot, Hand::Raw, Hand::Monotonic] {
            self.jump(hand, by_ms);
        }
    }

    /// Whoever reads the clocks sees them stand still until [`Clocks::go_on`].
    pub fn stand_still(&self) {
        self.at_present().stands = true;
    }

    /// The clocks go on, and show for how long they stood still what the machine would.
    pub fn go_on(&self, stood: Stood) {
        let mut state = self.state();
        let still = state.hands;
        state.stands = false;
        drop(state);
        let mut state = self.at_present();
        if stood == Stood::Machine {
            state.hands[Hand::Raw as usize] = still[Hand::Raw as usize];
            state.hands[Hand::Monotonic as usize] = still[Hand::Monotonic as usize];
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("INVARIANT: nothing panics while holding the clocks")
    }

    /// The state with its hands as they are now.
    fn at_present(&self) -> MutexGuard<'_, State> {
        let now = self.truth.now();
        let mut state = self.state();
        if !state.stands {
            // Within a step, hosts run one after another, so another host's time may be a little later.
            let passed = i128::try_from(now.saturating_sub(state.anchor).as_nanos()).expect("INVARIANT: it is small");
            let State { hands, ppm, .. } = &mut *state;
            for (hand, ppm) in hands.iter_mut().zip(ppm) {
                *hand += passed + passed * i128::from(*ppm) / 1_000_000;
            }
            state.anchor = state.anchor.max(now);
        }
        state
    }

    fn hand(state: &State, hand: Hand) -> Duration {
        Duration::from_nanos(u64::try_from(state.hands[hand as usize]).unwrap_or(0))
    }
}

impl Clock for Clocks {
    fn read(&self) -> Reading {
        let state = self.at_present();
        let hand = |hand| Self::hand(&state, hand);
        Reading { boot: hand(Hand::Boot), raw: hand(Hand::Raw), monotonic: hand(Hand::Monotonic) }
    }

    fn wall(&self) -> Timestamp {
        let wall = Self::hand(&self.at_present(), Hand::Wall).as_millis();
        Timestamp(i64::try_from(wall).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clocks(ppm: i64) -> (Arc<Truth>, Arc<Clocks>) {
        let truth = Arc::new(Truth::default());
        (Arc::clone(&truth), Clocks::new(truth, SECOND * 100, ppm))
    }

    #[test]
    fn hands_run_at_their_rates() {
        let (truth, clocks) = clocks(4_000);
        let start = clocks.read();
        truth.begin_step(SECOND);
        clocks.steer(-80_000);
        truth.begin_step(SECOND * 2);
        let now = clocks.read();
        assert_eq!(now.eager_since(&start), Some(Duration::from_millis(2_008)));
        assert_eq!(now.lazy_since(&start), Duration::from_millis(1_928));
    }

    #[test]
    fn a_suspended_machine_knows_it_by_one_clock() {
        let (truth, clocks) = clocks(0);
        let start = clocks.read();
        clocks.stand_still();
        truth.begin_step(SECOND);
        assert_eq!(clocks.read(), start);
        clocks.go_on(Stood::Machine);
        let woken = clocks.read();
        assert_eq!(woken.boot, start.boot + SECOND);
        assert_eq!(woken.raw, start.raw);
        clocks.stand_still();
        truth.begin_step(SECOND * 2);
        clocks.go_on(Stood::Process);
        assert_eq!(clocks.read().lazy_since(&woken), SECOND);
    }

    #[test]
    fn hands_jump() {
        let (_, clocks) = clocks(0);
        let start = clocks.read();
        clocks.jump_all(-500);
        assert_eq!(clocks.read().eager_since(&start), None);
    }
}
