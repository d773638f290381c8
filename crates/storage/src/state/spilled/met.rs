//! The names that an evaluation meets.

use std::cell::RefCell;
use std::sync::Arc;

use portcullis_eval::{NodeKey, ObjectKey, RelationKey, Snapshot, TypeKey};

use crate::resident::{Names, TenantDoubts, TenantIndex};

/// Names, and the numbers that they have for one evaluation.
pub(super) struct Met<'a> {
    index: &'a TenantIndex,
    doubts: Option<&'a TenantDoubts>,
    objects: RefCell<Names>,
    /// The type of each of `objects`.
    types_of: RefCell<Vec<TypeKey>>,
    types: RefCell<Names>,
    relations: RefCell<Names>,
    /// The first number of each kind that is neither the index's nor a doubt's.
    first: First,
}

struct First {
    object: u32,
    object_type: u32,
    relation: u32,
}

impl<'a> Met<'a> {
    pub(super) fn new(index: &'a TenantIndex, doubts: Option<&'a TenantDoubts>) -> Self {
        let added = |count: fn(&TenantDoubts) -> u32| doubts.map_or(0, count);
        let first = First {
            object: index.objects_end() + added(|doubts| doubts.added.objects.len()),
            object_type: index.types_end() + added(|doubts| doubts.added.types.len()),
            relation: index.relations_end() + added(|doubts| doubts.added.relations.len()),
        };
        Self {
            index,
            doubts,
            objects: RefCell::default(),
            types_of: RefCell::default(),
            types: RefCell::default(),
            relations: RefCell::default(),
            first,
        }
    }

    /// The key of `type:id`; `None` if it is not of that form.
    pub(super) fn object(&self, name: &str) -> Option<ObjectKey> {
        let (object_type, id) = name.split_once(':')?;
        let known = self.index.type_named(object_type).and_then(|object_type| self.index.find(object_type, id));
        if known.is_some() {
            return known;
        }
        if let Some(place) = self.doubts.and_then(|doubts| doubts.added.objects.place(name)) {
            return Some(ObjectKey(self.index.objects_end() + place));
        }
        let place = self.objects.borrow_mut().add(name);
        let mut types_of = self.types_of.borrow_mut();
        if place as usize == types_of.len() {
            types_of.push(self.object_type(object_type));
        }
        Some(ObjectKey(self.first.object + place))
    }

    /// The key of `type:id`, `type:*` or `type:id#relation`; `None` if it is of no such form.
    pub(super) fn subject(&self, name: &str) -> Option<NodeKey> {
        match name.split_once('#') {
            None => self.object(name).map(NodeKey::object),
            Some((object, relation)) => {
                Some(NodeKey { relation: self.relation(relation), object: self.object(object)? })
            }
        }
    }

    fn object_type(&self, name: &str) -> TypeKey {
        if let Some(known) = self.index.type_named(name) {
            return known;
        }
        if let Some(place) = self.doubts.and_then(|doubts| doubts.added.types.place(name)) {
            return TypeKey(self.index.types_end() + place);
        }
        TypeKey(self.first.object_type + self.types.borrow_mut().add(name))
    }

    pub(super) fn relation(&self, name: &str) -> RelationKey {
        if let Some(known) = self.index.relation(name) {
            return known;
        }
        if let Some(place) = self.doubts.and_then(|doubts| doubts.added.relations.place(name)) {
            return RelationKey(self.index.relations_end() + place);
        }
        RelationKey(self.first.relation + self.relations.borrow_mut().add(name))
    }

    pub(super) fn type_of(&self, object: ObjectKey) -> TypeKey {
        if let Some(place) = object.0.checked_sub(self.first.object) {
            return self.types_of.borrow()[place as usize];
        }
        let place = object.0.checked_sub(self.index.objects_end());
        let in_doubt = self.doubts.zip(place).and_then(|(doubts, place)| doubts.added.type_of(place));
        in_doubt.unwrap_or_else(|| self.index.type_of(object))
    }

    pub(super) fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        if let Some(place) = relation.0.checked_sub(self.first.relation) {
            return met(&self.relations, place);
        }
        let place = relation.0.checked_sub(self.index.relations_end());
        let in_doubt = self.doubts.zip(place).and_then(|(doubts, place)| doubts.added.relations.name(place));
        in_doubt.map_or_else(|| self.index.relation_name(relation), Arc::clone)
    }

    pub(super) fn name(&self, node: NodeKey) -> Arc<str> {
        let object = self.object_name(node.object);
        if node.relation == RelationKey::NONE {
            return object;
        }
        Arc::from(format!("{object}#{}", self.relation_name(node.relation)))
    }

    pub(super) fn object_name(&self, object: ObjectKey) -> Arc<str> {
        if let Some(place) = object.0.checked_sub(self.first.object) {
            return met(&self.objects, place);
        }
        let place = object.0.checked_sub(self.index.objects_end());
        let in_doubt = self.doubts.zip(place).and_then(|(doubts, place)| doubts.added.objects.name(place));
        in_doubt.map_or_else(|| self.index.name(NodeKey::object(object)), Arc::clone)
    }
}

fn met(names: &RefCell<Names>, place: u32) -> Arc<str> {
    Arc::clone(names.borrow().name(place).expect("INVARIANT: only what was met has a number"))
}
