//! Chance that is the same every time, so that a world of a size is always the same world.

/// A sequence of numbers (splitmix64) from a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number from zero up to, and not including, `most`.
    pub(super) fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(most)).expect("INVARIANT: less than a number of 32 bits")
    }

    /// The nth number of a sequence of its own, without those before it.
    pub(super) fn nth(seed: u64, nth: u32, most: u32) -> u32 {
        Self(seed << 40 | u64::from(nth)).below(most)
    }
}
