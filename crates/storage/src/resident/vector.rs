//! A list that shares its structure with its past: a tree of wide nodes, of which a change copies those on one path.
//!
//! `imbl` has one too. Its nodes hold 64 items, and copying a node counts a reference to each, which is a trip to memory
//! for each; here an item stands for many things, and a node holds few.

use std::sync::Arc;

/// How many children a node has.
const WIDTH: usize = 1 << BITS;
const BITS: usize = 5;

/// A list that is cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Vector<T> {
    root: Node<T>,
    /// How many nodes lie between the root and a leaf, the leaf included.
    height: usize,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<T> {
    Inner(Arc<[Node<T>; WIDTH]>),
    Leaf(Arc<[Option<T>; WIDTH]>),
    Nothing,
}

impl<T> Default for Vector<T> {
    fn default() -> Self {
        Self { root: Node::Nothing, height: 0, len: 0 }
    }
}

impl<T: Clone> Vector<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// An item, if there are so many.
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        if at >= self.len {
            return None;
        }
        let (mut node, mut height) = (&self.root, self.height);
        loop {
            match node {
                Node::Inner(children) => node = &children[place(at, height)],
                Node::Leaf(items) => return items[place(at, 0)].as_ref(),
                Node::Nothing => return None,
            }
            height -= 1;
        }
    }

    /// Replaces an item by what is made of it.
    pub(super) fn replace<R>(&mut self, at: usize, change: impl FnOnce(&mut T) -> R) -> R {
        assert!(at < self.len, "INVARIANT: only items that are there are replaced");
        let item = self.root.slot(at, self.height).as_mut();
        change(item.expect("INVARIANT: all items up to the length are there"))
    }

    pub(super) fn push(&mut self, item: T) {
        if self.len == WIDTH << (BITS * self.height) {
            let mut children = std::array::from_fn(|_| Node::Nothing);
            children[0] = std::mem::replace(&mut self.root, Node::Nothing);
            self.root = Node::Inner(Arc::new(children));
            self.height += 1;
        }
        *self.root.slot(self.len, self.height) = Some(item);
        self.len += 1;
    }
}

impl<T: Clone> Node<T> {
    /// The place of an item, in nodes that no other list has.
    fn slot(&mut self, at: usize, height: usize) -> &mut Option<T> {
        if matches!(self, Self::Nothing) {
            *self = if height == 0 {
                Self::Leaf(Arc::new(std::array::from_fn(|_| None)))
            } else {
                Self::Inner(Arc::new(std::array::from_fn(|_| Self::Nothing)))
            };
        }
        match self {
            Self::Inner(children) => Arc::make_mut(children)[place(at, height)].slot(at, height - 1),
            Self::Leaf(items) => &mut Arc::make_mut(items)[place(at, 0)],
            Self::Nothing => unreachable!("INVARIANT: a node that was nothing was made above"),
        }
    }
}

fn place(at: usize, height: usize) -> usize {
    (at >> (BITS * height)) % WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_was_pushed_and_versions_never_change() {
        let (mut list, mut plain, mut kept) = (Vector::default(), Vec::new(), Vec::new());
        for item in 0..5_000_usize {
            list.push(item);
            plain.push(item);
            list.replace(item / 2, |known| *known += 10_000);
            plain[item / 2] += 10_000;
            if item % 997 == 0 {
                kept.push((list.clone(), plain.clone()));
            }
        }
        kept.push((list, plain));
        for (list, plain) in kept {
            assert_eq!(list.len(), plain.len());
            assert!((0..plain.len()).all(|at| list.get(at) == Some(&plain[at])));
            assert_eq!((list.get(plain.len()), list.get(usize::MAX)), (None, None));
        }
        assert_eq!(Vector::<u8>::default().get(0), None);
    }
}
