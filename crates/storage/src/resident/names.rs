//! Names, interned: a name's number is its place in a list, and a name stays once it was mentioned.
//!
//! Of objects there are many, and their names are read by people only, or compared. So sixteen of them share one piece
//! of memory, without their types, which are numbers elsewhere.

use std::iter;
use std::sync::Arc;

use portcullis_eval::{Keys, RelationKey, TypeKey};
use portcullis_model::TypeName;

use super::places::{Hash, Places};
use super::vector::Vector;

/// What stands for all objects of a type, where the id of one stands otherwise.
pub(super) const WILDCARD: &str = "*";
/// How many ids share a block.
const IDS: usize = 16;
/// What a block and what holds it take besides its ids.
const BLOCK_BYTES: usize = 56;

/// The ids of objects by number, and the numbers of objects by type and id.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    /// For each id where it ends behind the heads, and the ids.
    blocks: Vector<Arc<[u8]>>,
    places: Places,
    bytes: usize,
}

/// Where an id ends.
type Head = [u8; 2];
const HEADS: usize = IDS * size_of::<Head>();

impl Ids {
    /// How many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.blocks.len() * BLOCK_BYTES + self.places.bytes()
    }

    /// The number of an object; `is_type` says whether the object with a number has the type.
    pub(super) fn find(&self, object_type: TypeKey, id: &str, is_type: impl Fn(u32) -> bool) -> Option<u32> {
        let is_it = |object| self.bytes_of(object) == id.as_bytes() && is_type(object);
        self.places.find(Hash::of_kind(object_type.0, id), is_it)
    }

    /// Adds the id of the next object.
    pub(super) fn add(&mut self, object_type: TypeKey, id: &str) {
        let object = self.places.len();
        let (block, slot) = (object / IDS, object % IDS);
        if slot == 0 {
            self.blocks.push(Arc::new([0; HEADS]));
            self.bytes += HEADS;
        }
        self.blocks.replace(block, |block| {
            let mut longer: Arc<[u8]> = std::iter::repeat_n(0, block.len() + id.len()).collect();
            let end = u16::try_from(longer.len() - HEADS).expect("INVARIANT: ids have a limit");
            let bytes = Arc::get_mut(&mut longer).expect("INVARIANT: what was just made is not shared");
            bytes[..block.len()].copy_from_slice(block);
            bytes[block.len()..].copy_from_slice(id.as_bytes());
            bytes[slot * size_of::<Head>()..][..size_of::<Head>()].copy_from_slice(&end.to_le_bytes());
            *block = longer;
        });
        self.bytes += id.len();
        let object = u32::try_from(object).expect("INVARIANT: fewer than 2^32 objects in a tenant");
        self.places.add(Hash::of_kind(object_type.0, id), object);
    }

    /// The id of a number.
    pub(super) fn id(&self, object: u32) -> &str {
        str::from_utf8(self.bytes_of(object)).expect("INVARIANT: ids were text when they were added")
    }

    fn bytes_of(&self, object: u32) -> &[u8] {
        let (block, slot) = (object as usize / IDS, object as usize % IDS);
        let block = self.blocks.get(block).expect("INVARIANT: only names of objects that were added are asked for");
        let end = |slot: usize| {
            let at = slot * size_of::<Head>();
            HEADS + usize::from(u16::from_le_bytes([block[at], block[at + 1]]))
        };
        &block[slot.checked_sub(1).map_or(HEADS, end)..end(slot)]
    }
}

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
    pub(super) fn object_type(&self, name: &str) -> Option<TypeKey> {
        self.types.key(name).map(TypeKey)
    }

    pub(super) fn type_name(&self, object_type: TypeKey) -> &Arc<str> {
        self.types.name(object_type.0)
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
