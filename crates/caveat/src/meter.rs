//! The budget of an evaluation.

use crate::error::Error;
use crate::limit;

/// How many steps an evaluation has left.
#[derive(Debug)]
pub(crate) struct Meter {
    left: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { left: limit::STEPS_MAX }
    }

    /// Takes steps; fails when there are none left.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), Box<Error>> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Box::new(Error::CostExceeded { most: limit::STEPS_MAX })),
        }
    }

    /// How many were taken.
    pub(crate) fn taken(&self) -> u64 {
        limit::STEPS_MAX - self.left
    }
}

/// Bytes that are looked at in one step.
pub(crate) const STEP_BYTES: u64 = 64;

/// What it takes to look at so many bytes.
pub(crate) fn bytes_steps(bytes: usize) -> u64 {
    bytes as u64 / STEP_BYTES
}

/// What it takes to try a pattern on a text: an automaton may have to look at each of its states for each byte.
pub(crate) fn match_steps(states: u64, bytes: u64) -> u64 {
    states.saturating_mul(bytes) / 16
}

/// What it takes to compile a pattern that is not known beforehand.
pub(crate) const PATTERN_STEPS: u64 = 10_000;
