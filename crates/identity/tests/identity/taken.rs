//! Tokens that are taken, and what is made of them.

use portcullis_identity::Method;
use portcullis_model::Timestamp;

use crate::keys::{self, ED25519, P256, P384, RSA, Signer};
use crate::world::{Draft, NOW, ONE, give, verified, verifier, verifier_of};

/// The second issuer's, with whatever it needs.
fn of_the_second() -> Draft {
    Draft::good().claim("iss", r#""https://two.example.org""#).claim("org", r#""acme""#).claim("iat", "1200")
}

#[test]
fn every_algorithm_is_verified() {
    let all = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
    let verifier = verifier_of(
        &format!(
            "[[issuers]]\nissuer = \"{ONE}\"\naudiences = [\"portcullis\"]\nalgorithms = {all:?}\njwks-file = \"/a\"\nsubject = \"user:{{sub}}\""
        ),
        100,
    );
    give(&verifier, 0, &keys::set(&[("rsa", &RSA[0]), ("p256", &P256[0]), ("p384", &P384[0]), ("ed", &ED25519[0])]));
    for algorithm in all {
        let (id, [right, wrong]): (&str, &[Signer; 2]) = match algorithm {
            "ES256" => ("p256", &P256),
            "ES384" => ("p384", &P384),
            "EdDSA" => ("ed", &ED25519),
            _ => ("rsa", &RSA),
        };
        let header = |id: &str| Draft::good().header("alg", &format!("{algorithm:?}")).header("kid", id);
        for id in [format!("{id:?}"), String::new()] {
            let draft = header(&id);
            let identity = verified(&verifier, &draft.signed(right, algorithm), &NOW).unwrap();
            assert_eq!(identity.subject.to_string(), "user:alice", "{algorithm} {id}");
            let refused = verified(&verifier, &draft.signed(wrong, algorithm), &NOW).unwrap_err();
            assert!(refused.starts_with("the signature of the token is wrong"), "{algorithm} {id}: {refused}");
        }
    }
}

#[test]
fn without_an_id_the_key_has_to_be_the_only_one() {
    let verifier = verifier();
    let token = Draft::good().header("kid", "").token();
    assert!(verified(&verifier, &token, &NOW).is_ok());
    give(&verifier, 0, &keys::set(&[("a", &ED25519[0]), ("b", &ED25519[1]), ("c", &RSA[0])]));
    let refused = verified(&verifier, &token, &NOW).unwrap_err();
    assert!(
        refused.starts_with(&format!("the token names no key, and `{ONE}` has not exactly one for EdDSA")),
        "{refused}"
    );
}

#[test]
fn a_key_that_says_its_algorithm_is_for_no_other() {
    let verifier = verifier();
    let set = format!(r#"{{"keys":[{{"kid":"rsa","alg":"RS256",{}}}]}}"#, RSA[0].jwk());
    give(&verifier, 0, &set);
    let draft = Draft::good().header("kid", r#""rsa""#);
    assert!(verified(&verifier, &draft.clone().header("alg", r#""RS256""#).signed(&RSA[0], "RS256"), &NOW).is_ok());
    let refused = verified(&verifier, &draft.header("alg", r#""PS256""#).signed(&RSA[0], "PS256"), &NOW).unwrap_err();
    assert!(refused.starts_with("the token is signed with PS256, which the key `rsa`"), "{refused}");
}

#[test]
fn types_and_audiences_have_several_spellings() {
    let (verifier, good) = (verifier(), Draft::good());
    for draft in [
        good.clone().header("typ", ""),
        good.clone().header("typ", r#""jwt""#),
        good.clone().header("typ", r#""at+jwt""#),
        good.clone().header("typ", r#""application/at+JWT""#),
        good.clone().header("x5t", r#""abc""#).header("extra", "{}"),
        good.clone().claim("aud", r#"["x", "other"]"#),
        good.clone().claim("aud", r#""other""#),
        good.clone().claim("exp", "1999.5").claim("nbf", "").claim("iat", ""),
    ] {
        assert!(verified(&verifier, &draft.token(), &NOW).is_ok());
    }
}

#[test]
fn claims_become_an_identity() {
    let token = Draft::good()
        .claim("groups", r#"["eng", "ops", "eng"]"#)
        .claim("acr", r#""gold""#)
        .claim("amr", r#"["pwd", "otp"]"#)
        .claim("auth_time", "1400")
        .claim("department", r#"{"name": "R&D", "floors": [1, 2.5]}"#)
        .claim("secret", r#""not for conditions""#)
        .token();
    let identity = verified(&verifier(), &token, &NOW).unwrap();
    assert_eq!(identity.subject.to_string(), "user:alice");
    assert_eq!(identity.groups.iter().map(ToString::to_string).collect::<Vec<_>>(), ["group:eng", "group:ops"]);
    let context = r#"{"acr":"gold","amr":["pwd","otp"],"auth_time":"1970-01-01T00:23:20Z","department":{"floors":[1,2.5],"name":"R&D"}}"#;
    assert_eq!(identity.context.to_string(), context);
    assert_eq!(identity.method, Method::Jwt { issuer: ONE.into() });
    assert_eq!((identity.issued_at, identity.expires), (Some(Timestamp(1_000_000)), Some(Timestamp(2_000_000))));
}

#[test]
fn each_issuer_has_its_own_rules() {
    let verifier = verifier();
    let token = |draft: Draft| draft.signed(&ED25519[1], "EdDSA");
    let identity = verified(&verifier, &token(of_the_second().claim("groups", r#"["eng"]"#)), &NOW).unwrap();
    assert_eq!(identity.subject.to_string(), "service:acme/alice");
    assert!(identity.groups.is_empty() && identity.context.is_empty());
    // No longer than 600 s from 1200, whatever `exp` says.
    assert_eq!(identity.expires, Some(Timestamp(1_800_000)));
    for (draft, expected) in [
        (
            of_the_second().claim("org", r#""acme/x""#),
            "the token has no valid subject: `org` is `acme/x`, which contains",
        ),
        (of_the_second().claim("org", ""), "the token has no valid subject: `org` is not given"),
        (of_the_second().claim("iat", ""), "the token has no `iat`, and"),
        (of_the_second().claim("iat", "900"), "the token expired at 1970-01-01T00:25:00Z"),
        (of_the_second().claim("aud", r#""other""#), "the token is for the audience `other`"),
        (of_the_second().header("alg", r#""RS256""#), "the token is signed with RS256, which is not among"),
    ] {
        let refused = verified(&verifier, &token(draft), &NOW).unwrap_err();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn an_address_that_is_not_verified_is_no_name() {
    let verifier = verifier_of(
        &format!(
            "[[issuers]]\nissuer = \"{ONE}\"\naudiences = [\"portcullis\"]\nalgorithms = [\"EdDSA\"]\njwks-file = \"/a\"\nsubject = \"user:{{email}}\""
        ),
        100,
    );
    give(&verifier, 0, &keys::set(&[("ed", &ED25519[0])]));
    let draft = Draft::good().claim("email", r#""alice@example.org""#);
    for (is_verified, taken) in [("true", true), ("false", false), (r#""true""#, false), ("", false)] {
        let identity = verified(&verifier, &draft.clone().claim("email_verified", is_verified).token(), &NOW);
        assert_eq!(identity.is_ok(), taken, "{is_verified}");
        assert!(taken || identity.unwrap_err().contains("`email_verified` is not true"));
    }
}
