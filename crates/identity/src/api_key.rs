//! API keys: their text, and what is stored of them.
//!
//! ```text
//! pcl_ aesew3uvxdpqekkm _ RPOmV8CGkf20LizBDmXj9UBCY7BPy08hfWiG3pGVoVw 1ikveA
//!      id, 80 bits        secret, 256 bits                             CRC-32 of all before
//! ```
//!
//! The id is public and finds the key's record; it is in RFC 4648 base32, lower-case. Secret and checksum are in base62
//! (`0-9A-Za-z`), so a double click selects all of a key and nothing needs quoting. A scanner of secrets finds keys by
//!
//! ```text
//! \bpcl_[a-z2-7]{16}_[0-9A-Za-z]{49}\b
//! ```
//!
//! and tells real ones from look-alikes without asking anybody: the last six characters are, in base62 with leading
//! zeroes, the CRC-32 (of IEEE 802.3, as zlib computes it) of the 64 characters before them.
//!
//! A node keeps the SHA-256 of a key. No slow hash is needed, because a secret of 256 random bits cannot be guessed; and
//! the checksum helps nobody who guesses, because it follows from the rest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// What every key begins with.
pub const PREFIX: &str = "pcl_";

/// Random bytes that a key is made of.
pub const RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;

const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 32;

const ID_LETTERS: usize = 16;
const SECRET_LETTERS: usize = 43;
const CHECKSUM_LETTERS: usize = 6;

const ID_START: usize = PREFIX.len();
const SECRET_START: usize = ID_START + ID_LETTERS + 1;
const CHECKSUM_START: usize = SECRET_START + SECRET_LETTERS;
const LETTERS: usize = CHECKSUM_START + CHECKSUM_LETTERS;

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keeps the hashes of keys apart from all others.
const DOMAIN: &[u8] = b"portcullis api key 1\0";

/// An API key with its secret. Neither `Debug` nor `Display` shows that; only [`ApiKey::reveal`] does.
#[derive(Clone)]
pub struct ApiKey {
    id: KeyId,
    secret: [u8; SECRET_LETTERS],
}

/// The public part of a key, by which its record is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; ID_BYTES]);

/// What is stored of a key: enough to recognise it, and useless to whoever reads it.
///
/// Deliberately not comparable: [`ApiKey::matches`] takes the same time whatever it finds.
#[derive(Clone, Copy, Debug)]
pub struct Digest(pub [u8; 32]);

/// Why a text is no API key. What it says of the text is at most the id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not begin as keys do.
    #[error("this is no API key: one begins with `pcl_`")]
    Prefix,
    /// It is too short or too long.
    #[error("the API key has {length} characters and must have 70: it was cut off or run together; copy it again")]
    Length {
        /// How many bytes it has.
        length: usize,
    },
    /// The id has other characters than ids have.
    #[error(
        "the id of the API key is malformed: 16 characters of `a-z` and `2-7` and then `_` follow on `pcl_`; copy the key again"
    )]
    Id,
    /// The secret or the checksum has other characters than they have.
    #[error("the API key `{id}` has a character that is no letter or digit: copy it again")]
    Letter {
        /// The public part.
        id: KeyId,
    },
    /// The checksum is not that of the rest.
    #[error("the API key `{id}` has a wrong checksum: it was mistyped; copy it again")]
    Checksum {
        /// The public part.
        id: KeyId,
    },
}

/// Why a text is no id of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of an API key: give the 16 characters of `a-z` and `2-7` that follow on `pcl_`")]
pub struct KeyIdError;

