//! The relationships of objects, as each of their ends lists them.
//!
//! Objects have dense numbers, so what an object lists is found by its number: sixteen objects next to each other share
//! one flat block, and a block is one piece of memory, copied when something in it changes. A relationship takes eight
//! bytes at each of its ends. Long lists stand apart, in sets of their own, and so do the few whose numbers are too
//! great for eight bytes.
//!
//! A block has a word for each of its objects, with the object's type and the end of its rows, and then the rows, in
//! order: those of each object by side, by the relation at this end, by the node at the other end.

use std::sync::Arc;

use portcullis_eval::{NodeKey, ObjectKey, RelationKey, TypeKey};

use super::Map;
use super::set::{self, Set};
use super::vector::Vector;

/// How many objects share a block.
const OBJECTS: usize = 16;
/// How many rows of a node, on one side, are listed in the block.
const INLINE_MAX: usize = 32;
/// How many rows are passed one by one.
const SCAN_MAX: usize = 8;
/// How many words a block has, before further lists stand apart.
const WORDS_MAX: usize = 2_048;

/// What a block and what holds it take besides its words, and what a list that stands apart takes besides its rows.
const BLOCK_BYTES: usize = 56;
const LARGE_BYTES: usize = 120;
/// What a row of a list that stands apart takes, on average.
const LARGE_ROW_BYTES: usize = 16;

/// At which end of a relationship one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// From a subject up to the usersets that it is in.
    Up,
    /// From a userset down to its subjects.
    Down,
}

/// The other end of a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) node: NodeKey,
    /// Whether it holds under conditions.
    pub(super) qualified: bool,
}

/// What objects list.
///
/// INVARIANT: a list has one row for each node, and is in the block of its object or stands apart, never both.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    blocks: Vector<Arc<[u64]>>,
    objects: u32,
    apart: Map<(Side, NodeKey), Set<Row>>,
    /// Words in all blocks, and rows that stand apart.
    words: usize,
    rows_apart: usize,
}

