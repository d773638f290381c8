//! What is certain and what is possible.

/// An answer as a pair: whether it is certainly yes, and whether it is possibly yes.
///
/// INVARIANT: what is certain is possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounds {
    /// Yes, whatever becomes of what is uncertain.
    pub lower: bool,
    /// Yes, if all that is uncertain turns out so.
    pub upper: bool,
}

impl Bounds {
    /// Certainly yes.
    pub const YES: Self = Self { lower: true, upper: true };
    /// Certainly no.
    pub const NO: Self = Self { lower: false, upper: false };
    /// Possibly yes.
    pub const MAYBE: Self = Self { lower: false, upper: true };

    /// Yes if either is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { lower: self.lower || other.lower, upper: self.upper || other.upper }
    }

    /// Yes if both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { lower: self.lower && other.lower, upper: self.upper && other.upper }
    }

    /// The answer, where the bounds agree.
    pub fn decided(self) -> Option<bool> {
        (self.lower == self.upper).then_some(self.upper)
    }
}