impl ApiKey {
    /// Makes a key of random bytes, which must come from a source fit for cryptography.
    pub fn generate(random: [u8; RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        // INVARIANT: the random bytes are as long as both together.
        let id = KeyId(id.try_into().expect("an id"));
        Self::new(id, secret.try_into().expect("a secret"))
    }

    /// Makes a key of an id, which may be that of an older key, and 32 random bytes.
    pub fn new(id: KeyId, secret: [u8; SECRET_BYTES]) -> Self {
        let mut limbs: [u32; 8] = [0; 8];
        for (limb, bytes) in limbs.iter_mut().zip(secret.chunks_exact(4)) {
            *limb = bytes.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
        }
        let mut letters = [b'0'; SECRET_LETTERS];
        for letter in letters.iter_mut().rev() {
            let mut rest: u64 = 0;
            for limb in &mut limbs {
                let whole = rest << 32 | u64::from(*limb);
                *limb = u32::try_from(whole / 62).expect("INVARIANT: the rest is below 62");
                rest = whole % 62;
            }
            *letter = digit(rest);
        }
        Self { id, secret: letters }
    }

    /// Reads a key. That it is well-formed says nothing about whether it was ever issued.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = text.as_bytes();
        if !bytes.starts_with(PREFIX.as_bytes()) {
            return Err(KeyError::Prefix);
        }
        let whole: &[u8; LETTERS] = bytes.try_into().map_err(|_| KeyError::Length { length: bytes.len() })?;
        if whole[SECRET_START - 1] != b'_' {
            return Err(KeyError::Id);
        }
        let id = KeyId::of_letters(&whole[ID_START..SECRET_START - 1]).ok_or(KeyError::Id)?;
        if !whole[SECRET_START..].iter().all(u8::is_ascii_alphanumeric) {
            return Err(KeyError::Letter { id });
        }
        let (body, given) = whole.split_at(CHECKSUM_START);
        if checksum(body) != given {
            return Err(KeyError::Checksum { id });
        }
        let secret = body[SECRET_START..].try_into().expect("INVARIANT: the body ends with the secret");
        Ok(Self { id, secret })
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is to be stored of the key.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::new().chain_update(DOMAIN).chain_update(self.id.0).chain_update(self.secret).finalize().into())
    }

    /// Whether it is the key that a digest was made of, in a time that does not depend on the answer.
    pub fn matches(&self, digest: &Digest) -> bool {
        self.digest().0.ct_eq(&digest.0).into()
    }

    /// The whole key, secret included: to be shown once, to whoever it is for.
    pub fn reveal(&self) -> String {
        let mut text = format!("{PREFIX}{}_", self.id);
        text.extend(self.secret.iter().copied().map(char::from));
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        text
    }
}

/// The digit of a number below 62.
fn digit(number: u64) -> u8 {
    BASE62[usize::try_from(number).expect("INVARIANT: a digit is below 62")]
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LETTERS] {
    let mut rest = u64::from(crc32fast::hash(body));
    let mut letters = [b'0'; CHECKSUM_LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = digit(rest % 62);
        rest /= 62;
    }
    letters
}

