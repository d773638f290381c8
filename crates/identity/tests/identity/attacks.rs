//! Tokens that somebody made up or changed. Each is refused, for the right reason.

use portcullis_identity::jwt::{Kind, TOKEN_BYTES_MAX};
use ring::hmac;

use crate::keys::{ED25519, P256, P384, RSA, base64};
use crate::world::{Draft, NOW, TWO, verified, verifier};

/// A forgery: what it is, the token, and how the refusal begins.
type Forgery = (&'static str, String, &'static str);

fn refused(forgeries: Vec<Forgery>) {
    let verifier = verifier();
    for (name, token, expected) in forgeries {
        let refused = verified(&verifier, &token, &NOW).expect_err(name);
        assert!(refused.starts_with(expected), "{name}: {refused}");
        // Neither claims nor signatures get into messages, which go to logs.
        assert!(
            token.split('.').filter(|part| part.len() > 10).all(|part| !refused.contains(part)),
            "{name}: {refused}"
        );
        assert!(refused.len() < 500, "{name}: {refused}");
        // What was refused once is not taken later.
        assert_eq!(verified(&verifier, &token, &NOW), Err(refused), "{name}");
    }
    assert_eq!(verifier.cached_tokens(), 0);
}

#[test]
fn algorithms_cannot_be_confused() {
    let good = Draft::good();
    let RsaSecrets { public, set } = RsaSecrets::new();
    let shared = |secret: &[u8]| {
        let draft = good.clone().header("alg", r#""HS256""#).header("kid", r#""rsa""#);
        draft
            .with_signature(|message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec())
    };
    let none = |name: &str, signature: Vec<u8>| {
        good.clone().header("alg", &format!("\"{name}\"")).with_signature(|_| signature.clone())
    };
    refused(vec![
        ("alg none", none("none", vec![]), "the token is signed with `none`, which is not supported"),
        ("alg none with a signature", none("none", vec![1]), "the token is signed with `none`"),
        ("alg None", none("None", vec![]), "the token is signed with `None`"),
        ("alg nOnE", none("nOnE", vec![]), "the token is signed with `nOnE`"),
        ("alg empty", none("", vec![]), "the token is signed with ``"),
        ("alg missing", good.clone().header("alg", "").token(), "the header of the token has no valid `alg`"),
        ("alg null", good.clone().header("alg", "null").token(), "the header of the token has no valid `alg`"),
        (
            "alg a list",
            good.clone().header("alg", r#"["EdDSA"]"#).token(),
            "the header of the token has no valid `alg`",
        ),
        ("alg in small letters", none("eddsa", vec![]), "the token is signed with `eddsa`"),
        ("no signature", good.with_signature(|_| vec![]), "the signature of the token is wrong"),
        ("HS256 with the RSA key", shared(&public), "the token is signed with `HS256`"),
        ("HS256 with the key set", shared(set.as_bytes()), "the token is signed with `HS256`"),
        (
            "RS384, which the issuer does not use",
            good.clone().header("alg", r#""RS384""#).header("kid", r#""rsa""#).signed(&RSA[0], "RS384"),
            "the token is signed with RS384, which is not among the `algorithms`",
        ),
        (
            "RS256 that is PS256",
            good.clone().header("alg", r#""RS256""#).header("kid", r#""rsa""#).signed(&RSA[0], "PS256"),
            "the signature of the token is wrong",
        ),
        (
            "ES256 with a key of P-384",
            good.clone().header("alg", r#""ES256""#).header("kid", r#""p384""#).signed(&P384[0], "ES384"),
            "the token is signed with ES256, which the key `p384`",
        ),
        (
            "EdDSA with a key of P-256",
            good.clone().header("kid", r#""p256""#).signed(&P256[0], "ES256"),
            "the token is signed with EdDSA, which the key `p256`",
        ),
        (
            "ES256 of zeroes",
            good.clone().header("alg", r#""ES256""#).header("kid", r#""p256""#).with_signature(|_| vec![0; 64]),
            "the signature of the token is wrong",
        ),
    ]);
}

/// What anybody can know of the first issuer's RSA key.
struct RsaSecrets {
    public: Vec<u8>,
    set: String,
}

impl RsaSecrets {
    fn new() -> Self {
        let crate::keys::Signer::Rsa { n, .. } = &RSA[0] else { panic!("an RSA key") };
        Self { public: n.clone(), set: crate::keys::set(&[("rsa", &RSA[0])]) }
    }
}

#[test]
fn keys_cannot_be_chosen() {
    let good = Draft::good();
    let own = format!("{{{}}}", ED25519[1].jwk());
    let with_id = |id: &str| good.clone().header("kid", &format!("\"{id}\"")).token();
    let forged = |draft: Draft| draft.signed(&ED25519[1], "EdDSA");
    refused(vec![
        ("another key", forged(good.clone()), "the signature of the token is wrong"),
        ("an embedded key", forged(good.clone().header("jwk", &own)), "the signature of the token is wrong"),
        (
            "an embedded key and no id",
            forged(good.clone().header("jwk", &own).header("kid", "")),
            "the signature of the token is wrong",
        ),
        (
            "an address of keys",
            forged(good.clone().header("jku", r#""https://evil.example.org/keys""#)),
            "the signature of the token is wrong",
        ),
        ("a chain", forged(good.clone().header("x5c", r#"["AAAA"]"#)), "the signature of the token is wrong"),
        (
            "the key that another issuer has by this id",
            good.signed(&ED25519[1], "EdDSA"),
            "the signature of the token is wrong",
        ),
        (
            "another issuer's name",
            good.clone().claim("iss", &format!("\"{TWO}\"")).token(),
            "the signature of the token is wrong",
        ),
        ("a path as id", with_id("../../dev/null"), "the token is signed with the key `../../dev/null`"),
        ("an injection as id", with_id("x' UNION SELECT 'k"), "the token is signed with the key `x' UNION SELECT 'k`"),
        ("a command as id", with_id("|id;\\n"), r"the token is signed with the key `|id;\n`"),
        ("an empty id", with_id(""), "the token is signed with the key ``"),
        ("an id of another case", with_id("ED"), "the token is signed with the key `ED`"),
        ("a long id", with_id(&"k".repeat(5_000)), "the token is signed with the key `kkkk"),
        ("a number as id", good.clone().header("kid", "1").token(), "the header of the token has no valid `kid`"),
    ]);
}

#[test]
fn claims_are_held_to() {
    let good = Draft::good();
    let with = |claim: &str, value: &str| good.clone().claim(claim, value).token();
    refused(vec![
        ("no exp", with("exp", ""), "the token has no claim `exp`"),
        ("exp a text", with("exp", r#""2000""#), "the claim `exp` of the token is not a number of seconds"),
        ("exp null", with("exp", "null"), "the claim `exp` of the token is not"),
        ("exp beyond", with("exp", "1e300"), "the claim `exp` of the token is not"),
        ("exp in milliseconds", with("exp", "1785000000000"), "the claim `exp` of the token is not"),
        ("exp before 1970", with("exp", "-1"), "the claim `exp` of the token is not"),
        ("nbf a text", with("nbf", r#""1000""#), "the claim `nbf` of the token is not"),
        ("iat a text", with("iat", r#""1000""#), "the claim `iat` of the token is not"),
        ("no aud", with("aud", ""), "the token has no claim `aud`"),
        ("another aud", with("aud", r#""portcullis2""#), "the token is for the audience `portcullis2`"),
        ("other auds", with("aud", r#"["a", "b"]"#), "the token is for the audience `a`, `b`"),
        ("no auds", with("aud", "[]"), "the token is for the audience nobody"),
        ("aud a number", with("aud", "1"), "the claim `aud` of the token is not a text or a list"),
        ("auds of any kind", with("aud", r#"["portcullis", 1]"#), "the claim `aud` of the token is not"),
        ("aud an object", with("aud", r#"{"portcullis": 1}"#), "the claim `aud` of the token is not"),
        ("no iss", with("iss", ""), "the token has no claim `iss`"),
        ("iss a list", with("iss", r#"["https://one.example.org"]"#), "the claim `iss` of the token is not a text"),
        ("another iss", with("iss", r#""https://evil.org""#), "the token is of the issuer `https://evil.org`"),
        (
            "iss with a slash",
            with("iss", r#""https://one.example.org/""#),
            "the token is of the issuer `https://one.exam",
        ),
        ("iss in capitals", with("iss", r#""HTTPS://one.example.org""#), "the token is of the issuer `HTTPS"),
        ("no sub", with("sub", ""), "the token has no valid subject: `sub` is not given"),
        ("sub a number", with("sub", "7"), "the claim `sub` of the token is not a text"),
        ("sub null", with("sub", "null"), "the claim `sub` of the token is not a text"),
        ("sub empty", with("sub", r#""""#), "the token has no valid subject: `sub` is empty"),
        ("sub everybody", with("sub", r#""*""#), "the token has no valid subject: `user:*` is no object"),
        (
            "sub the members",
            with("sub", r#""x#member""#),
            "the token has no valid subject: `user:x#member` is no object",
        ),
        ("sub with a blank", with("sub", r#""al ice""#), "the token has no valid subject: `user:al ice`"),
        ("sub with a NUL", with("sub", r#""alice\u0000""#), r"the token has no valid subject: `user:alice\u{0}`"),
        (
            "sub too long",
            with("sub", &format!("\"{}\"", "x".repeat(1_025))),
            "the token has no valid subject: `user:xxx",
        ),
        ("jti a number", with("jti", "1"), "the claim `jti` of the token is not a text"),
        ("acr a number", with("acr", "1"), "the claim `acr` of the token is not a text"),
        ("amr a text", with("amr", r#""mfa""#), "the claim `amr` of the token is not a list of texts"),
        ("auth_time a text", with("auth_time", r#""1000""#), "the claim `auth_time` of the token is not a number"),
        ("groups a text", with("groups", r#""eng""#), "the claim `groups` of the token is not a list of texts"),
        ("a group without a name", with("groups", r#"["a", ""]"#), "the token names a group that is none here: "),
        ("a group that is all", with("groups", r#"["*"]"#), "the token names a group that is none here: rename it"),
        ("groups elsewhere", with("_claim_names", r#"{"groups": "x"}"#), "the groups are not in the token"),
    ]);
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let good = Draft::good();
    refused(vec![
        (
            "sub twice",
            good.clone().claim_again("sub", r#""bob""#).token(),
            "the claims of the token cannot be read: `sub` is",
        ),
        (
            "exp twice",
            good.clone().claim_again("exp", "9999").token(),
            "the claims of the token cannot be read: `exp` is",
        ),
        (
            "alg twice",
            good.clone().header_again("alg", r#""none""#).token(),
            "the header of the token cannot be read: `alg` is given twice",
        ),
        (
            "deep within, twice",
            good.clone().claim("x", r#"[{"a":1,"a":2}]"#).token(),
            "the claims of the token cannot be read: `a` is given twice",
        ),
        ("crit", good.clone().header("crit", r#"["exp"]"#).token(), "the token has extensions in `crit`"),
        (
            "crit of b64",
            good.clone().header("crit", r#"["b64"]"#).header("b64", "false").token(),
            "the token has extensions",
        ),
        ("crit empty", good.clone().header("crit", "[]").token(), "the token has extensions in `crit`"),
        ("another type", good.clone().header("typ", r#""logout+jwt""#).token(), "the token is of type `logout+jwt`"),
        ("type a number", good.clone().header("typ", "1").token(), "the header of the token has no valid `typ`"),
    ]);
}

#[test]
fn a_token_has_one_form() {
    let good = Draft::good();
    let token = good.token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let json = |signatures: &str| format!(r#"{{"payload":"{claims}","signatures":[{signatures}]}}"#);
    let one = format!(r#"{{"protected":"{header}","signature":"{signature}"}}"#);
    let flat = format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#);
    refused(vec![
        ("JSON, one signature", json(&one), "the token is no signed token in compact form"),
        ("JSON, two signatures", json(&format!("{one},{one}")), "the token is no signed token in compact form"),
        ("JSON, flat", flat, "the token is no signed token in compact form"),
        ("two signatures", format!("{token}.{signature}"), "the token is no signed token in compact form"),
        ("encrypted", "a.b.c.d.e".to_owned(), "the token is no signed token in compact form"),
        ("two parts", format!("{header}.{claims}"), "the token is no signed token in compact form"),
        ("empty", String::new(), "the token is no signed token in compact form"),
        ("dots", "..".to_owned(), "the header of the token cannot be read: it is no valid JSON"),
        ("padding", format!("{token}=="), "the signature of the token is not base64url"),
        ("padding of claims", format!("{header}.{claims}==.{signature}"), "the claims of the token is not base64url"),
        ("a line break", format!("{token}\n"), "the signature of the token is not base64url"),
        ("a blank before", format!(" {token}"), "the header of the token is not base64url"),
        (
            "plain base64",
            format!("{header}.{claims}.{}+/", &signature[..84]),
            "the signature of the token is not base64url",
        ),
        ("unused bits", with_unused_bit(&token), "the signature of the token is not base64url"),
        (
            "a list as claims",
            format!("{header}.{}.{signature}", base64(b"[]")),
            "the claims of the token cannot be read",
        ),
        ("two objects", format!("{header}.{}.{signature}", base64(b"{}{}")), "the claims of the token cannot be read"),
        ("other claims", format!("{header}.{}.{signature}", other(claims)), "the signature of the token is wrong"),
        (
            "bytes as claims",
            format!("{header}.{}.{signature}", base64(&[255; 9])),
            "the claims of the token cannot be read",
        ),
        ("huge", "x".repeat(TOKEN_BYTES_MAX + 1), "the token is 16385 bytes long"),
        (
            "huge and well-formed",
            good.clone().claim("x", &format!("\"{}\"", "x".repeat(TOKEN_BYTES_MAX))).token(),
            "the token is 22",
        ),
    ]);
}

/// Sets a bit of the last letter that no byte has.
fn with_unused_bit(token: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = token.split_at(token.len() - 1);
    let place = LETTERS.find(last).unwrap();
    format!("{start}{}", &LETTERS[place + 1..place + 2])
}

/// The same claims for somebody else.
fn other(claims: &str) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    base64(String::from_utf8(text).unwrap().replace("alice", "admin").as_bytes())
}

#[test]
fn every_changed_letter_of_a_token_is_refused() {
    let (verifier, token) = (verifier(), Draft::good().token());
    assert!(verified(&verifier, &token, &NOW).is_ok());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verified(&verifier, str::from_utf8(&changed).unwrap(), &NOW).is_err(), "at {at}");
    }
}

#[test]
fn a_caller_is_only_to_blame_for_what_it_can_know() {
    let verifier = crate::world::verifier_of(
        &format!(
            "[[issuers]]\nissuer = \"{TWO}\"\naudiences = [\"a\"]\nalgorithms = [\"EdDSA\"]\njwks-file = \"/a\"\nsubject = \"user:{{sub}}\""
        ),
        100,
    );
    let kind = |token: &str| verifier.verify(token, &NOW, |_| None).unwrap_err().kind();
    assert_eq!(kind(&Draft::good().claim("iss", &format!("\"{TWO}\"")).token()), Kind::Undecided);
    assert_eq!(kind("x"), Kind::Invalid);
    let kind = |token: &str| crate::world::verifier().verify(token, &NOW, |_| None).unwrap_err().kind();
    assert_eq!(kind(&Draft::good().header("kid", r#""new""#).token()), Kind::Undecided);
    assert_eq!(kind(&Draft::good().claim("exp", "1400").token()), Kind::Untimely);
    assert_eq!(kind(&Draft::good().signed(&ED25519[1], "EdDSA")), Kind::Invalid);
}
