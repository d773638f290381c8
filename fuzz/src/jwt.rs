//! Signed tokens: as they come in, and what they say when the signature is right.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_identity::jwt::{Issuers, KeySet, Verifier};
use portcullis_model::{Clock, Timestamp};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;

const ISSUERS: &str = r#"
[[issuers]]
issuer = "https://example.org"
audiences = ["portcullis"]
algorithms = ["EdDSA"]
jwks-file = "/keys.json"
subject = "user:{org}/{sub}"
groups = { claim = "groups", object = "group:{}" }
context = ["department"]
"#;

const NOW: Clock = Clock { reading: Timestamp(1_500_000), error_ms: 250 };

/// Behind the header, where an input says what is to be signed.
const SEPARATOR: &str = "\n---\n";

#[derive(Deserialize)]
struct File {
    issuers: Issuers,
}

/// Of no use to anybody else: the seed is here.
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes"));

/// Remembers a few tokens, which must not matter.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let file: File = toml::from_str(ISSUERS).expect("the issuers are valid");
    let verifier = Verifier::new(&file.issuers, 32);
    let public = URL_SAFE_NO_PAD.encode(KEY.public_key());
    let set = format!(r#"{{"keys":[{{"kid":"a","kty":"OKP","crv":"Ed25519","x":"{public}"}}]}}"#);
    let set = KeySet::parse(set.as_bytes()).expect("the set is valid");
    verifier.trusted()[0].keys.replace(set, NOW.reading);
    verifier
});

pub(crate) fn run(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    assert!(!verified(text), "nobody has signed it");
    if let Some((header, claims)) = text.split_once(SEPARATOR) {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(KEY.sign(message.as_bytes()));
        let token = format!("{message}.{signature}");
        if verified(&token) {
            // The claims are what is signed.
            assert!(!verified(&format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64]))));
            assert!(!verified(&format!("{token}=")));
        }
    }
}

/// Whether a token is taken, twice alike; and what it is taken for is possible.
fn verified(token: &str) -> bool {
    let found = VERIFIER.verify(token, &NOW, |_| None);
    assert_eq!(VERIFIER.verify(token, &NOW, |_| None), found, "verified twice");
    match found {
        Ok(identity) => {
            let subject = identity.subject.to_string();
            assert!(subject.starts_with("user:") && subject.contains('/'), "{subject}");
            assert_eq!(subject.parse(), Ok(identity.subject.clone()));
            assert!(identity.groups.iter().all(|group| group.object_type.as_str() == "group"));
            assert!(!identity.is_expired(&NOW), "{identity:?}");
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 1_000, "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
            false
        }
    }
}
