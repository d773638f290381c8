//! Where things stand in a list, by what they are called.
//!
//! A node of a persistent map is copied whenever something in it changes, and each name in it would cost two trips to
//! memory, one to count it in the copy and one to count it out of the old node. So the map holds hashes and places only;
//! the names stand in the list, and whoever looks compares them there.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Map;

/// The hash of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(pub(super) u64);

impl Hash {
    pub(super) fn of(name: &str) -> Self {
        Self(FixedState::default().hash_one(name))
    }
}

/// Places by the hash of their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    by_hash: Map<u64, Place>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Place {
    One(u32),
    /// Of names with the same hash.
    Many(Arc<[u32]>),
}

impl Place {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl Places {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of a name; `is_it` says whether the name at a place is the one that is sought.
    pub(super) fn find(&self, hash: Hash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.by_hash.get(&hash.0)?.as_slice().iter().copied().find(|place| is_it(*place))
    }

    /// Adds a place of a name that has none.
    pub(super) fn add(&mut self, hash: Hash, place: u32) {
        let all = match self.by_hash.get(&hash.0) {
            None => Place::One(place),
            Some(others) => Place::Many(others.as_slice().iter().copied().chain([place]).collect()),
        };
        self.by_hash.insert(hash.0, all);
        self.len += 1;
    }

    /// Takes away a place that was added.
    pub(super) fn remove(&mut self, hash: Hash, place: u32) {
        let all = self.by_hash.get(&hash.0).map(Place::as_slice).unwrap_or_default();
        let others: Arc<[u32]> = all.iter().copied().filter(|other| *other != place).collect();
        assert!(others.len() + 1 == all.len(), "INVARIANT: what is taken away was added, once");
        match *others {
            [] => self.by_hash.remove(&hash.0),
            [one] => self.by_hash.insert(hash.0, Place::One(one)),
            [..] => self.by_hash.insert(hash.0, Place::Many(others)),
        };
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
