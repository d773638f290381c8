//! Revisions and the tokens that carry them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{GroupId, NameError};

/// A position in the log of a group: the state after the entry at this index was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

/// A promise of freshness: a read made with it never sees less than what whoever handed it out had seen. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The group whose log the revision counts.
    pub group: GroupId,
    /// The least revision that a read with this token may answer from.
    pub revision: Revision,
}

/// The first byte of a token; another layout takes another byte.
const TOKEN_VERSION: u8 = 1;
const TOKEN_BYTES: usize = 1 + 4 + 8;

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TOKEN_VERSION:02x}{:08x}{:016x}", self.group.0, self.revision.0)
    }
}

impl FromStr for Token {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed {
            kind: "token",
            value: text.to_owned(),
            expected: "the token of an earlier answer, unchanged",
        };
        if text.len() != TOKEN_BYTES * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let version = u8::from_str_radix(&text[..2], 16).map_err(|_| malformed())?;
        let group = u32::from_str_radix(&text[2..10], 16).map_err(|_| malformed())?;
        let revision = u64::from_str_radix(&text[10..], 16).map_err(|_| malformed())?;
        if version != TOKEN_VERSION {
            return Err(malformed());
        }
        Ok(Self { group: GroupId(group), revision: Revision(revision) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_frozen() {
        let token = Token { group: GroupId(1), revision: Revision(0x1234) };
        assert_eq!(token.to_string(), "01000000010000000000001234");
        assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        for bad in
            ["", "1234", "02000000010000000000001234", "0100000001000000000000123g", "é1000000010000000000001234"]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