impl KeyId {
    fn of_letters(letters: &[u8]) -> Option<Self> {
        let letters: &[u8; ID_LETTERS] = letters.try_into().ok()?;
        let mut number: u128 = 0;
        for letter in letters {
            let value = match letter {
                b'a'..=b'z' => letter - b'a',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => return None,
            };
            number = number << 5 | u128::from(value);
        }
        let (_, low) = number.to_be_bytes().split_last_chunk().map(|(high, low)| (high.len(), *low))?;
        Some(Self(low))
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        Self::of_letters(text.as_bytes()).ok_or(KeyIdError)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;

    fn try_from(text: String) -> Result<Self, KeyIdError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        (0..ID_LETTERS).rev().try_for_each(|place| {
            let value = usize::try_from(number >> (5 * place) & 31).expect("INVARIANT: five bits");
            write!(f, "{}", char::from(BASE32[value]))
        })
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> ApiKey {
        let mut random = [0; RANDOM_BYTES];
        for (nth, byte) in (0_u8..).zip(&mut random) {
            *byte = nth.wrapping_mul(37) ^ seed;
        }
        ApiKey::generate(random)
    }

    /// Issued keys have to work for ever.
    #[test]
    fn the_text_and_the_digest_are_frozen() {
        // Computed by another program.
        let frozen = [
            (
                ApiKey::generate([0; RANDOM_BYTES]),
                "pcl_aaaaaaaaaaaaaaaa_00000000000000000000000000000000000000000002EzyML",
                "d0aefbaea924b49cb57258cf28b1ce723bce549abb2a7433a057a220db5d6c8e",
            ),
            (
                ApiKey::generate([255; RANDOM_BYTES]),
                "pcl_7777777777777777_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11bXSXG",
                "11080442d1cd743c00a7f91a71c29ca185aa98ea09cc693b9f99e6d283073546",
            ),
            (
                key(1),
                "pcl_aesew3uvxdpqekkm_RPOmV8CGkf20LizBDmXj9UBCY7BPy08hfWiG3pGVoVw1ikveA",
                "8407edd78eb8778d61a7f8d149217c5c9edcaf91b5e5793499fb7ba13816883d",
            ),
        ];
        for (key, text, digest) in frozen {
            assert_eq!(key.reveal(), text);
            let number = u128::from_be_bytes(*key.digest().0.first_chunk().unwrap());
            assert_eq!(format!("{number:032x}"), digest[..32], "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_secret() {
        let good = key(1).reveal();
        let other = good.replace(&good[30..33], "___");
        for (text, expected) in [
            ("", "this is no API key"),
            ("sk_live_123", "this is no API key"),
            ("PCL_", "this is no API key"),
            ("pcl_", "the API key has 4 characters and must have 70"),
            (&good[..69], "the API key has 69 characters"),
            (&format!("{good} "), "the API key has 71 characters"),
            (&good.replacen("pcl_a", "pcl_A", 1), "the id of the API key is malformed"),
            (&good.to_lowercase(), "the API key `aes"),
            (&other, "the API key `aes"),
        ] {
            let refused = ApiKey::parse(text).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{text}: {refused}");
            assert!(!refused.contains(&good[25..40]));
        }
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let good = key(7).reveal();
        for at in 0..good.len() {
            for letter in (0..128_u8).filter(|letter| *letter != good.as_bytes()[at]) {
                let mut bytes = good.clone().into_bytes();
                bytes[at] = letter;
                assert!(ApiKey::parse(str::from_utf8(&bytes).unwrap()).is_err(), "{letter} at {at}");
            }
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let key = key(9);
        let secret = &key.reveal()[SECRET_START..CHECKSUM_START];
        for printed in [format!("{key}"), format!("{key:?}"), format!("{key:#?}")] {
            assert!(printed.contains(&key.id().to_string()), "{printed}");
            assert!((0..SECRET_LETTERS - 4).all(|at| !printed.contains(&secret[at..at + 4])), "{printed}");
        }
    }

    proptest! {
        #[test]
        fn a_key_reads_as_it_was_revealed(random in prop::array::uniform32(any::<u8>()), id in prop::array::uniform10(any::<u8>())) {
            let key = ApiKey::new(KeyId(id), random);
            let read = ApiKey::parse(&key.reveal()).unwrap();
            prop_assert_eq!(read.id(), key.id());
            prop_assert_eq!(read.reveal(), key.reveal());
            prop_assert!(read.matches(&key.digest()));
            prop_assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        }

        #[test]
        fn another_secret_or_id_does_not_match(one in prop::array::uniform32(any::<u8>()), at in 0..32_usize, bit in 0..8_u32) {
            let id = KeyId([1; ID_BYTES]);
            let mut two = one;
            two[at] ^= 1 << bit;
            let (first, second) = (ApiKey::new(id, one), ApiKey::new(id, two));
            prop_assert_ne!(first.reveal(), second.reveal());
            prop_assert!(!first.matches(&second.digest()));
            prop_assert!(!first.matches(&ApiKey::new(KeyId([2; ID_BYTES]), one).digest()));
        }
    }
}
