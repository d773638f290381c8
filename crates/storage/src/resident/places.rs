//! Where things stand in a list, by what they are called.
//!
//! Only hashes and places are kept here, in small flat buckets; the names stand in the list, and whoever looks compares
//! them there. So a place costs ten bytes, and a change copies a bucket without a look at any name.
//!
//! The buckets grow one at a time (linear hashing): each new one takes its share of one other, so that no change has to
//! move more than two buckets.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::vector::Vector;

/// How many places a bucket holds, on average.
const LOAD: usize = 16;
/// What a bucket and what holds it take besides its places.
const BUCKET_BYTES: usize = 48;

/// The hash of a name. Few names have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(pub(super) u32);

impl Hash {
    pub(super) fn of(name: &str) -> Self {
        Self::folded(FixedState::default().hash_one(name))
    }

    /// The hash of a name of a kind: the same name may be there for every kind.
    pub(super) fn of_kind(kind: u32, name: &str) -> Self {
        let mut hasher = FixedState::default().build_hasher();
        hasher.write_u32(kind);
        hasher.write(name.as_bytes());
        Self::folded(hasher.finish())
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are in what is kept")]
    fn folded(hash: u64) -> Self {
        Self((hash ^ (hash >> 32)) as u32)
    }
}

/// Places by the hash of their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    buckets: Vector<Arc<[Entry]>>,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    hash: Hash,
    place: u32,
}

impl Places {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.len * size_of::<Entry>() + self.buckets.len() * BUCKET_BYTES
    }

    /// The place of a name; `is_it` says whether the name at a place is the one that is sought.
    pub(super) fn find(&self, hash: Hash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let bucket = self.buckets.get(self.bucket_of(hash))?;
        bucket.iter().filter(|entry| entry.hash == hash).map(|entry| entry.place).find(|place| is_it(*place))
    }

    /// Adds a place of a name that has none.
    pub(super) fn add(&mut self, hash: Hash, place: u32) {
        if self.len >= self.buckets.len() * LOAD {
            self.grow();
        }
        let added = [Entry { hash, place }];
        self.buckets.replace(self.bucket_of(hash), |bucket| *bucket = bucket.iter().chain(&added).copied().collect());
        self.len += 1;
    }

    /// Takes away a place that was added.
    pub(super) fn remove(&mut self, hash: Hash, place: u32) {
        let taken = Entry { hash, place };
        self.buckets.replace(self.bucket_of(hash), |bucket| {
            let others: Arc<[Entry]> = bucket.iter().copied().filter(|entry| *entry != taken).collect();
            assert!(others.len() + 1 == bucket.len(), "INVARIANT: what is taken away was added, once");
            *bucket = others;
        });
        self.len -= 1;
    }

    /// The bucket of a hash: as many of its bits as tell the buckets apart, one less where the bucket is not there yet.
    fn bucket_of(&self, hash: Hash) -> usize {
        let (all, hash) = (self.buckets.len(), hash.0 as usize);
        let mask = all.next_power_of_two() - 1;
        let bucket = hash & mask;
        if bucket < all { bucket } else { bucket & (mask >> 1) }
    }

    /// Adds a bucket, with its share of the one from which it is told apart by one more bit.
    fn grow(&mut self) {
        let added = self.buckets.len();
        self.buckets.push(Arc::new([]));
        let Some(bit) = added.checked_ilog2() else { return };
        let shared = added - (1 << bit);
        let all = self.buckets.replace(shared, |bucket| std::mem::replace(bucket, Arc::new([])));
        let (moved, kept): (Vec<Entry>, Vec<Entry>) = all.iter().partition(|entry| self.bucket_of(entry.hash) == added);
        self.buckets.replace(shared, |bucket| *bucket = kept.into());
        self.buckets.replace(added, |bucket| *bucket = moved.into());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dice::{self, Dice};

    #[test]
    fn names_with_the_same_hash_are_told_apart() {
        let names = ["a", "b", "c"];
        let (mut places, same) = (Places::default(), Hash(7));
        let find =
            |places: &Places, name: &str| places.find(same, |place| names[usize::try_from(place).unwrap()] == name);
        for place in 0..3 {
            places.add(same, place);
        }
        places.add(Hash(8), 9);
        let older = places.clone();
        assert_eq!(names.map(|name| find(&places, name)), [Some(0), Some(1), Some(2)]);
        places.remove(same, 1);
        assert_eq!(names.map(|name| find(&places, name)), [Some(0), None, Some(2)]);
        places.remove(same, 0);
        assert_eq!((names.map(|name| find(&places, name)), places.len()), ([None, None, Some(2)], 2));
        places.remove(same, 2);
        places.add(same, 1);
        assert_eq!(names.map(|name| find(&places, name)), [None, Some(1), None]);
        assert_eq!((names.map(|name| find(&older, name)), older.len()), ([Some(0), Some(1), Some(2)], 4));
        assert_eq!(places.find(Hash(8), |place| place == 9), Some(9));
        assert_eq!(places.find(Hash(9), |_| true), None);
    }

    /// `PLACES_SEED` makes other sequences.
    #[test]
    fn places_are_those_of_a_plain_map_and_versions_never_change() {
        for seed in dice::seeds("PLACES_SEED", 4) {
            println!("replay with PLACES_SEED={seed}");
            let (mut dice, mut places, mut plain) = (Dice(seed), Places::default(), BTreeMap::new());
            let mut kept = Vec::new();
            for turn in 0..6_000_u32 {
                let name = dice.below(4_000);
                let hash = Hash::of_kind(0, &name.to_string());
                match plain.get(&name).copied() {
                    Some((_, place)) if dice.below(3) == 0 => {
                        places.remove(hash, place);
                        plain.remove(&name);
                    }
                    Some(_) => {}
                    None => {
                        places.add(hash, turn);
                        plain.insert(name, (hash, turn));
                    }
                }
                if turn % 1_500 == 1_499 {
                    kept.push((places.clone(), plain.clone()));
                }
            }
            for (places, plain) in kept {
                assert_eq!(places.len(), plain.len());
                let most = places.buckets.get(0).map_or(0, |bucket| bucket.len());
                assert!(places.buckets.len() > 50 && most < 10 * LOAD, "{} buckets, {most}", places.buckets.len());
                for (hash, place) in plain.values() {
                    assert_eq!(places.find(*hash, |found| found == *place), Some(*place));
                    assert_eq!(places.find(*hash, |_| false), None);
                }
            }
        }
    }
}
