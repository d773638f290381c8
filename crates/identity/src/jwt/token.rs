//! A token in the compact form of RFC 7515, taken apart. Nothing in it is believed yet.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Value;

use super::algorithm::Algorithm;
use super::error::Error;
use super::json::{self, Members};
use crate::Shown;

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1_024;

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How it is signed.
    Header,
    /// What it says.
    Claims,
    /// The signature.
    Signature,
}

/// A token whose signature has not been verified.
pub(super) struct Unverified<'t> {
    pub(super) algorithm: Algorithm,
    /// Which key it says to be signed with. Only ever compared with ids of the issuer's keys.
    pub(super) key_id: Option<String>,
    pub(super) claims: Members,
    /// The text that is signed.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, Error> {
        // Before anything else: the rest takes time with the length.
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLong { length: token.len() });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Error::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Error::Parts)?;
        if claims.contains('.') {
            return Err(Error::Parts);
        }
        let (algorithm, key_id) = read_header(&object(Part::Header, header)?)?;
        Ok(Self {
            algorithm,
            key_id,
            claims: object(Part::Claims, claims)?,
            signed: signed.as_bytes(),
            signature: bytes(Part::Signature, signature)?,
        })
    }
}

/// Refuses padding, blanks and unused bits that are not zero: a token has one spelling.
fn bytes(part: Part, text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Base64 { part })
}

fn object(part: Part, text: &str) -> Result<Members, Error> {
    json::object(&bytes(part, text)?).map_err(|problem| Error::Json { part, problem })
}

/// Reads what matters of a header. Keys and addresses of keys in it (`jwk`, `jku`, `x5c`, `x5u`) do not: whoever made the
/// token up would be asked whether it is right.
fn read_header(header: &Members) -> Result<(Algorithm, Option<String>), Error> {
    let text = |member: &'static str| match header.get(member) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(&**text)),
        Some(_) => Err(Error::Header { member }),
    };
    if header.contains_key("crit") {
        return Err(Error::Critical);
    }
    if let Some(given) = text("typ")? {
        let name = given.to_ascii_lowercase();
        let name = name.strip_prefix("application/").unwrap_or(&name);
        if !matches!(name, "jwt" | "at+jwt") {
            return Err(Error::Type { given: Shown::new(given) });
        }
    }
    let given = text("alg")?.ok_or(Error::Header { member: "alg" })?;
    let algorithm = Algorithm::named(given).ok_or_else(|| Error::Algorithm { given: Shown::new(given) })?;
    Ok((algorithm, text("kid")?.map(str::to_owned)))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}
