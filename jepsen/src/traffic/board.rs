//! What readers ask about.

use std::collections::VecDeque;
use std::sync::Mutex;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;

use crate::workload::revocation::Access;

/// How many keys are asked about that nobody is taking away.
const RECENT_MAX: usize = 24;
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
}

impl Board {
    /// A key begins.
    pub(super) fn add(&self, access: Access) {
        let mut interests = self.0.lock().expect("INVARIANT: nothing panics while holding the board");
        interests.recent.push_back(access);
        if interests.recent.len() > RECENT_MAX {
            interests.recent.pop_front();
        }
    }

    /// A key is being taken away.
    pub(super) fn heat(&self, access: Access) {
        self.0.lock().expect("INVARIANT: nothing panics while holding the board").hot.push(access);
    }

    /// It no longer is.
    pub(super) fn cool(&self, access: Access) {
        self.0.lock().expect("INVARIANT: nothing panics while holding the board").hot.retain(|hot| *hot != access);
    }

    /// A key to ask about: what is being taken away, if anything is.
    pub(super) fn choose_hot(&self, dice: &mut StdRng) -> Option<Access> {
        let interests = self.0.lock().expect("INVARIANT: nothing panics while holding the board");
        let hot = interests.hot.iter().copied().choose(dice).filter(|_| dice.random_bool(HOT_SHARE));
        hot.or_else(|| interests.recent.iter().copied().choose(dice))
    }

    /// A key to ask about: what nobody is taking away now.
    pub(super) fn choose_settled(&self, dice: &mut StdRng) -> Option<Access> {
        let interests = self.0.lock().expect("INVARIANT: nothing panics while holding the board");
        interests.recent.iter().copied().filter(|recent| !interests.hot.contains(recent)).choose(dice)
    }
}

#[cfg(test)]
mod tests {
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
}
