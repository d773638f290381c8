//! The key that seals what is secret in the replicated state.

use std::fmt;

use portcullis_model::ClusterId;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const KEY_BYTES: usize = 32;

/// A key that every node of a cluster keeps beside its data, and that is no part of the replicated state. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey([u8; KEY_BYTES]);

/// Why something that was sealed does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is too short to have been sealed.
    #[error("what was sealed is cut off")]
    CutOff,
    /// Another key sealed it, or for another cluster, or it was changed.
    #[error("what was sealed does not open: this node's cluster key is another one, or it was changed")]
    Wrong,
}

impl ClusterKey {
    /// A new key, from the system's source of randomness.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    pub fn generate() -> Self {
        Self(random())
    }

    /// The key as bytes, for whoever keeps it or hands it to a node that was let in.
    pub fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key that was kept; `None` if it is not of the right length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Seals something for a cluster: ChaCha20-Poly1305 (RFC 8439), a random nonce in front.
    pub fn seal(&self, cluster: ClusterId, secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = secret.to_vec();
        let key = self.cipher();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(cluster.0), &mut sealed)
            .expect("INVARIANT: a key is shorter than what the cipher can seal");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for a cluster.
    pub fn open(&self, cluster: ClusterId, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(OpenError::CutOff)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::CutOff)?;
        let mut opened = sealed.to_vec();
        let secret = self.cipher().open_in_place(nonce, Aad::from(cluster.0), &mut opened);
        Ok(secret.map_err(|_| OpenError::Wrong)?.to_vec())
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(
            UnboundKey::new(&CHACHA20_POLY1305, &self.0)
                .expect("INVARIANT: a key has the length that the cipher takes"),
        )
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(…)")
    }
}

/// Bytes from the system's source of randomness.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("INVARIANT: the system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_key_and_cluster_alone() {
        let (key, cluster) = (ClusterKey::generate(), ClusterId([1; 16]));
        let sealed = key.seal(cluster, b"secret");
        assert_eq!(key.open(cluster, &sealed).unwrap(), b"secret");
        assert_ne!(sealed, key.seal(cluster, b"secret"), "a nonce is used once");
        assert_eq!(key.open(ClusterId([2; 16]), &sealed), Err(OpenError::Wrong));
        assert_eq!(ClusterKey::generate().open(cluster, &sealed), Err(OpenError::Wrong));
        assert_eq!(key.open(cluster, &sealed[..5]), Err(OpenError::CutOff));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(cluster, &changed), Err(OpenError::Wrong), "byte {at}");
        }
        assert_eq!(format!("{key:?}"), "ClusterKey(…)");
    }
}
