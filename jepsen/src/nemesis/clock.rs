//! `clock` and `clock-far`: wall clocks jump and run at another rate; clocks that measure elapsed time stay as they are.
//!
//! `clock` keeps each wall clock within the error that nodes are told to reckon with, so everything that is promised has to hold.
//! `clock-far` goes beyond it, for which nothing is promised about grants with a start or an end. No revocation depends on a wall
//! clock, so what is promised about those has to hold all the same.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How far a clock jumps that stays within the error that nodes reckon with by default, which is 250 ms.
const NEAR_MS: (i64, i64) = (20, 220);
/// How much faster or slower one runs that does, in thousandths. The longest fault makes 200 ms of that.
const NEAR_PER_MILLE: (i64, i64) = (2, 20);
/// How far a clock jumps that does not: beyond what the leader notices, a minute, an hour, a day.
const FAR_MS: [i64; 5] = [1_000, 5_000, 60_000, 3_600_000, 86_400_000];
/// How much of its speed one has that does not, in thousandths.
const FAR_PER_MILLE: [i64; 4] = [-900, -500, 1_000, 9_000];

/// Within the error that nodes reckon with.
pub(super) struct Near;
/// Beyond it.
pub(super) struct Far;

/// What a wall clock does.
#[derive(Clone, Copy, Debug)]
enum Moves {
    /// It jumps by so many milliseconds, and back.
    Jump(i64),
    /// It runs faster by so many thousandths.
    Run(i64),
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Error {
    /// The clock is as right as nodes reckon with.
    Within,
    /// It is not. A leader that notices has to say so, and hand over.
    Beyond,
}

#[derive(Clone, Copy, Debug)]
struct Wall(Whom, Moves, Error);

impl Kind for Near {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn describe(&self) -> &'static str {
        "the wall clock of the leader, a lease holder or anybody jumps or runs at another rate, within the error nodes reckon with"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::WallClocks]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (1_000, 10_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let sign = if dice.random_bool(0.5) { 1 } else { -1 };
        let moves = if dice.random_bool(0.5) {
            Moves::Jump(sign * dice.random_range(NEAR_MS.0..=NEAR_MS.1))
        } else {
            Moves::Run(sign * dice.random_range(NEAR_PER_MILLE.0..=NEAR_PER_MILLE.1))
        };
        Arc::new(Wall(whom, moves, Error::Within))
    }
}

impl Kind for Far {
    fn name(&self) -> &'static str {
        "clock-far"
    }

    fn describe(&self) -> &'static str {
        "the same, by a second to a day, and at a tenth of the rate to ten times of it"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::WallClocks]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (1_000, 10_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let sign = if dice.random_bool(0.5) { 1 } else { -1 };
        let choice = "INVARIANT: there is a choice";
        let moves = match dice.random_range(0..3) {
            0 => Moves::Run(*FAR_PER_MILLE.choose(dice).expect(choice)),
            _ => Moves::Jump(sign * FAR_MS.choose(dice).expect(choice)),
        };
        Arc::new(Wall(whom, moves, Error::Beyond))
    }
}

impl Fault for Wall {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, moves, error) = *self;
        let victims = chooser.choose(whom);
        let what = match moves {
            Moves::Jump(ms) => format!("let the wall clock of {} jump by {ms} ms", nodes(&victims)),
            Moves::Run(per_mille) => {
                let percent = seconds(per_mille) * 100.0;
                format!("let the wall clock of {} run faster by {percent:.1} %", nodes(&victims))
            }
        };
        Blow { victims, what, act: Box::new(Moving { moves, error }) }
    }
}

struct Moving {
    moves: Moves,
    error: Error,
}

impl Act for Moving {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        for node in &*victims {
            if self.error == Error::Beyond {
                field.excuse(*node)?;
            }
            match self.moves {
                Moves::Jump(ms) => field.cluster.rig.clocks()?.jump(*node, seconds(ms))?,
                Moves::Run(per_mille) => field.cluster.rig.clocks()?.run_at(*node, 1.0 + seconds(per_mille))?,
            }
        }
        Ok(())
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        for node in victims {
            field.cluster.rig.clocks()?.put_right(*node)?;
            if self.error == Error::Beyond {
                field.excuse_no_more(*node)?;
                field.revive(*node)?;
            }
        }
        // That the clock of each node moves was seen before it had a part in anything.
        Ok(if victims.is_empty() { Bite::Nothing("nobody had a clock".to_owned()) } else { Bite::Bit })
    }
}

/// Thousandths as a fraction.
fn seconds(thousandths: i64) -> f64 {
    f64::from(i32::try_from(thousandths).unwrap_or(i32::MAX)) / 1_000.0
}
