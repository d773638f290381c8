//! Names, interned: a name's number is its place in a list, and a name stays once it was mentioned.

use std::sync::Arc;

use super::places::{Hash, Places};

/// Names by number, and numbers by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: imbl::Vector<Arc<str>>,
    places: Places,
}

impl Names {
    /// The number of a name.
    pub(super) fn key(&self, name: &str) -> Option<u32> {
        self.find(Hash::of(name), name)
    }

    /// The name of a number.
    pub(super) fn name(&self, key: u32) -> &Arc<str> {
        &self.names[key as usize]
    }

    /// The first number that stands for no name.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.names.len()).expect("INVARIANT: fewer than 2^32 names in a tenant")
    }

    pub(super) fn intern(&mut self, name: &str) -> u32 {
        let hash = Hash::of(name);
        if let Some(key) = self.find(hash, name) {
            return key;
        }
        let key = self.end();
        self.names.push_back(Arc::from(name));
        self.places.add(hash, key);
        key
    }

    fn find(&self, hash: Hash, name: &str) -> Option<u32> {
        self.places.find(hash, |place| **self.name(place) == *name)
    }
}
