//! Two issuers, and tokens as they should be, to be changed.

use portcullis_identity::Identity;
use portcullis_identity::jwt::{Issuers, KeySet, Verifier};
use portcullis_model::{Clock, Timestamp};
use serde::Deserialize;

use crate::keys::{self, ED25519, P256, P384, RSA, Signer, base64};

pub(crate) const ONE: &str = "https://one.example.org";
pub(crate) const TWO: &str = "https://two.example.org";

/// Tokens are valid from second 1,000 to second 2,000, and it is 1,500.
pub(crate) const NOW: Clock = Clock { reading: Timestamp(1_500_000), error_ms: 250 };

pub(crate) const ISSUERS: &str = r#"
[[issuers]]
issuer = "https://one.example.org"
audiences = ["portcullis", "other"]
algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
jwks-url = "https://one.example.org/keys"
subject = "user:{sub}"
groups = { claim = "groups", object = "group:{}" }
context = ["department"]

[[issuers]]
issuer = "https://two.example.org"
audiences = ["portcullis"]
algorithms = ["EdDSA"]
jwks-file = "/keys.json"
subject = "service:{org}/{sub}"
max-age = "600s"
"#;

#[derive(Deserialize)]
struct File {
    issuers: Issuers,
}

/// A verifier of the issuers of a configuration, without keys.
pub(crate) fn verifier_of(configuration: &str, cached_tokens: usize) -> Verifier {
    let file: File = toml::from_str(configuration).unwrap();
    Verifier::new(&file.issuers, cached_tokens)
}

/// A verifier of both issuers.
pub(crate) fn verifier() -> Verifier {
    let verifier = verifier_of(ISSUERS, 100);
    let one = [("rsa", &RSA[0]), ("p256", &P256[0]), ("p384", &P384[0]), ("ed", &ED25519[0])];
    give(&verifier, 0, &keys::set(&one));
    give(&verifier, 1, &keys::set(&[("ed", &ED25519[1])]));
    verifier
}

/// Gives an issuer its keys.
pub(crate) fn give(verifier: &Verifier, issuer: usize, set: &str) {
    verifier.trusted()[issuer].keys.replace(KeySet::parse(set.as_bytes()).unwrap(), NOW.reading);
}

/// A token that is to be signed.
#[derive(Clone)]
pub(crate) struct Draft {
    header: Vec<(String, String)>,
    claims: Vec<(String, String)>,
}

impl Draft {
    /// A good one of the first issuer, signed with its key for `EdDSA`.
    pub(crate) fn good() -> Self {
        let own = |members: &[(&str, &str)]| {
            members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Self {
            header: own(&[("typ", r#""JWT""#), ("alg", r#""EdDSA""#), ("kid", r#""ed""#)]),
            claims: own(&[
                ("iss", r#""https://one.example.org""#),
                ("aud", r#""portcullis""#),
                ("sub", r#""alice""#),
                ("iat", "1000"),
                ("nbf", "1000"),
                ("exp", "2000"),
            ]),
        }
    }

    /// With another member in the header, in JSON; without it, if that is empty.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        set(&mut self.header, name, value);
        self
    }

    /// With another claim, in JSON; without it, if that is empty.
    pub(crate) fn claim(mut self, name: &str, value: &str) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    /// With a claim for the second time.
    pub(crate) fn claim_again(mut self, name: &str, value: &str) -> Self {
        self.claims.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a member of the header for the second time.
    pub(crate) fn header_again(mut self, name: &str, value: &str) -> Self {
        self.header.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signed by the right key.
    pub(crate) fn token(&self) -> String {
        self.signed(&ED25519[0], "EdDSA")
    }

    /// Signed by a key, whatever the header says.
    pub(crate) fn signed(&self, signer: &Signer, algorithm: &str) -> String {
        self.with_signature(|message| signer.sign(algorithm, message))
    }

    pub(crate) fn with_signature(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message =
            format!("{}.{}", base64(object(&self.header).as_bytes()), base64(object(&self.claims).as_bytes()));
        let signature = sign(message.as_bytes());
        format!("{message}.{}", base64(&signature))
    }
}

fn set(members: &mut Vec<(String, String)>, name: &str, value: &str) {
    members.retain(|(other, _)| other != name);
    if !value.is_empty() {
        members.push((name.to_owned(), value.to_owned()));
    }
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// Who a token is of, or why it is not taken, with all reasons.
pub(crate) fn verified(verifier: &Verifier, token: &str, clock: &Clock) -> Result<Identity, String> {
    verifier.verify(token, clock, |_| None).map(|identity| (*identity).clone()).map_err(|error| reasons(&error))
}

/// A message with its sources.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
