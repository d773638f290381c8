//! What relationships hold under. Few have any, so it stands apart from their rows.

use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_eval::QualifierKey;
use portcullis_model::Qualifier;

/// Qualifiers by number. A number is used again once its qualifier is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Qualifiers {
    slots: imbl::Vector<Option<Arc<Qualifier>>>,
    free: imbl::Vector<u32>,
}

impl Qualifiers {
    /// Adds one; what holds always has no number.
    pub(super) fn add(&mut self, qualifier: &Qualifier) -> Option<QualifierKey> {
        if qualifier.is_none() {
            return None;
        }
        let slot = Some(Arc::new(qualifier.clone()));
        let place = self.free.pop_back().unwrap_or_else(|| {
            self.slots.push_back(None);
            u32::try_from(self.slots.len() - 1).expect("INVARIANT: fewer than 2^32 relationships in a tenant")
        });
        self.slots[place as usize] = slot;
        Some(QualifierKey(NonZeroU32::MIN.saturating_add(place)))
    }

    /// Takes one away that was added.
    pub(super) fn remove(&mut self, key: Option<QualifierKey>) {
        if let Some(key) = key {
            let place = key.0.get() - 1;
            assert!(self.slots[place as usize].take().is_some(), "INVARIANT: what is taken away was added, once");
            self.free.push_back(place);
        }
    }

    pub(super) fn get(&self, key: QualifierKey) -> &Qualifier {
        self.slots[key.0.get() as usize - 1]
            .as_ref()
            .expect("INVARIANT: rows have numbers of qualifiers that are there")
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        (self.slots.len() - self.free.len()) as u64
    }
}
