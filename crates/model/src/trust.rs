//! What a cluster trusts: who signs the certificates of its nodes, and who may become one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::name::JoinTokenId;
use crate::{NameError, NodeId, Timestamp};

/// SHA-256 of a certificate, as its hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// Who signs certificates of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Of its certificate.
    pub fingerprint: Fingerprint,
    /// Its certificate, in DER.
    pub certificate: Vec<u8>,
    /// The same signed by the authority before, so that nodes which know that one only believe this one; empty for the first.
    pub cross_certificate: Vec<u8>,
    /// Its private key, sealed by the key that every node keeps beside its data.
    pub sealed_key: Vec<u8>,
}

/// What lets one node in. Its secret is known to whoever was given it, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// SHA-256 of its secret.
    pub proof: [u8; 32],
    /// From when on it lets nobody in.
    pub expires: Timestamp,
    /// Whom it has let in. It lets in no other.
    pub used_by: Option<NodeId>,
}

/// What a cluster trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Those whose signatures count, at most [`limit::AUTHORITIES_MAX`](crate::limit::AUTHORITIES_MAX). The last one signs.
    /// None where nodes prove nothing to each other.
    pub authorities: Vec<Authority>,
    /// Those that were made and neither revoked nor cleared away.
    pub join_tokens: BTreeMap<JoinTokenId, JoinToken>,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed =
            || NameError::Malformed { kind: "fingerprint", value: text.to_owned(), expected: "64 hexadecimal digits" };
        if text.len() != 64 || !text.is_ascii() {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| malformed())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_digits() {
        let text = "00ff".repeat(16);
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
        for wrong in ["", "00", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
