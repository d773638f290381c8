//! What readers ask about.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;

use crate::workload::revocation::Access;

/// How many keys are asked about that nobody is taking away.
const RECENT_MAX: usize = 24;
/// Between how many and how many keys are kept to be taken away later.
const STOCK_MIN: usize = 20;
const STOCK_MAX: usize = 60;
/// How often a reader asks about what is being taken away, if anything is.
const HOT_SHARE: f64 = 0.7;

/// The keys that are of interest.
#[derive(Default)]
pub(super) struct Board(Mutex<Interests>);

#[derive(Default)]
struct Interests {
    recent: VecDeque<Access>,
    /// What is being taken away. One key a writer at the most.
    hot: Vec<Access>,
    /// What is given and will be taken away.
    stock: Vec<Access>,
}

impl Board {
    /// A key begins.
    pub(super) fn add(&self, access: Access) {
        self.lock().add(access);
    }

    /// A key is being taken away.
    pub(super) fn heat(&self, access: Access) {
        self.lock().hot.push(access);
    }

    /// It no longer is, and is new again to whoever asks.
    pub(super) fn cool(&self, access: Access) {
        let mut interests = self.lock();
        interests.hot.retain(|hot| *hot != access);
        interests.add(access);
    }

    /// Keeps a key to be taken away later, if there is room.
    pub(super) fn keep(&self, access: Access) -> bool {
        let mut interests = self.lock();
        let has_room = interests.stock.len() < STOCK_MAX;
        if has_room {
            interests.stock.push(access);
        }
        has_room
    }

    /// A key to take away that was kept for it, if enough were.
    pub(super) fn take(&self, dice: &mut StdRng) -> Option<Access> {
        let mut interests = self.lock();
        let count = interests.stock.len();
        (count > STOCK_MIN).then(|| interests.stock.swap_remove(dice.random_range(0..count)))
    }

    /// A key to ask about: what is being taken away, if anything is.
    pub(super) fn choose_hot(&self, dice: &mut StdRng) -> Option<Access> {
        let interests = self.lock();
        let hot = interests.hot.iter().copied().choose(dice).filter(|_| dice.random_bool(HOT_SHARE));
        hot.or_else(|| interests.recent.iter().copied().choose(dice))
    }

    /// A key to ask about: what nobody is taking away now.
    pub(super) fn choose_settled(&self, dice: &mut StdRng) -> Option<Access> {
        let interests = self.lock();
        interests.recent.iter().copied().filter(|recent| !interests.hot.contains(recent)).choose(dice)
    }

    fn lock(&self) -> MutexGuard<'_, Interests> {
        self.0.lock().expect("INVARIANT: nothing panics while holding the board")
    }
}

impl Interests {
    fn add(&mut self, access: Access) {
        self.recent.retain(|recent| *recent != access);
        self.recent.push_back(access);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;
    use crate::history::Key;

    #[test]
    fn what_is_being_taken_away_is_asked_about_most_or_not_at_all() {
        let (board, mut dice) = (Board::default(), StdRng::seed_from_u64(1));
        assert_eq!((board.choose_hot(&mut dice), board.choose_settled(&mut dice)), (None, None));
        (0..100).for_each(|key| board.add(Access { key: Key(key) }));
        let hot = Access { key: Key(80) };
        board.heat(hot);
        let asked = (0..1_000).filter(|_| board.choose_hot(&mut dice) == Some(hot)).count();
        assert!((600..800).contains(&asked), "{asked}");
        assert!((0..1_000).all(|_| board.choose_settled(&mut dice).is_some_and(|access| access != hot)));
        board.cool(hot);
        assert!((0..1_000).all(|_| board.choose_hot(&mut dice).is_some_and(|access| access.key.0 >= 76)));
    }

    #[test]
    fn what_is_kept_is_taken_away_once() {
        let (board, mut dice) = (Board::default(), StdRng::seed_from_u64(1));
        assert_eq!(board.take(&mut dice), None);
        let kept = (0..100).filter(|key| board.keep(Access { key: Key(*key) })).count();
        let taken: BTreeSet<u64> = std::iter::from_fn(|| board.take(&mut dice)).map(|access| access.key.0).collect();
        assert_eq!((kept, taken.len()), (STOCK_MAX, STOCK_MAX - STOCK_MIN));
    }
}
