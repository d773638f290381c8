//! Sets of public keys.

use portcullis_identity::jwt::{KEYS_MAX, KeySet};

pub(crate) fn run(input: &[u8]) {
    match KeySet::parse(input) {
        Ok(set) => {
            assert!((1..=KEYS_MAX).contains(&set.count()), "{} keys", set.count());
            assert_eq!(KeySet::parse(input), Ok(set), "parsed twice");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 1_000, "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}