impl Links {
    /// How many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        let blocks = self.words * size_of::<u64>() + self.blocks.len() * BLOCK_BYTES;
        blocks + self.apart.len() * LARGE_BYTES + self.rows_apart * LARGE_ROW_BYTES
    }

    /// The first key that stands for no object.
    pub(super) fn end(&self) -> u32 {
        self.objects
    }

    /// Adds an object that lists nothing.
    pub(super) fn add(&mut self, object_type: TypeKey) -> ObjectKey {
        let object = ObjectKey(self.objects);
        assert!(object.0 < u32::MAX, "INVARIANT: fewer than 2^32 objects in a tenant");
        let (block, slot) = place(object);
        if slot == 0 {
            self.blocks.push(Arc::new([head(TypeKey(u32::MAX), OBJECTS); OBJECTS]));
            self.words += OBJECTS;
        }
        self.blocks.replace(block, |block| {
            let words = Arc::make_mut(block);
            words[slot] = head(object_type, end_of(words[slot]));
        });
        self.objects += 1;
        object
    }

    /// The type of an object that was added.
    pub(super) fn type_of(&self, object: ObjectKey) -> TypeKey {
        let (block, slot) = place(object);
        let block = self.blocks.get(block).expect("INVARIANT: only objects that were added are asked about");
        type_of(block[slot])
    }

    /// The rows of a node, in order.
    pub(super) fn list(&self, side: Side, node: NodeKey) -> Iter<'_> {
        self.between(side, node, [NodeKey::FIRST, NodeKey::LAST])
    }

    /// The rows of a node from one other end to another, both included, in order.
    pub(super) fn between(&self, side: Side, node: NodeKey, [first, last]: [NodeKey; 2]) -> Iter<'_> {
        let rows = match inline_prefix(side, node.relation) {
            Some(prefix) => {
                let begin = packed(prefix, first, false).unwrap_or(prefix | APART);
                let rows = from(self.rows(node.object), begin);
                // The word that says that a list stands apart is the only one, and comes after all that there could be.
                if rows.first() != Some(&(prefix | APART)) {
                    return Iter::Inline {
                        words: rows.iter(),
                        last: packed(prefix, last, true).unwrap_or(prefix | LAST),
                    };
                }
                self.apart.get(&(side, node))
            }
            None => self.apart.get(&(side, node)),
        };
        let ends = (Row { node: first, qualified: false }, Row { node: last, qualified: true });
        rows.map_or(Iter::Inline { words: [].iter(), last: 0 }, |rows| Iter::Apart(rows.range(&ends.0, &ends.1)))
    }

    /// The row of a node for another end.
    pub(super) fn find(&self, side: Side, node: NodeKey, other: NodeKey) -> Option<Row> {
        let Some((prefix, word)) = inline_prefix(side, node.relation)
            .and_then(|prefix| packed(prefix, other, false).map(|word| (prefix, word)))
        else {
            return self.between(side, node, [other, other]).next();
        };
        let next = *from(self.rows(node.object), word).first()?;
        if next | 1 == word | 1 {
            return Some(unpacked(next));
        }
        // The word that says that the list stands apart is the only one, and comes after all that there could be.
        if next == prefix | APART { self.between(side, node, [other, other]).next() } else { None }
    }

    /// Adds a row to a node; the node must not have one for the same other end.
    pub(super) fn insert(&mut self, side: Side, node: NodeKey, row: Row) {
        if let Some(prefix) = inline_prefix(side, node.relation) {
            let range = self.range(node.object, prefix);
            let listed = self.words_of(node.object, &range);
            if listed != [prefix | APART] {
                if let Some(word) = packed(prefix, row.node, row.qualified)
                    && listed.len() < INLINE_MAX
                    && self.block_words(node.object) < WORDS_MAX
                {
                    let at = range.start + listed.partition_point(|known| *known < word);
                    return self.splice(node.object, at..at, Some(word));
                }
                let rows: Vec<Row> = listed.iter().map(|word| unpacked(*word)).collect();
                self.splice(node.object, range, Some(prefix | APART));
                for row in rows {
                    self.insert_apart(side, node, row);
                }
            }
        }
        self.insert_apart(side, node, row);
    }

    /// Takes a row away from a node, which must have it.
    pub(super) fn remove(&mut self, side: Side, node: NodeKey, row: Row) {
        if let Some(prefix) = inline_prefix(side, node.relation) {
            let range = self.range(node.object, prefix);
            let listed = self.words_of(node.object, &range);
            if listed != [prefix | APART] {
                let at = packed(prefix, row.node, row.qualified).and_then(|word| listed.binary_search(&word).ok());
                let at = range.start + at.expect("INVARIANT: a row that is taken away is listed");
                return self.splice(node.object, at..at + 1, None);
            }
            if self.remove_apart(side, node, row) {
                self.splice(node.object, range, None);
            }
        } else {
            self.remove_apart(side, node, row);
        }
    }

    fn insert_apart(&mut self, side: Side, node: NodeKey, row: Row) {
        let is_new = match self.apart.get_mut(&(side, node)) {
            Some(rows) => rows.insert(row),
            None => self.apart.insert((side, node), Set::One(row)).is_none(),
        };
        assert!(is_new, "INVARIANT: a list has one row for each node");
        self.rows_apart += 1;
    }

    /// Takes a row away from a list that stands apart; returns whether the list is gone.
    fn remove_apart(&mut self, side: Side, node: NodeKey, row: Row) -> bool {
        let rows = self.apart.get_mut(&(side, node));
        let rows = rows.expect("INVARIANT: a list of which a row is taken away is there");
        assert!(rows.remove(&row), "INVARIANT: a row that is taken away is listed");
        self.rows_apart -= 1;
        let gone = rows.len() == 0;
        if gone {
            self.apart.remove(&(side, node));
        }
        gone
    }

    /// The rows of an object that are in its block.
    fn rows(&self, object: ObjectKey) -> &[u64] {
        let (block, slot) = place(object);
        self.blocks.get(block).map_or(&[], |block| {
            let start = slot.checked_sub(1).map_or(OBJECTS, |before| end_of(block[before]));
            &block[start..end_of(block[slot])]
        })
    }

    /// Where the rows of a node are in the block of its object, which was added.
    fn range(&self, object: ObjectKey, prefix: u64) -> std::ops::Range<usize> {
        let (block, slot) = place(object);
        let block = self.blocks.get(block).expect("INVARIANT: only objects that were added have rows");
        let start = slot.checked_sub(1).map_or(OBJECTS, |before| end_of(block[before]));
        let rows = &block[start..end_of(block[slot])];
        let begin = start + rows.partition_point(|word| *word < prefix | FIRST);
        begin..begin + block[begin..end_of(block[slot])].partition_point(|word| *word <= prefix | LAST)
    }

    fn words_of(&self, object: ObjectKey, range: &std::ops::Range<usize>) -> &[u64] {
        &self.blocks.get(place(object).0).expect("INVARIANT: only objects that were added have rows")[range.clone()]
    }

    fn block_words(&self, object: ObjectKey) -> usize {
        self.blocks.get(place(object).0).map_or(0, |block| block.len())
    }

    /// Replaces words of a block, all of one object.
    fn splice(&mut self, object: ObjectKey, range: std::ops::Range<usize>, with: Option<u64>) {
        let (block, slot) = place(object);
        let (added, removed) = (usize::from(with.is_some()), range.len());
        self.blocks.replace(block, |block| {
            // Zeros first: a slice that is known to be as long is copied at once, a chain word by word.
            let mut spliced: Arc<[u64]> = std::iter::repeat_n(0, block.len() + added - removed).collect();
            let words = Arc::get_mut(&mut spliced).expect("INVARIANT: what was just made is not shared");
            words[..range.start].copy_from_slice(&block[..range.start]);
            if let Some(word) = with {
                words[range.start] = word;
            }
            words[range.start + added..].copy_from_slice(&block[range.end..]);
            for word in &mut words[slot..OBJECTS] {
                *word = head(type_of(*word), end_of(*word) + added - removed);
            }
            *block = spliced;
        });
        self.words = self.words + added - removed;
    }
}

