//! What has changed in a tenant since an earlier version, so that it can be read from the rows of a later moment.

use std::collections::BTreeMap;

use portcullis_model::Revision;

/// The relationships that were there at a revision, and are not any more, or not as they were.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(super) revision: Revision,
    /// Their rows by resource, under the ends of their keys.
    gone: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// The same under the ends of their keys by subject.
    by_subject: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl Earlier {
    pub(in crate::state) fn new(revision: Revision) -> Self {
        Self { revision, gone: BTreeMap::new(), by_subject: BTreeMap::new() }
    }

    /// Adds the row of a relationship under the end of its key by resource.
    pub(in crate::state) fn add(&mut self, place: &[u8], value: &[u8]) {
        if let Some(by_subject) = by_subject(place) {
            self.by_subject.insert(by_subject.into(), value.into());
        }
        self.gone.insert(place.into(), value.into());
    }

    pub(super) fn get(&self, place: &[u8]) -> Option<&[u8]> {
        self.gone.get(place).map(|value| &**value)
    }

    /// Those whose keys by resource, or by subject, end with something that begins with `prefix`.
    pub(super) fn beginning(
        &self,
        by_subject: bool,
        prefix: Vec<u8>,
    ) -> impl Iterator<Item = (&[u8], &[u8])> + use<'_> {
        let rows = if by_subject { &self.by_subject } else { &self.gone };
        let from = rows.range::<[u8], _>((std::ops::Bound::Included(&*prefix), std::ops::Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(key, value)| (&**key, &**value))
    }
}

/// The end of the key by subject of a relationship, from that by resource.
fn by_subject(place: &[u8]) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = place.split(|byte| *byte == 0).collect();
    let [object_type, id, relation, subject, []] = parts[..] else { return None };
    let parts: [&[u8]; 8] = [subject, &[0], relation, &[0], object_type, b":", id, &[0]];
    Some(parts.concat())
}
