//! Chance for tests: numbers that look random and are the same every time.

/// A sequence of numbers (splitmix64) from a seed, which a failing run prints.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from zero up to, and not including, `most`.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let most = u64::try_from(most).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % most).unwrap()
    }

    /// One of some things.
    pub(crate) fn one_of<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())].clone()
    }
}

/// The seeds of a test: `count` of them from a fixed one, or from that in the environment variable `name`.
pub(crate) fn seeds(name: &str, count: u64) -> std::ops::Range<u64> {
    let first = std::env::var(name).map_or(7, |seed| seed.parse().expect("a number"));
    first..first + count
}
