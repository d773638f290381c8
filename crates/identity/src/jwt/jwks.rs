//! Sets of public keys (RFC 7517).
//!
//! A key that we have no use for is left out: one for encryption, of another type or another curve. What should never be in
//! a public set makes all of it invalid, so that somebody looks at it: a secret, a short key, one id for two keys.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Value;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

use super::algorithm::Algorithm;
use super::json::{self, JsonError, Members};
use crate::Shown;

/// Longest set, in bytes.
pub const SET_BYTES_MAX: usize = 256 * 1_024;
/// Most keys in a set, of any kind.
pub const KEYS_MAX: usize = 64;
/// Shortest RSA key, in bits.
pub const RSA_BITS_MIN: usize = 2_048;
/// Longest RSA key, in bits: verification takes longer with the length.
pub const RSA_BITS_MAX: usize = 8_192;
/// Longest id of a key, in bytes.
const KEY_ID_BYTES_MAX: usize = 1_024;

/// The keys of an issuer that verify signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<Box<str>>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
    /// A point as `04 x y`.
    P256([u8; 65]),
    P384([u8; 97]),
    Ed25519([u8; 32]),
}

/// Why a set is not taken. The issuer, or whoever wrote the file, has to correct it; the set before it stays in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// It is too long.
    #[error("the key set is longer than {SET_BYTES_MAX} bytes: give the address of a JWK set")]
    TooLong,
    /// It is no JSON object.
    #[error("the key set cannot be read: {0}; give the address of a JWK set")]
    Json(JsonError),
    /// It has no list of keys.
    #[error("the key set has no list of objects `keys`: give the address of a JWK set")]
    NoKeys,
    /// It has too many keys.
    #[error("the key set has {count} keys: the most is {KEYS_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A member of a key is not what the standard says.
    #[error("the key {key} has no valid `{member}`: correct it at the issuer")]
    Member {
        /// Which key.
        key: KeyName,
        /// The member.
        member: &'static str,
    },
    /// A key is secret, and has been given away.
    #[error("the key {key} is secret and must not be in a public set: replace it at the issuer, it can be misused")]
    Secret {
        /// Which key.
        key: KeyName,
    },
    /// An RSA key is too short or too long.
    #[error(
        "the RSA key {key} has {bits} bits, and must have {RSA_BITS_MIN} to {RSA_BITS_MAX}: replace it at the issuer"
    )]
    Bits {
        /// Which key.
        key: KeyName,
        /// Its length.
        bits: usize,
    },
    /// Two keys have one id.
    #[error("two keys have the id {key}: give each one of its own at the issuer")]
    Twice {
        /// Which key.
        key: KeyName,
    },
    /// No key can verify a signature.
    #[error("no key of the set can verify signatures: give one of RSA, P-256, P-384 or Ed25519")]
    Useless,
}

/// A key of a set, for messages: by its id or its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// Its `kid`.
    Id(Shown),
    /// Its place in the list, from 1.
    Place(usize),
}

impl KeySet {
    /// Reads a set.
    pub fn parse(bytes: &[u8]) -> Result<Self, SetError> {
        if bytes.len() > SET_BYTES_MAX {
            return Err(SetError::TooLong);
        }
        let set = json::object(bytes).map_err(SetError::Json)?;
        let Some(Value::List(items)) = set.get("keys") else { return Err(SetError::NoKeys) };
        if items.len() > KEYS_MAX {
            return Err(SetError::TooMany { count: items.len() });
        }
        let mut keys: Vec<Key> = Vec::new();
        for (place, item) in (1..).zip(items) {
            let Value::Map(members) = item else { return Err(SetError::NoKeys) };
            let Some(key) = Reader::new(members, place).key()? else { continue };
            if let Some(id) = key.id.as_deref().filter(|id| keys.iter().any(|other| other.id.as_deref() == Some(id))) {
                return Err(SetError::Twice { key: KeyName::Id(Shown::new(id)) });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(SetError::Useless) } else { Ok(Self(keys)) }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key of an id.
    pub(super) fn with_id(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id.as_deref() == Some(id))
    }

    /// The only key that an algorithm may be used with, for tokens that name none.
    pub(super) fn only(&self, algorithm: Algorithm) -> Option<&Key> {
        let mut fit = self.0.iter().filter(|key| key.fits(algorithm));
        fit.next().filter(|_| fit.next().is_none())
    }
}

impl Key {
    /// Whether it is one for the algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether a signature is right. With an algorithm that the key is not for, none is.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let point = |with: &'static dyn VerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(with, point).verify(message, signature).is_ok()
        };
        self.fits(algorithm)
            && match &self.material {
                Material::Rsa { n, e } => algorithm
                    .rsa()
                    .is_some_and(|with| RsaPublicKeyComponents { n, e }.verify(with, message, signature).is_ok()),
                Material::P256(key) => point(&ECDSA_P256_SHA256_FIXED, key),
                Material::P384(key) => point(&ECDSA_P384_SHA384_FIXED, key),
                Material::Ed25519(key) => point(&ED25519, key),
            }
    }
}