/// The block of an object, and its place there.
fn place(object: ObjectKey) -> (usize, usize) {
    (object.0 as usize / OBJECTS, object.0 as usize % OBJECTS)
}

/// The word of an object: its type, and where its rows end.
fn head(object_type: TypeKey, end: usize) -> u64 {
    u64::from(object_type.0) << 32 | end as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the upper half is cut off on purpose")]
fn end_of(head: u64) -> usize {
    head as u32 as usize
}

fn type_of(head: u64) -> TypeKey {
    TypeKey((head >> 32) as u32)
}

// A row in a word, from the greatest bit: the side, 15 bits of the relation at this end, 15 of the relation at the other
// end, 32 of the object there, and whether it is qualified.
const OTHER_SHIFT: u32 = 33;
const OWN_SHIFT: u32 = 48;
const SIDE_SHIFT: u32 = 63;
/// The greatest relation at the other end is that of the word which says that a list stands apart.
const RELATIONS: u32 = (1 << 15) - 1;
const FIRST: u64 = 0;
const LAST: u64 = (1 << OWN_SHIFT) - 1;
const APART: u64 = LAST;

/// The words from one on. Most objects list few, and those are passed one by one more quickly than a search begins.
fn from(words: &[u64], least: u64) -> &[u64] {
    let begin = if words.len() <= SCAN_MAX {
        words.iter().take_while(|word| **word < least).count()
    } else {
        words.partition_point(|word| *word < least)
    };
    &words[begin..]
}

/// What all rows of a node have in common, if its relation has few enough bits.
fn inline_prefix(side: Side, own: RelationKey) -> Option<u64> {
    let side = match side {
        Side::Up => 0,
        Side::Down => 1 << SIDE_SHIFT,
    };
    (own.0 < RELATIONS).then_some(side | u64::from(own.0) << OWN_SHIFT)
}

/// A row as a word, if the relation at the other end has few enough bits.
fn packed(prefix: u64, other: NodeKey, qualified: bool) -> Option<u64> {
    let NodeKey { relation, object } = other;
    let node = u64::from(relation.0) << OTHER_SHIFT | u64::from(object.0) << 1;
    (relation.0 < RELATIONS).then_some(prefix | node | u64::from(qualified))
}

#[expect(clippy::cast_possible_truncation, reason = "bits beyond are cut off on purpose")]
fn unpacked(word: u64) -> Row {
    let relation = RelationKey((word >> OTHER_SHIFT) as u32 & RELATIONS);
    Row { node: NodeKey { relation, object: ObjectKey((word >> 1) as u32) }, qualified: word & 1 == 1 }
}

/// The rows of a node, in order.
pub(super) enum Iter<'a> {
    /// As long as the words are not greater than the last.
    Inline {
        words: std::slice::Iter<'a, u64>,
        last: u64,
    },
    Apart(set::Iter<'a, Row>),
}

impl Iterator for Iter<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        match self {
            Self::Inline { words, last } => {
                let word = words.next().filter(|word| **word <= *last)?;
                Some(unpacked(*word))
            }
            Self::Apart(rows) => rows.next().copied(),
        }
    }
}

#[cfg(test)]
mod tests;
