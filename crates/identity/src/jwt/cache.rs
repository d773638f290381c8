//! Tokens that were verified before, since a signature takes many times as long as a look.
//!
//! A token is known by its SHA-256, so that memory does not depend on its length and nobody reads tokens out of it. What is
//! kept is that the signature and the claims were right under a generation of the issuer's keys; time is compared again at
//! every look. When there is no room, the first token goes that was not looked for since the last round.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;

use super::claims::Lifetime;
use crate::Identity;

/// Parts with a lock each, so that cores do not wait for each other. A power of two.
const SHARDS: usize = 16;

/// The SHA-256 of a token.
pub(super) type TokenDigest = [u8; 32];

/// A token that was verified.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) identity: Arc<Identity>,
    pub(super) lifetime: Lifetime,
    /// The place of its issuer.
    pub(super) issuer: usize,
    /// The generation of the issuer's keys.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug)]
struct Shard {
    capacity: usize,
    /// INVARIANT: says for each slot's digest where it is, and nothing else. Nothing goes through it in its order.
    places: HashMap<TokenDigest, usize, FixedState>,
    slots: Vec<Slot>,
    /// Where the search for room goes on.
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    digest: TokenDigest,
    verified: Verified,
    /// Whether it was looked for since the hand came by.
    used: bool,
}

impl Cache {
    /// Holds so many tokens, to the next multiple of the number of parts; with 0, none.
    pub(super) fn new(tokens: usize) -> Self {
        let capacity = tokens.div_ceil(SHARDS);
        let shard = || Shard { capacity, places: HashMap::default(), slots: Vec::new(), hand: 0 };
        Self { shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect() }
    }

    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Verified> {
        self.shard(digest).get(digest)
    }

    pub(super) fn insert(&self, digest: TokenDigest, verified: Verified) {
        self.shard(&digest).insert(digest, verified);
    }

    /// How many tokens are held.
    pub(super) fn tokens(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).slots.len()).sum()
    }

    fn shard(&self, digest: &TokenDigest) -> MutexGuard<'_, Shard> {
        // Another byte than those that the map begins with.
        locked(&self.shards[usize::from(digest[31]) % SHARDS])
    }
}

/// A panic while it is locked leaves at worst a token out.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn get(&mut self, digest: &TokenDigest) -> Option<Verified> {
        let slot = &mut self.slots[*self.places.get(digest)?];
        slot.used = true;
        Some(slot.verified.clone())
    }

    fn insert(&mut self, digest: TokenDigest, verified: Verified) {
        let slot = Slot { digest, verified, used: false };
        if let Some(place) = self.places.get(&digest) {
            self.slots[*place] = slot;
        } else if self.slots.len() < self.capacity {
            self.places.insert(digest, self.slots.len());
            self.slots.push(slot);
        } else if let Some(place) = self.room() {
            self.places.remove(&self.slots[place].digest);
            self.places.insert(digest, place);
            self.slots[place] = slot;
        }
    }

    /// The slot that is to be given up. Ends: whatever it passes by, it gives up the next time.
    fn room(&mut self) -> Option<usize> {
        loop {
            let place = self.hand;
            let slot = self.slots.get_mut(place)?;
            self.hand = (place + 1) % self.capacity;
            if !std::mem::take(&mut slot.used) {
                return Some(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Context, Timestamp};

    use super::*;
    use crate::Method;

    fn verified(generation: u64) -> Verified {
        let identity = Identity {
            subject: "user:alice".parse().unwrap(),
            groups: Vec::new(),
            context: Context::default(),
            method: Method::Jwt { issuer: "https://example.org".into() },
            issued_at: None,
            expires: None,
        };
        Verified { identity: Arc::new(identity), lifetime: Lifetime::until(Timestamp(9)), issuer: 0, generation }
    }

    /// All in one part.
    fn digest(number: u32) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[test]
    fn memory_is_bounded_and_what_is_looked_for_stays() {
        let cache = Cache::new(4 * SHARDS);
        for number in 0..1_000 {
            cache.insert(digest(number), verified(u64::from(number)));
            assert!(cache.get(&digest(0)).is_some(), "after {number}");
            assert!(cache.tokens() <= 4);
        }
        assert_eq!(cache.get(&digest(999)).unwrap().generation, 999);
        let shard = cache.shard(&digest(0));
        assert!(shard.slots.iter().enumerate().all(|(place, slot)| shard.places[&slot.digest] == place));
        assert_eq!((shard.slots.len(), shard.places.len()), (4, 4));
    }

    #[test]
    fn a_token_that_is_verified_again_takes_its_own_place() {
        let cache = Cache::new(1);
        for generation in 0..3 {
            cache.insert(digest(7), verified(generation));
            assert_eq!(cache.get(&digest(7)).unwrap().generation, generation);
            assert_eq!(cache.tokens(), 1);
        }
    }

    #[test]
    fn without_room_nothing_is_held() {
        let cache = Cache::new(0);
        cache.insert(digest(7), verified(1));
        assert!(cache.get(&digest(7)).is_none());
        assert_eq!(cache.tokens(), 0);
    }
}
