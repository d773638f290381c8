//! Who a caller is.

use std::sync::Arc;

use portcullis_model::{Clock, Context, Object, Timestamp};

use crate::api_key::KeyId;

/// Who a caller is, and how that was established. What it may do is not decided by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The caller: one object, so never everybody of a type nor the members of something.
    pub subject: Object,
    /// Groups that whoever vouches for the caller counts it to, in that order and each once.
    pub groups: Vec<Object>,
    /// What conditions may read about how the caller was identified.
    pub context: Context,
    /// What was presented.
    pub method: Method,
    /// When what was presented was issued, if it says so.
    pub issued_at: Option<Timestamp>,
    /// From when on it counts no more.
    pub expires: Option<Timestamp>,
}

/// What a caller presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A certificate whose chain the TLS library has verified.
    Certificate {
        /// The name that was mapped to the subject, as it is in the certificate.
        name: String,
    },
    /// An API key.
    ApiKey {
        /// The public part of the key.
        id: KeyId,
    },
    /// A signed token.
    Jwt {
        /// Who issued it.
        issuer: Arc<str>,
    },
}

impl Identity {
    /// Whether it may have expired: true as soon as the clock cannot exclude it.
    pub fn is_expired(&self, clock: &Clock) -> bool {
        self.expires.is_some_and(|expires| clock.latest() >= expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_expires_as_soon_as_it_may_have() {
        let identity = Identity {
            subject: "user:alice".parse().unwrap(),
            groups: Vec::new(),
            context: Context::default(),
            method: Method::Jwt { issuer: "https://example.com".into() },
            issued_at: None,
            expires: Some(Timestamp(1_000)),
        };
        for (reading, error_ms, expired) in [(999, 0, false), (1_000, 0, true), (899, 100, false), (900, 100, true)] {
            let clock = Clock { reading: Timestamp(reading), error_ms };
            assert_eq!(identity.is_expired(&clock), expired, "{reading} {error_ms}");
            assert!(!Identity { expires: None, ..identity.clone() }.is_expired(&clock));
        }
    }
}
