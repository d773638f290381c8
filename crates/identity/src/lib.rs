//! Who a caller is: from what it presents (a certificate, an API key, a signed token) to an [`Identity`].
//!
//! What a caller may do is not decided here. An identity is one subject and, as far as somebody vouches for them, its groups
//! and claims for conditions; rights are grants like any other.
//!
//! ```text
//! certificate (verified by TLS) ── certificate::Names ── certificate::Rules ──┐
//! pcl_… ── api_key::ApiKey ── the record of its id, by whoever stores them ───┼── Identity
//! header.claims.signature ── jwt::Verifier, with the keys of jwt::Keys ───────┘
//!                                                         └── fetched by jwt::Keeper
//! failures ── limiter::Limiter
//! ```
//!
//! # Rules that hold everywhere
//!
//! * **In doubt, no.** A certificate or token that two programs could read in two ways is refused: a name twice, a second
//!   URI, padding where none belongs. So is one that may have expired, or may not be valid yet, by the bound on the error of
//!   the clock. A group that cannot be mapped refuses all of the token, since leaving it out could allow what its members are
//!   denied.
//! * **Nobody chooses a name that is not theirs.** A [`template::Template`] has a fixed type, and two callers never get one
//!   subject from it. A subject is one object: neither everybody of a type nor the members of something.
//! * **What a caller sends is data.** The id of a key is compared with those of the issuer's keys, and never a path or an
//!   address. Keys and addresses of keys within a token are not looked at.
//! * **No secret in a message.** `Debug`, `Display` and errors have neither the secret of an API key nor a token. What a
//!   caller has chosen is shown short and in printable ASCII ([`Shown`]).
//! * **Time, randomness and input are arguments.** Only `jwt/fetch.rs` reads a file or opens a connection; a table in
//!   `xtask/src/layering.rs` holds the other files to that. The crate as a whole is not among the pure ones, because
//!   cryptography and TLS bring along what reads randomness and clocks.
//! * **Everything has a limit:** a token, a set of keys, a certificate, what is remembered of tokens and of failures.
//!
//! # Signatures
//!
//! The compact form of a token is split and decoded here, and ring, the provider of cryptography of all this project,
//! verifies the signature. Libraries for tokens were considered: they take a name that is given twice, and bring a second
//! implementation of RSA and of elliptic curves along, or one in C. What is left to do without them is short: the
//! algorithm has to be on the issuer's list *and* fit the kind of its key, so that no key is used for what it is not
//! (RFC 8725, 3.1 and 3.2). There is no algorithm here that has a shared secret, nor `none`.
//!
//! # Sources
//!
//! * RFC 7515 (signatures), 7517 (keys), 7518 and 8037 (algorithms), 7519 (tokens), 8725 (best practice), 9068 (tokens for
//!   access); `OpenID` Connect Core 1.0 for `acr`, `amr`, `auth_time` and `_claim_names`.
//! * RFC 5280 (certificates); the standards [SPIFFE-ID](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md)
//!   and [X509-SVID](https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md).

pub mod api_key;
pub mod certificate;
pub mod jwt;
pub mod limiter;
pub mod template;

mod identity;
mod shown;
mod spiffe;

pub use identity::{Identity, Method};
pub use shown::Shown;
pub use spiffe::{SpiffeError, SpiffeId};
