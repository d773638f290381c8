//! Sets of parameters that are missing.

use crate::limit;

/// A set of parameters by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    words: [u64; limit::PARAMETERS_MAX / 64],
}

impl Missing {
    pub(crate) fn one(number: usize) -> Self {
        let mut missing = Self::default();
        missing.words[number / 64] = 1 << (number % 64);
        missing
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(other.words) {
            *word |= more;
        }
    }

    pub(crate) fn has(&self, number: usize) -> bool {
        self.words[number / 64] >> (number % 64) & 1 == 1
    }
}
