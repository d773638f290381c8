//! API keys.

use portcullis_identity::api_key::{ApiKey, RANDOM_BYTES};

pub(crate) fn run(input: &[u8]) {
    if let Some(text) = crate::text(input) {
        match ApiKey::parse(text) {
            Ok(key) => assert_eq!(key.reveal(), text, "a key has one text"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // Whatever is issued is understood.
    if let Some(random) = input.first_chunk::<RANDOM_BYTES>() {
        let key = ApiKey::generate(*random);
        let read = ApiKey::parse(&key.reveal()).expect("a key is understood");
        assert!(read.matches(&key.digest()) && read.id() == key.id());
        assert!(!format!("{key} {key:?}").contains(&key.reveal()[21..40]), "the secret is shown");
    }
}
