//! Small sorted sets: the item itself, a flat list while they are small, a persistent tree once a copy would cost too
//! much.

use std::cmp::Ordering;
use std::sync::Arc;

/// Above this many items a set is a tree: copying a flat list of a thousand items costs about as much as a tree's path.
const FLAT_MAX: usize = 1_000;

/// A sorted set that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) enum Set<T: Ord> {
    #[default]
    Empty,
    /// Most sets hold one item, and copying it is cheaper than counting a reference to it.
    One(T),
    Flat(Arc<[T]>),
    Tree(imbl::OrdSet<T>),
}

impl<T: Clone + Ord> Set<T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Flat(items) => items.len(),
            Self::Tree(items) => items.len(),
        }
    }

    pub(crate) fn iter(&self) -> Iter<'_, T> {
        match self {
            Self::Empty => Iter::empty(),
            Self::One(item) => Iter::Flat(std::slice::from_ref(item).iter()),
            Self::Flat(items) => Iter::Flat(items.iter()),
            Self::Tree(items) => Iter::Tree(items.iter()),
        }
    }

    /// The items from `first` up to `last`, both included.
    pub(crate) fn range(&self, first: &T, last: &T) -> Iter<'_, T> {
        let within = |items: &'_ [T]| {
            let begin = items.partition_point(|item| item < first);
            begin..begin + items[begin..].partition_point(|item| item <= last)
        };
        match self {
            Self::Empty => Iter::empty(),
            Self::One(item) => Iter::Flat(std::slice::from_ref(item)[within(std::slice::from_ref(item))].iter()),
            Self::Flat(items) => Iter::Flat(items[within(items)].iter()),
            Self::Tree(items) => Iter::Range(items.range::<_, T>(first..=last)),
        }
    }

    /// Adds an item; returns whether it is new.
    pub(crate) fn insert(&mut self, item: T) -> bool {
        match self {
            Self::Empty => {
                *self = Self::One(item);
                true
            }
            Self::One(only) => {
                let both = match item.cmp(only) {
                    Ordering::Less => [item, only.clone()],
                    Ordering::Equal => return false,
                    Ordering::Greater => [only.clone(), item],
                };
                *self = Self::Flat(Arc::from(both));
                true
            }
            Self::Flat(items) => {
                let Err(at) = items.binary_search(&item) else { return false };
                if items.len() == FLAT_MAX {
                    let mut tree: imbl::OrdSet<T> = items.iter().cloned().collect();
                    tree.insert(item);
                    *self = Self::Tree(tree);
                } else {
                    let (before, after) = items.split_at(at);
                    *items = before.iter().cloned().chain([item]).chain(after.iter().cloned()).collect();
                }
                true
            }
            Self::Tree(items) => items.insert(item).is_none(),
        }
    }

    /// Removes an item; returns whether it was there.
    pub(crate) fn remove(&mut self, item: &T) -> bool {
        match self {
            Self::Empty => false,
            Self::One(only) => {
                let is_it = only == item;
                if is_it {
                    *self = Self::Empty;
                }
                is_it
            }
            Self::Flat(items) => {
                let Ok(at) = items.binary_search(item) else { return false };
                let (before, after) = (&items[..at], &items[at + 1..]);
                match (before, after) {
                    ([only], []) | ([], [only]) => *self = Self::One(only.clone()),
                    _ => *items = before.iter().chain(after).cloned().collect(),
                }
                true
            }
            // A set that was large stays a tree, so that one at the limit does not change its form again and again.
            Self::Tree(items) => items.remove(item).is_some(),
        }
    }
}

/// The items of a set, in order.
pub(crate) enum Iter<'a, T: Ord> {
    Flat(std::slice::Iter<'a, T>),
    Tree(imbl::ordset::Iter<'a, T, imbl::shared_ptr::DefaultSharedPtr>),
    Range(imbl::ordset::RangedIter<'a, T, imbl::shared_ptr::DefaultSharedPtr>),
}

impl<T: Ord> Iter<'_, T> {
    pub(crate) fn empty() -> Self {
        Self::Flat([].iter())
    }
}

impl<'a, T: Ord> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        match self {
            Self::Flat(items) => items.next(),
            Self::Tree(items) => items.next(),
            Self::Range(items) => items.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_items_are_the_same_set_in_every_form() {
        let mut set = Set::default();
        assert!(!set.remove(&1) && set.insert(2) && !set.insert(2) && !set.remove(&1));
        assert!(set.iter().eq(&[2]) && set.len() == 1);
        assert!(set.range(&2, &2).eq(&[2]) && set.range(&3, &9).next().is_none() && set.range(&0, &1).next().is_none());
        for (other, expected) in [(1, [1, 2]), (3, [2, 3])] {
            assert!(set.insert(other) && !set.insert(other) && !set.insert(2));
            assert!(set.iter().eq(&expected) && set.len() == 2);
            assert!(
                set.range(&2, &2).eq(&[2]) && set.range(&0, &9).eq(&expected) && set.range(&4, &9).eq(&[] as &[i32])
            );
            assert!(set.remove(&other) && !set.remove(&other) && matches!(set, Set::One(2)));
        }
        assert!(set.insert(1) && set.remove(&2) && set.iter().eq(&[1]) && set.remove(&1) && set.len() == 0);
        assert!(set.iter().next().is_none());
    }

    #[test]
    fn both_forms_are_the_same_set() {
        let mut set = Set::default();
        let most = u32::try_from(FLAT_MAX).unwrap() + 10;
        for item in (0..most).rev() {
            assert!(set.insert(item));
            assert!(!set.insert(item));
        }
        assert!(matches!(set, Set::Tree(_)));
        let older = set.clone();
        assert!(set.remove(&5) && !set.remove(&5));
        assert_eq!(older.len(), set.len() + 1);
        assert!(older.iter().copied().eq(0..most));
        assert!(older.range(&3, &7).eq(&[3, 4, 5, 6, 7]) && set.range(&3, &7).eq(&[3, 4, 6, 7]));
        assert!(set.iter().copied().eq((0..most).filter(|item| *item != 5)));
    }
}
