//! The keys of an issuer as they are known now.
//!
//! Readers take an immutable snapshot. A set that replaces another one makes a new generation, and what was verified in an
//! older one counts no more; fetching the same set again does not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_model::Timestamp;

use super::jwks::KeySet;

/// Shortest time between two fetches that unknown keys ask for.
const REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// The keys of one issuer, shared by those who verify and the one who fetches.
#[derive(Debug)]
pub struct Keys {
    current: ArcSwapOption<Snapshot>,
    refetch: Mutex<Refetch>,
}

/// A set, and since when it is known.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) set: Arc<KeySet>,
    /// Grows with every other set.
    pub(super) generation: u64,
    fetched: Timestamp,
}

/// Whether an unknown key is a reason to fetch. Anybody can make one up, so it is one at most once per interval.
#[derive(Clone, Copy, Debug)]
pub struct Refetch {
    interval: Duration,
    last: Option<Timestamp>,
    wanted: bool,
}

impl Keys {
    /// None are known yet.
    pub fn new() -> Self {
        Self { current: ArcSwapOption::empty(), refetch: Mutex::new(Refetch::new(REFETCH_INTERVAL)) }
    }

    /// Takes a set that was fetched, and says whether it is another one than before.
    pub fn replace(&self, set: KeySet, now: Timestamp) -> bool {
        // Also keeps two writers apart.
        let _refetch = self.refetch();
        let before = self.current.load_full();
        let (snapshot, changed) = match before {
            Some(before) if *before.set == set => (Snapshot { fetched: now, ..(*before).clone() }, false),
            before => {
                let generation = before.map_or(0, |before| before.generation) + 1;
                (Snapshot { set: Arc::new(set), generation, fetched: now }, true)
            }
        };
        self.current.store(Some(Arc::new(snapshot)));
        changed
    }

    /// When the keys were fetched last with success. Without an answer there are none.
    pub fn fetched(&self) -> Option<Timestamp> {
        self.current.load().as_ref().map(|current| current.fetched)
    }

    /// Takes the wish to fetch at once, if there is one.
    pub fn take_refetch(&self) -> bool {
        self.refetch().take()
    }

    pub(super) fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.current.load().as_ref().map(|current| current.generation)
    }

    /// Takes note of a key that is not in the set.
    pub(super) fn missed(&self, now: Timestamp) {
        self.refetch().ask(now);
    }

    fn refetch(&self) -> MutexGuard<'_, Refetch> {
        // What is in it is right at any time.
        self.refetch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Refetch {
    /// No key was asked for yet.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None, wanted: false }
    }

    /// Asks to fetch; says whether that is granted.
    pub fn ask(&mut self, now: Timestamp) -> bool {
        let interval = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX);
        // A clock that was set back is no reason to wait until it has caught up.
        let granted = self.last.is_none_or(|last| now < last || now >= last.plus_ms(interval));
        if granted {
            *self = Self { last: Some(now), wanted: true, ..*self };
        }
        granted
    }

    /// Whether a fetch is wanted; it is not any more then.
    pub fn take(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn set(id: &str) -> KeySet {
        KeySet::parse(ONE.replace("{\"kty", &format!("{{\"kid\":\"{id}\",\"kty")).as_bytes()).unwrap()
    }

    #[test]
    fn another_set_is_another_generation() {
        let keys = Keys::new();
        assert_eq!((keys.generation(), keys.fetched()), (None, None));
        for (id, time, changed, generation) in
            [("a", 1, true, 1), ("a", 2, false, 1), ("b", 3, true, 2), ("a", 4, true, 3)]
        {
            assert_eq!(keys.replace(set(id), Timestamp(time)), changed);
            assert_eq!((keys.generation(), keys.fetched()), (Some(generation), Some(Timestamp(time))));
        }
    }

    #[test]
    fn unknown_keys_are_a_reason_to_fetch_once_per_interval() {
        let mut refetch = Refetch::new(Duration::from_secs(30));
        assert!(!refetch.take());
        for (now, granted) in [
            (100_000, true),
            (100_000, false),
            (129_999, false),
            (130_000, true),
            (159_999, false),
            (5, true),
            (6, false),
        ] {
            assert_eq!(refetch.ask(Timestamp(now)), granted, "at {now}");
            assert_eq!(refetch.take(), granted);
            assert!(!refetch.take());
        }
    }
}
