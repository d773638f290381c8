//! Where something stood in the text that it was compiled from.

use std::ops::Range;

/// Where something stood in the text that it was compiled from.
///
/// All places are equal: schemas that say the same are equal, however their texts are laid out. One that is empty stands
/// for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    start: u32,
    end: u32,
}

impl Place {
    /// INVARIANT: no text is longer than `limit::TEXT_BYTES_MAX`, so offsets fit.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let fit = |at: usize| u32::try_from(at).expect("offsets of a schema fit into 32 bits");
        Self { start: fit(start), end: fit(end) }
    }

    /// From the first to the last of both.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// The bytes of the text.
    pub fn span(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The line and the column, in characters, where it begins in the text that was compiled, both from 1. In another
    /// text they mean nothing.
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = text.get(..self.start as usize).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}