/// Reads the members of one key.
struct Reader<'j> {
    members: &'j Members,
    name: KeyName,
}

impl<'j> Reader<'j> {
    fn new(members: &'j Members, place: usize) -> Self {
        let name = match members.get("kid") {
            Some(Value::Text(id)) => KeyName::Id(Shown::new(id)),
            _ => KeyName::Place(place),
        };
        Self { members, name }
    }

    /// The key, unless it is of no use.
    fn key(&self) -> Result<Option<Key>, SetError> {
        let kind = self.text("kty")?.ok_or_else(|| self.wrong("kty"))?;
        // `k` is that of a shared secret, `d` that of every private key.
        if kind == "oct" || self.members.contains_key("k") || self.members.contains_key("d") {
            return Err(SetError::Secret { key: self.name.clone() });
        }
        let curve = self.text("crv")?;
        let is_for_signatures = self.text("use")?.is_none_or(|purpose| purpose == "sig") && self.may_verify()?;
        // One that is for an algorithm we know nothing of must not be used with another.
        let algorithm = self.text("alg")?.map(Algorithm::named);
        if !is_for_signatures || algorithm == Some(None) {
            return Ok(None);
        }
        let material = match (kind, curve) {
            ("RSA", _) => self.rsa()?,
            ("EC", Some("P-256")) => Material::P256(self.point()?),
            ("EC", Some("P-384")) => Material::P384(self.point()?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(self.exactly("x")?),
            _ => return Ok(None),
        };
        let id = self.text("kid")?;
        if id.is_some_and(|id| id.is_empty() || id.len() > KEY_ID_BYTES_MAX) {
            return Err(self.wrong("kid"));
        }
        let key = Key { id: id.map(Box::from), algorithm: algorithm.flatten(), material };
        // A key whose own `alg` does not fit could never be used.
        if key.algorithm.is_some_and(|only| !key.fits(only)) { Err(self.wrong("alg")) } else { Ok(Some(key)) }
    }

    fn may_verify(&self) -> Result<bool, SetError> {
        match self.members.get("key_ops") {
            None => Ok(true),
            Some(Value::List(operations)) => Ok(operations.contains(&Value::Text(Arc::from("verify")))),
            Some(_) => Err(self.wrong("key_ops")),
        }
    }

    fn rsa(&self) -> Result<Material, SetError> {
        let (n, e) = (self.number("n")?, self.number("e")?);
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(SetError::Bits { key: self.name.clone(), bits });
        }
        // ring takes odd exponents from 3 to below 2^33; common are 3 and 65537.
        let exponent = e.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if e.len() > 4 || exponent < 3 || exponent % 2 == 0 {
            return Err(self.wrong("e"));
        }
        Ok(Material::Rsa { n, e })
    }

