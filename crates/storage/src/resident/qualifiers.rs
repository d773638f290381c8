//! What relationships hold under. Few have any, so it stands apart from their rows.

use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_eval::{NodeKey, QualifierKey};
use portcullis_model::Qualifier;

use super::Map;

/// Qualifiers by number. A number is used again once its qualifier is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Qualifiers {
    /// The number of the qualifier of a relationship, from its userset to its subject.
    of: Map<(NodeKey, NodeKey), QualifierKey>,
    slots: imbl::Vector<Option<Arc<Qualifier>>>,
    free: imbl::Vector<u32>,
}

impl Qualifiers {
    /// Gives a relationship that has none one; returns whether it has one now: what holds always has no number.
    pub(super) fn add(&mut self, edge: (NodeKey, NodeKey), qualifier: &Qualifier) -> bool {
        if qualifier.is_none() {
            return false;
        }
        let slot = Some(Arc::new(qualifier.clone()));
        let place = self.free.pop_back().unwrap_or_else(|| {
            self.slots.push_back(None);
            u32::try_from(self.slots.len() - 1).expect("INVARIANT: fewer than 2^32 relationships in a tenant")
        });
        self.slots[place as usize] = slot;
        self.of.insert(edge, QualifierKey(NonZeroU32::MIN.saturating_add(place)));
        true
    }

    /// Takes that of a relationship away, which has one.
    pub(super) fn remove(&mut self, edge: (NodeKey, NodeKey)) {
        let key = self.of.remove(&edge).expect("INVARIANT: what is taken away was added, once");
        let place = key.0.get() - 1;
        assert!(self.slots[place as usize].take().is_some(), "INVARIANT: a number that is used has its qualifier");
        self.free.push_back(place);
    }

    /// That of a relationship that has one.
    pub(super) fn of(&self, edge: (NodeKey, NodeKey)) -> QualifierKey {
        *self.of.get(&edge).expect("INVARIANT: rows that say so have a qualifier")
    }

    pub(super) fn get(&self, key: QualifierKey) -> &Qualifier {
        self.slots[key.0.get() as usize - 1]
            .as_ref()
            .expect("INVARIANT: rows have numbers of qualifiers that are there")
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.of.len() as u64
    }
}
