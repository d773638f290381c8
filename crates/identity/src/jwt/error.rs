//! Why a token is not taken.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ContextError, Timestamp};

use super::algorithm::Algorithm;
use super::json::JsonError;
use super::token::{Part, TOKEN_BYTES_MAX};
use crate::Shown;
use crate::template::Unfit;

/// Why a token is not taken. Nothing of it is repeated but short names that it gives; and what its claims are is told only
/// about tokens whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is too long.
    #[error("the token is {length} bytes long: the most is {TOKEN_BYTES_MAX}; leave claims out at the issuer")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It does not have three parts.
    #[error("the token is no signed token in compact form: send header, claims and signature, joined by two `.`")]
    Parts,
    /// A part is not in base64url in its only form.
    #[error("the {part} of the token is not base64url without padding: send the token as it was issued")]
    Base64 {
        /// The part.
        part: Part,
    },
    /// A part is not a JSON object of which every name is given once.
    #[error("the {part} of the token cannot be read: {problem}")]
    Json {
        /// The part.
        part: Part,
        /// What is wrong.
        problem: JsonError,
    },
    /// A member of the header is missing or of another kind.
    #[error("the header of the token has no valid `{member}`, which is a text")]
    Header {
        /// The member.
        member: &'static str,
    },
    /// It says to be something else than a token for access.
    #[error("the token is of type `{given}`: send one of type `JWT` or `at+jwt`")]
    Type {
        /// What it says.
        given: Shown,
    },
    /// It requires extensions.
    #[error("the token has extensions in `crit`, of which none is supported: let the issuer leave them out")]
    Critical,
    /// It is signed in a way that is never taken.
    #[error(
        "the token is signed with `{given}`, which is not supported: sign with one of RS256, PS256, ES256, EdDSA and their longer forms"
    )]
    Algorithm {
        /// What it says.
        given: Shown,
    },
    /// It is signed in a way that is not taken of this issuer.
    #[error("the token is signed with {algorithm}, which is not among the `algorithms` of `{issuer}`")]
    NotAllowed {
        /// The algorithm.
        algorithm: Algorithm,
        /// The issuer.
        issuer: Arc<str>,
    },
    /// It is of an issuer that is not configured.
    #[error(
        "the token is of the issuer `{given}`, which is not trusted: add it to `issuers`, exactly so, or use another"
    )]
    Issuer {
        /// What it says.
        given: Shown,
    },
    /// The keys of the issuer are not known yet.
    #[error("the keys of `{issuer}` have not been fetched yet: try again; if it lasts, look at the node's log")]
    NoKeys {
        /// The issuer.
        issuer: Arc<str>,
    },
    /// The issuer has no key of that id, as far as is known. It is going to be asked again, though not too often.
    #[error(
        "the token is signed with the key `{given}`, which `{issuer}` does not have: try again in a minute if it is new"
    )]
    UnknownKey {
        /// The issuer.
        issuer: Arc<str>,
        /// The id of the key.
        given: Shown,
    },
    /// It names no key, and more than one may be meant, or none is.
    #[error("the token names no key, and `{issuer}` has not exactly one for {algorithm}: let the issuer add `kid`")]
    NoKeyId {
        /// The issuer.
        issuer: Arc<str>,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The key that it names is not for the algorithm that it names.
    #[error("the token is signed with {algorithm}, which the key `{given}` of `{issuer}` is not for")]
    KeyKind {
        /// The issuer.
        issuer: Arc<str>,
        /// The id of the key.
        given: Shown,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The signature is wrong.
    #[error("the signature of the token is wrong: `{issuer}` has not issued it so")]
    Signature {
        /// The issuer.
        issuer: Arc<str>,
    },
    /// A claim that is needed is missing.
    #[error("the token has no claim `{claim}`: let the issuer add it")]
    Missing {
        /// The claim.
        claim: String,
    },
    /// A claim is of another kind.
    #[error("the claim `{claim}` of the token is not {expected}: correct it at the issuer")]
    Claim {
        /// The claim.
        claim: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// It is for somebody else.
    #[error(
        "the token is for the audience {given}: ask the issuer for one that is for Portcullis, as configured in `audiences`"
    )]
    Audience {
        /// Whom it is for.
        given: Shown,
    },
    /// It has expired, or may have.
    #[error("the token expired at {expires}, and it may be {latest} by now: get a new one")]
    Expired {
        /// When.
        expires: Timestamp,
        /// What time it may be.
        latest: Timestamp,
    },
    /// It is not valid yet, or may not be.
    #[error(
        "the token is valid from {not_before}, and it may be {earliest} only: wait, and check the clocks of node and issuer"
    )]
    NotYet {
        /// From when on it is valid.
        not_before: Timestamp,
        /// What time it may be.
        earliest: Timestamp,
    },
    /// It was issued later than now.
    #[error("the token was issued at {issued_at}, and it is {latest} at most: check the clocks of node and issuer")]
    Future {
        /// When it says to have been issued.
        issued_at: Timestamp,
        /// What time it may be.
        latest: Timestamp,
    },
    /// All tokens of the subject that were issued before some time are void.
    #[error("the tokens of the subject that were issued before {not_before} are void: get a new one")]
    Void {
        /// The time.
        not_before: Timestamp,
    },
    /// The address of the subject is not verified.
    #[error(
        "the subject is called by the claim `email`, and `email_verified` is not true: verify the address at the issuer"
    )]
    EmailNotVerified,
    /// The claims make no subject.
    #[error("the token has no valid subject")]
    Subject(#[source] Unfit),
    /// A group makes no group here. To leave it out could allow what members of it are denied.
    #[error("the token names a group that is none here: rename it at the issuer, or let the issuer leave it out")]
    Group(#[source] Unfit),
    /// The groups have been left out of the token, to be fetched elsewhere.
    #[error(
        "the groups are not in the token but behind `_claim_names`: let the issuer put the claim `{claim}` into it"
    )]
    GroupsElsewhere {
        /// The claim.
        claim: String,
    },
    /// The claims are no context for conditions.
    #[error("the claims of the token are no context for conditions")]
    Context(#[source] ContextError),
    /// How old it is cannot be told, and matters.
    #[error("the token has no `iat`, and `{issuer}` is configured with `max-age` {max_age:?}: let the issuer add it")]
    NoAge {
        /// The issuer.
        issuer: Arc<str>,
        /// The longest age.
        max_age: Duration,
    },
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The token is wrong, or made up. It will never be taken.
    Invalid,
    /// It was or will be right, at another time.
    Untimely,
    /// It cannot be told yet. The same token may be taken later, and says nothing against the caller.
    Undecided,
}

impl Error {
    /// What follows from it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::TooLong { .. }
            | Self::Parts
            | Self::Base64 { .. }
            | Self::Json { .. }
            | Self::Header { .. }
            | Self::Type { .. }
            | Self::Critical
            | Self::Algorithm { .. }
            | Self::NotAllowed { .. }
            | Self::Issuer { .. }
            | Self::NoKeyId { .. }
            | Self::KeyKind { .. }
            | Self::Signature { .. }
            | Self::Missing { .. }
            | Self::Claim { .. }
            | Self::Audience { .. }
            | Self::EmailNotVerified
            | Self::Subject(_)
            | Self::Group(_)
            | Self::GroupsElsewhere { .. }
            | Self::Context(_)
            | Self::NoAge { .. } => Kind::Invalid,
            Self::Expired { .. } | Self::NotYet { .. } | Self::Future { .. } | Self::Void { .. } => Kind::Untimely,
            // Anybody can make up an id, and finds out nothing by that; a real one is new, and its callers are many.
            Self::NoKeys { .. } | Self::UnknownKey { .. } => Kind::Undecided,
        }
    }
}