    fn point<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], SetError> {
        let mut point = [4; LENGTH];
        let (x, y) = point[1..].split_at_mut(LENGTH / 2);
        for (member, place) in [("x", x), ("y", y)] {
            let bytes = self.bytes(member)?;
            if bytes.len() != place.len() {
                return Err(self.wrong(member));
            }
            place.copy_from_slice(&bytes);
        }
        Ok(point)
    }

    fn exactly<const LENGTH: usize>(&self, member: &'static str) -> Result<[u8; LENGTH], SetError> {
        self.bytes(member)?.try_into().map_err(|_| self.wrong(member))
    }

    /// A number without leading zeroes, which some issuers send though they must not.
    fn number(&self, member: &'static str) -> Result<Box<[u8]>, SetError> {
        let bytes = self.bytes(member)?;
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        Ok(bytes[start..].into())
    }

    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, SetError> {
        let text = self.text(member)?.ok_or_else(|| self.wrong(member))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| self.wrong(member))
    }

    fn text(&self, member: &'static str) -> Result<Option<&'j str>, SetError> {
        match self.members.get(member) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(member)),
        }
    }

    fn wrong(&self, member: &'static str) -> SetError {
        SetError::Member { key: self.name.clone(), member }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "`{id}`"),
            Self::Place(place) => write!(f, "number {place}"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn rsa(bytes: usize, e: &str) -> String {
        let mut n = vec![255; bytes];
        n.insert(0, 0);
        format!(r#""kty":"RSA","n":"{}","e":"{e}""#, URL_SAFE_NO_PAD.encode(n))
    }

    fn parsed(keys: &[String]) -> Result<usize, String> {
        let text =
            format!(r#"{{"keys":[{}]}}"#, keys.iter().map(|key| format!("{{{key}}}")).collect::<Vec<_>>().join(","));
        KeySet::parse(text.as_bytes()).map(|set| set.count()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_without_use_for_us_are_left_out() {
        let point = URL_SAFE_NO_PAD.encode([1; 32]);
        for (key, count) in [
            (format!(r#"{ED},"kid":"a","alg":"EdDSA","use":"sig","key_ops":["verify"],"x5c":["?"]"#), 2),
            (rsa(256, "AQAB"), 2),
            (format!(r#""kty":"EC","crv":"P-256","x":"{point}","y":"{point}""#), 2),
            (format!(r#"{ED},"use":"enc""#), 1),
            (format!(r#"{ED},"key_ops":["encrypt"]"#), 1),
            (format!(r#"{ED},"alg":"ES512""#), 1),
            (r#""kty":"EC","crv":"P-521","x":"","y":"""#.to_owned(), 1),
            (r#""kty":"OKP","crv":"X25519","x":"""#.to_owned(), 1),
            (r#""kty":"AKP","pub":"""#.to_owned(), 1),
        ] {
            assert_eq!(parsed(&[format!(r#"{ED},"kid":"z""#), key.clone()]), Ok(count), "{key}");
        }
    }

    #[test]
    fn sets_that_are_wrong_are_refused_by_name() {
        let point = URL_SAFE_NO_PAD.encode([1; 32]);
        for (key, expected) in [
            (r#""kty":"oct","k":"c2VjcmV0""#.to_owned(), "the key number 1 is secret"),
            (format!(r#"{ED},"kid":"a","d":"c2VjcmV0""#), "the key `a` is secret"),
            (rsa(255, "AQAB"), "the RSA key number 1 has 2040 bits"),
            (rsa(1_025, "AQAB"), "the RSA key number 1 has 8200 bits"),
            (rsa(256, "AQ"), "the key number 1 has no valid `e`"),
            (rsa(256, "Ag"), "the key number 1 has no valid `e`"),
            (rsa(256, "AQAAAAAB"), "the key number 1 has no valid `e`"),
            (rsa(256, "AQAB=="), "the key number 1 has no valid `e`"),
            (format!(r#""kty":"EC","crv":"P-384","x":"{point}","y":"{point}""#), "the key number 1 has no valid `x`"),
            (format!(r#""kty":"EC","crv":"P-256","x":"{point}""#), "the key number 1 has no valid `y`"),
            (r#""crv":"P-256""#.to_owned(), "the key number 1 has no valid `kty`"),
            (format!(r#"{ED},"kid":7"#), "the key number 1 has no valid `kid`"),
            (format!(r#"{ED},"kid":"""#), "the key `` has no valid `kid`"),
            (format!(r#"{ED},"kid":"a","alg":"RS256""#), "the key `a` has no valid `alg`"),
            (format!(r#"{ED},"key_ops":"verify""#), "the key number 1 has no valid `key_ops`"),
            (format!(r#"{ED},"use":"enc""#), "no key of the set can verify"),
            (format!(r#"{ED},"kid":"a","kid":"b""#), "the key set cannot be read: `kid` is given twice"),
        ] {
            let refused = parsed(std::slice::from_ref(&key)).unwrap_err();
            assert!(refused.starts_with(expected), "{key}: {refused}");
            assert!(!refused.contains("c2VjcmV0"));
        }
        let twice = [r#"{ED},"kid":"a""#.replace("{ED}", ED), rsa(256, "AQAB") + r#","kid":"a""#];
        assert!(parsed(&twice).unwrap_err().starts_with("two keys have the id `a`"));
        assert_eq!(parsed(&vec![ED.to_owned(); 64]), Ok(64));
        assert!(parsed(&vec![ED.to_owned(); 65]).unwrap_err().starts_with("the key set has 65 keys"));
        for (set, expected) in [
            ("{}", "the key set has no list"),
            (r#"{"keys":{}}"#, "the key set has no list"),
            (r#"{"keys":[1]}"#, "the key set has no list"),
            ("<html>", "the key set cannot be read: it is no valid JSON"),
            (&" ".repeat(SET_BYTES_MAX + 1), "the key set is longer than 262144 bytes"),
        ] {
            assert!(KeySet::parse(set.as_bytes()).unwrap_err().to_string().starts_with(expected), "{expected}");
        }
    }
}
