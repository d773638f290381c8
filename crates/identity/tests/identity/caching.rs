//! What is remembered of tokens, and for how long; and when keys are to be fetched.

use portcullis_model::{Clock, Timestamp};

use crate::keys::{self, ED25519, RSA};
use crate::world::{Draft, NOW, give, verified, verifier};

#[test]
fn a_token_is_forgotten_with_the_keys_that_it_was_verified_with() {
    let (verifier, token) = (verifier(), Draft::good().token());
    let before = keys::set(&[("ed", &ED25519[0])]);
    for (set, expected) in [
        (before.clone(), ""),
        (before.clone(), ""),
        // The same id for another key.
        (keys::set(&[("ed", &ED25519[1])]), "the signature of the token is wrong"),
        (before.clone(), ""),
        (keys::set(&[("rsa", &RSA[0])]), "the token is signed with the key `ed`"),
        (before, ""),
    ] {
        give(&verifier, 0, &set);
        for _ in 0..2 {
            let found = verified(&verifier, &token, &NOW).map(drop).err().unwrap_or_default();
            assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{found}");
        }
    }
}

#[test]
fn other_issuers_keys_change_nothing() {
    let (verifier, token) = (verifier(), Draft::good().token());
    let first = verifier.verify(&token, &NOW, |_| None).unwrap();
    give(&verifier, 1, &keys::set(&[("new", &ED25519[1])]));
    // The very same, so it was remembered.
    assert!(std::sync::Arc::ptr_eq(&first, &verifier.verify(&token, &NOW, |_| None).unwrap()));
}

#[test]
fn memory_is_bounded() {
    let verifier = verifier();
    for number in 0..500 {
        let token = Draft::good().claim("jti", &format!("\"{number}\"")).token();
        assert!(verified(&verifier, &token, &NOW).is_ok());
        assert!(verifier.cached_tokens() <= 112, "{} after {number}", verifier.cached_tokens());
    }
}

#[test]
fn an_unknown_key_asks_to_fetch_at_most_once_per_interval() {
    let verifier = verifier();
    let [one, two] = verifier.trusted() else { panic!("two issuers") };
    let unknown = Draft::good().header("kid", r#""new""#).token();
    for (now, wanted) in [(1_500_000, true), (1_501_000, false), (1_529_999, false), (1_530_000, true)] {
        let refused = verified(&verifier, &unknown, &Clock { reading: Timestamp(now), error_ms: 250 }).unwrap_err();
        assert!(refused.starts_with("the token is signed with the key `new`"), "{refused}");
        assert_eq!((one.keys.take_refetch(), two.keys.take_refetch()), (wanted, false), "at {now}");
    }
    verified(&verifier, &Draft::good().token(), &NOW).unwrap();
    assert!(!one.keys.take_refetch());
}
