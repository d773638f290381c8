//! Names, interned: a name's number is its place in a list, and a name stays once it was mentioned.

use std::iter;
use std::sync::Arc;

use portcullis_eval::{Keys, RelationKey, TypeKey};
use portcullis_model::TypeName;

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

/// The names of types, and those of relations and permissions.
#[derive(Clone, Debug)]
pub(super) struct SchemaNames {
    types: Names,
    relations: Names,
}

impl Default for SchemaNames {
    fn default() -> Self {
        let mut relations = Names::default();
        for name in iter::once("").chain(RelationKey::FIXED) {
            relations.intern(name);
        }
        Self { types: Names::default(), relations }
    }
}

impl SchemaNames {
    pub(super) fn object_type(&self, name: &TypeName) -> Option<TypeKey> {
        self.types.key(name.as_str()).map(TypeKey)
    }

    pub(super) fn relation(&self, name: &str) -> Option<RelationKey> {
        self.relations.key(name).map(RelationKey)
    }

    pub(super) fn relation_name(&self, relation: RelationKey) -> &Arc<str> {
        self.relations.name(relation.0)
    }

    pub(super) fn types_end(&self) -> u32 {
        self.types.end()
    }

    pub(super) fn relations_end(&self) -> u32 {
        self.relations.end()
    }
}

impl Keys for SchemaNames {
    fn type_key(&mut self, name: &TypeName) -> TypeKey {
        TypeKey(self.types.intern(name.as_str()))
    }

    fn relation_key(&mut self, name: &str) -> RelationKey {
        RelationKey(self.relations.intern(name))
    }
}
