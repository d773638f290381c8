//! Keys that sign, and their public halves as JWK.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RsaEncoding, RsaKeyPair,
};

/// A key that signs.
pub(crate) enum Signer {
    Rsa { pair: Box<RsaKeyPair>, n: Vec<u8> },
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Two of each kind, so that there is a wrong one.
pub(crate) static RSA: LazyLock<[Signer; 2]> = LazyLock::new(|| [1, 2].map(rsa));
pub(crate) static P256: LazyLock<[Signer; 2]> = LazyLock::new(|| [(), ()].map(|()| p256()));
pub(crate) static P384: LazyLock<[Signer; 2]> = LazyLock::new(|| [(), ()].map(|()| p384()));
pub(crate) static ED25519: LazyLock<[Signer; 2]> = LazyLock::new(|| [1, 2].map(ed25519));

impl Signer {
    /// Signs by an algorithm that the key is for.
    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa { pair, .. } => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    other => panic!("an RSA key does not sign {other}"),
                };
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, message, &mut signed).unwrap();
                signed
            }
            Self::P256(pair) | Self::P384(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The members of its JWK without `kid`.
    pub(crate) fn jwk(&self) -> String {
        let curve = |name: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            format!(r#""kty":"EC","crv":"{name}","x":"{}","y":"{}""#, base64(x), base64(y))
        };
        match self {
            Self::Rsa { n, .. } => format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, base64(n)),
            Self::P256(pair) => curve("P-256", pair.public_key().as_ref()),
            Self::P384(pair) => curve("P-384", pair.public_key().as_ref()),
            Self::Ed25519(pair) => {
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, base64(pair.public_key().as_ref()))
            }
        }
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A set of keys by id.
pub(crate) fn set(keys: &[(&str, &Signer)]) -> String {
    let mut text = String::new();
    for (id, key) in keys {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, r#"{comma}{{"kid":"{id}",{}}}"#, key.jwk()).unwrap();
    }
    format!(r#"{{"keys":[{text}]}}"#)
}

fn p256() -> Signer {
    let random = SystemRandom::new();
    let text = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    Signer::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, text.as_ref(), &random).unwrap())
}

fn p384() -> Signer {
    let random = SystemRandom::new();
    let text = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    Signer::P384(EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, text.as_ref(), &random).unwrap())
}

fn ed25519(seed: u8) -> Signer {
    Signer::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
}

/// Makes an RSA key of 2048 bits, the same for the same seed. For tests only: whoever knows the seed knows the key.
fn rsa(seed: u64) -> Signer {
    let mut dice = Dice(seed);
    let exponent = BigUint::from(65_537_u32);
    let (one, two) = (dice.prime(), dice.prime());
    let (large, small) = if one > two { (one, two) } else { (two, one) };
    let (large_less, small_less) = (&large - 1_u32, &small - 1_u32);
    let secret = exponent.modinv(&(&large_less * &small_less)).unwrap();
    let n = (&large * &small).to_bytes_be();
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: n.clone(), e: exponent.to_bytes_be() },
        d: secret.to_bytes_be(),
        p: large.to_bytes_be(),
        q: small.to_bytes_be(),
        dP: (&secret % &large_less).to_bytes_be(),
        dQ: (&secret % &small_less).to_bytes_be(),
        qInv: small.modinv(&large).unwrap().to_bytes_be(),
    };
    Signer::Rsa { pair: Box::new(RsaKeyPair::from_components(&components).unwrap()), n }
}

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A prime of 1024 bits of which the two highest are set, so that the product of two has 2048.
    fn prime(&mut self) -> BigUint {
        let mut bytes: Vec<u8> = (0..16).flat_map(|_| self.next().to_be_bytes()).collect();
        bytes[0] |= 0xC0;
        bytes[127] |= 1;
        let mut number = BigUint::from_bytes_be(&bytes);
        while !is_prime(&number) {
            number += 2_u32;
        }
        number
    }
}

/// Fermat's test by two bases, behind a sieve; good enough for numbers that nobody chose.
fn is_prime(number: &BigUint) -> bool {
    let zero = BigUint::from(0_u32);
    let small = (3..2_000_u32).step_by(2);
    if small.into_iter().any(|divisor| number % divisor == zero) {
        return false;
    }
    let less = number - 1_u32;
    // The public exponent must not divide it.
    &less % 65_537_u32 != zero
        && [2_u32, 3].iter().all(|base| BigUint::from(*base).modpow(&less, number) == BigUint::from(1_u32))
}
