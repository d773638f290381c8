//! What lets a node in, as text.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_model::{Fingerprint, JoinTokenId};
use sha2::{Digest, Sha256};

use crate::cluster_key::random;

/// What every token begins with, so that scanners for leaked secrets know one.
const PREFIX: &str = "pclj_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// A join token with its secret: `pclj_` and 76 bytes in unpadded URL-safe base64, which are the id, the fingerprint of the
/// authority, the secret, and a CRC-32C of all of it. Scanners find leaked ones by `pclj_[A-Za-z0-9_-]{102}`.
///
/// Whoever has one can let one node in. The fingerprint is what the node knows the cluster by, so that it gives the secret
/// to nobody else. It is shown by [`reveal`](Self::reveal) alone.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret {
    id: [u8; ID_BYTES],
    authority: Fingerprint,
    secret: [u8; SECRET_BYTES],
}

/// Why a text is no join token. The text is not part of the message: it may be one that was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinSecretError {
    /// It does not look like one.
    #[error("this is no join token: one begins with `{PREFIX}`; make one with `cluster join-token create`")]
    Malformed,
    /// It was one.
    #[error("the join token is cut off or mistyped: its checksum is wrong")]
    Checksum,
}

impl JoinSecret {
    /// A new one for a cluster that knows this authority, from the system's source of randomness.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    pub fn generate(authority: Fingerprint) -> Self {
        Self { id: random(), authority, secret: random() }
    }

    /// Its id, which is no secret.
    ///
    /// # Panics
    ///
    /// Never: sixteen hexadecimal digits are an id.
    pub fn id(&self) -> JoinTokenId {
        let digits = format!("{:016x}", u64::from_be_bytes(self.id));
        JoinTokenId::new(&digits).expect("INVARIANT: digits are an id")
    }

    /// The authority of the cluster that made it.
    pub fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// What the cluster knows the secret by: its SHA-256.
    pub fn proof(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// The token as text, for whoever is to start the node.
    pub fn reveal(&self) -> String {
        let mut bytes = self.bytes();
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    fn bytes(&self) -> Vec<u8> {
        [self.id.as_slice(), &self.authority.0, &self.secret].concat()
    }
}

impl FromStr for JoinSecret {
    type Err = JoinSecretError;

    fn from_str(text: &str) -> Result<Self, JoinSecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(JoinSecretError::Malformed)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| JoinSecretError::Checksum)?;
        let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(JoinSecretError::Checksum)?;
        if crc32c::crc32c(bytes).to_be_bytes() != *checksum {
            return Err(JoinSecretError::Checksum);
        }
        let parts = || {
            let (id, rest) = bytes.split_first_chunk()?;
            let (authority, secret) = rest.split_first_chunk()?;
            Some(Self { id: *id, authority: Fingerprint(*authority), secret: secret.try_into().ok()? })
        };
        parts().ok_or(JoinSecretError::Checksum)
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinSecret({}, …)", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_shown() {
        let token = JoinSecret::generate(Fingerprint([9; 32]));
        let text = token.reveal();
        assert_eq!(text.parse(), Ok(token.clone()));
        assert_eq!(text.len(), PREFIX.len() + 102);
        assert!(!format!("{token:?}").contains(&text[20..]));
        assert_ne!(token.proof(), JoinSecret::generate(Fingerprint([9; 32])).proof());
    }

    #[test]
    fn one_that_was_mistyped_is_none() {
        let text = JoinSecret::generate(Fingerprint([9; 32])).reveal();
        for at in PREFIX.len()..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(changed.parse::<JoinSecret>(), Err(JoinSecretError::Checksum), "{at}");
        }
        assert_eq!(text[..50].parse::<JoinSecret>(), Err(JoinSecretError::Checksum));
        assert_eq!("hunter2".parse::<JoinSecret>(), Err(JoinSecretError::Malformed));
    }
}
