//! From a token to whoever it is of.

use std::sync::Arc;

use portcullis_model::{Clock, Object, Timestamp};
use sha2::{Digest, Sha256};

use super::cache::{Cache, TokenDigest, Verified};
use super::claims::{self, Claims};
use super::error::Error;
use super::issuers::{Issuer, Issuers};
use super::jwks::Key;
use super::keys::{Keys, Snapshot};
use super::token::{TOKEN_BYTES_MAX, Unverified};
use crate::{Identity, Shown};

/// Tokens that are remembered unless told otherwise. Each takes about as much as its claims, usually below 1 KB.
pub const CACHED_TOKENS: usize = 16_384;

/// Verifies tokens of the issuers that are configured. Shared by all who have a token, and does no input or output.
#[derive(Debug)]
pub struct Verifier {
    trusted: Vec<Trusted>,
    cache: Cache,
}

/// An issuer and its keys.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// What is configured.
    pub issuer: Arc<Issuer>,
    /// Its keys. They are not known at first, and to be fetched by somebody else.
    pub keys: Arc<Keys>,
}

impl Verifier {
    /// Trusts the issuers, and remembers so many tokens.
    pub fn new(issuers: &Issuers, cached_tokens: usize) -> Self {
        let trusted = issuers.0.iter().map(|issuer| Trusted { issuer: Arc::clone(issuer), keys: Arc::default() });
        Self { trusted: trusted.collect(), cache: Cache::new(cached_tokens) }
    }

    /// The issuers, for whoever fetches their keys.
    pub fn trusted(&self) -> &[Trusted] {
        &self.trusted
    }

    /// How many tokens are remembered.
    pub fn cached_tokens(&self) -> usize {
        self.cache.tokens()
    }

    /// Says who a token is of. `not_before` says for a subject before which time its tokens are void.
    pub fn verify(
        &self,
        token: &str,
        clock: &Clock,
        not_before: impl FnOnce(&Object) -> Option<Timestamp>,
    ) -> Result<Arc<Identity>, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLong { length: token.len() });
        }
        let digest: TokenDigest = Sha256::digest(token).into();
        let known = self.cache.get(&digest).filter(|known| self.is_current(known));
        let is_new = known.is_none();
        let verified = match known {
            Some(verified) => verified,
            None => self.verify_anew(token, clock)?,
        };
        verified.lifetime.check(clock)?;
        verified.lifetime.check_void(not_before(&verified.identity.subject))?;
        let identity = Arc::clone(&verified.identity);
        if is_new {
            self.cache.insert(digest, verified);
        }
        Ok(identity)
    }

    /// Whether the issuer still has the keys that a token was verified with.
    fn is_current(&self, known: &Verified) -> bool {
        self.trusted[known.issuer].keys.generation() == Some(known.generation)
    }

    fn verify_anew(&self, token: &str, clock: &Clock) -> Result<Verified, Error> {
        let unverified = Unverified::parse(token)?;
        // Not believed yet: it only says whose keys are tried.
        let claimed = claims::issuer(&unverified.claims)?;
        let found = self.trusted.iter().enumerate().find(|(_, trusted)| *trusted.issuer.issuer == *claimed);
        let (place, trusted) = found.ok_or_else(|| Error::Issuer { given: Shown::new(claimed) })?;
        let generation = trusted.verify_signature(&unverified, clock)?;
        let claims = Claims::new(&trusted.issuer, &unverified.claims);
        claims.check_audience()?;
        let lifetime = claims.lifetime()?;
        lifetime.check(clock)?;
        let identity = Arc::new(claims.identity(&lifetime)?);
        Ok(Verified { identity, lifetime, issuer: place, generation })
    }
}

impl Trusted {
    /// Verifies with a key of this issuer, and says of which generation.
    fn verify_signature(&self, unverified: &Unverified<'_>, clock: &Clock) -> Result<u64, Error> {
        let (issuer, algorithm) = (|| Arc::clone(&self.issuer.issuer), unverified.algorithm);
        if !self.issuer.algorithms.contains(&algorithm) {
            return Err(Error::NotAllowed { algorithm, issuer: issuer() });
        }
        let keys = self.keys.current().ok_or_else(|| Error::NoKeys { issuer: issuer() })?;
        let key = self.key(unverified, &keys, clock)?;
        if key.verify(algorithm, unverified.signed, &unverified.signature) {
            Ok(keys.generation)
        } else {
            Err(Error::Signature { issuer: issuer() })
        }
    }

    fn key<'k>(&self, unverified: &Unverified<'_>, keys: &'k Snapshot, clock: &Clock) -> Result<&'k Key, Error> {
        let (issuer, algorithm) = (|| Arc::clone(&self.issuer.issuer), unverified.algorithm);
        let Some(id) = &unverified.key_id else {
            return keys.set.only(algorithm).ok_or_else(|| Error::NoKeyId { issuer: issuer(), algorithm });
        };
        let Some(key) = keys.set.with_id(id) else {
            self.keys.missed(clock.reading);
            return Err(Error::UnknownKey { issuer: issuer(), given: Shown::new(id) });
        };
        if key.fits(algorithm) {
            Ok(key)
        } else {
            Err(Error::KeyKind { issuer: issuer(), given: Shown::new(id), algorithm })
        }
    }
}
