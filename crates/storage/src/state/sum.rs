//! The state hash: a sum over rows, so that one change costs one addition and not a walk over everything.
//!
//! Each row is hashed with SHA-256 and the digests are added up, lane by lane and modulo 2^64. Equal sets of rows have
//! equal sums whatever the order in which they came. The sum finds copies that have come apart by accident; against
//! somebody who forges rows on purpose stands the audit log, not this.

use sha2::{Digest, Sha256};

const LANES: usize = 4;

/// A sum of row digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum([u64; LANES]);

impl Sum {
    /// The sum of one row.
    pub fn of_row(key: &[u8], value: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update((key.len() as u64).to_be_bytes());
        hasher.update(key);
        hasher.update(value);
        let digest: [u8; 32] = hasher.finalize().into();
        Self::from_bytes(digest)
    }

    /// Adds rows.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    /// Takes rows away.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_sub(other.0[lane])))
    }

    /// The sum as stored and shown.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&lane.to_be_bytes());
        }
        bytes
    }

    /// The sum from its stored form.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (lanes, _) = bytes.as_chunks::<8>();
        Self(std::array::from_fn(|lane| u64::from_be_bytes(lanes[lane])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_removal_undoes() {
        let (a, b) = (Sum::of_row(b"a", b"1"), Sum::of_row(b"b", b"2"));
        assert_eq!(a.plus(b), b.plus(a));
        assert_eq!(a.plus(b).minus(b), a);
        assert_ne!(Sum::of_row(b"ab", b"c"), Sum::of_row(b"a", b"bc"));
        assert_eq!(Sum::from_bytes(a.to_bytes()), a);
    }
}
