//! Randomness: the one place that draws it.

use rand::RngCore;

/// A source of random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Sixteen bytes that nobody can guess.
    fn bytes(&self) -> [u8; 16];
}

/// The random generator of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }
}
