//! JSON Web Tokens of configured issuers.
//!
//! A token passes these gates, and the first that refuses it says why:
//!
//! 1. its length (`token.rs`);
//! 2. whether it was verified before, by its SHA-256 (`cache.rs`); then only 8 and 9 follow;
//! 3. its form: three parts in base64url, header and claims as JSON objects without a name twice (`token.rs`, `json.rs`);
//! 4. its header: an algorithm with a public key, no extension that must be understood, a type that is one for access;
//! 5. its issuer, by the exact text of `iss`, which is not believed yet and only says whose keys count (`verifier.rs`);
//! 6. its algorithm is on the issuer's list, its key is one of the issuer's, and the one is for the other (`jwks.rs`);
//! 7. the signature, and only then what it says: audience, times, subject, groups (`claims.rs`);
//! 8. the time, with the error that the clock may have;
//! 9. whether the tokens of the subject are void since it was issued.
//!
//! Keys are fetched from the configured place by a [`Keeper`], and by nobody else. A key that is not known makes it look
//! again, at most once in 30 seconds.

mod algorithm;
mod cache;
mod claims;
mod error;
mod fetch;
mod issuers;
mod json;
mod jwks;
mod keys;
mod schedule;
mod token;
mod verifier;

pub use algorithm::Algorithm;
pub use error::{Error, Kind};
pub use fetch::{FetchError, Keeper, TIME_LIMIT};
pub use issuers::{Issuer, Issuers, IssuersError, KeySource};
pub use json::JsonError;
pub use jwks::{KEYS_MAX, KeyName, KeySet, RSA_BITS_MAX, RSA_BITS_MIN, SET_BYTES_MAX, SetError};
pub use keys::{Keys, Refetch};
pub use token::{Part, TOKEN_BYTES_MAX};
pub use verifier::{CACHED_TOKENS, Trusted, Verifier};
