//! Names and ids: one grammar and one length each.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit;

/// Why a string is not a name of the kind asked for. Nothing was changed; correct the value and call again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The string has no characters.
    #[error("{kind} is empty: give {expected}")]
    Empty {
        /// What the string was to be.
        kind: &'static str,
        /// The grammar in words.
        expected: &'static str,
    },
    /// The string is longer than its limit.
    #[error("{kind} `{}…` is {length} bytes long: the most is {most}", shortened(value))]
    TooLong {
        /// What the string was to be.
        kind: &'static str,
        /// The whole offending value.
        value: String,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// The string does not match its grammar.
    #[error("`{value}` is not a valid {kind}: give {expected}")]
    Malformed {
        /// What the string was to be.
        kind: &'static str,
        /// The offending value.
        value: String,
        /// The grammar in words.
        expected: &'static str,
    },
}

/// The beginning of an overlong value, short enough for a message.
fn shortened(value: &str) -> &str {
    let end = value.char_indices().nth(40).map_or(value.len(), |(at, _)| at);
    &value[..end]
}

/// The grammar of one kind of name.
struct Grammar {
    kind: &'static str,
    expected: &'static str,
    bytes_max: usize,
    matches: fn(&str) -> bool,
}

impl Grammar {
    fn check(&self, value: &str) -> Result<(), NameError> {
        if value.is_empty() {
            return Err(NameError::Empty { kind: self.kind, expected: self.expected });
        }
        if value.len() > self.bytes_max {
            return Err(NameError::TooLong {
                kind: self.kind,
                value: value.to_owned(),
                length: value.len(),
                most: self.bytes_max,
            });
        }
        if !(self.matches)(value) {
            return Err(NameError::Malformed { kind: self.kind, value: value.to_owned(), expected: self.expected });
        }
        Ok(())
    }
}

fn is_identifier(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_type(value: &str) -> bool {
    value.split('/').all(is_identifier)
}

fn is_slug(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
}

fn is_object_key(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_|-=+.@:".contains(&b))
}

/// Reads a text and parses it where it lies: a name is read often, and holds a copy of its own.
struct Text<T>(fn(&str) -> Result<T, NameError>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $grammar:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            const GRAMMAR: Grammar = $grammar;

            /// Parses a value; the error names it and the grammar.
            pub fn new(value: &str) -> Result<Self, NameError> {
                Self::GRAMMAR.check(value)?;
                Ok(Self(Arc::from(value)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(Self::new))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(&value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`", self.0)
            }
        }
    };
}

name! {
    /// The type of an object: `document`, `acme/document`.
    TypeName,
    Grammar {
        kind: "type",
        expected: "lower-case letters, digits and `_`, a letter first, parts joined by `/`",
        bytes_max: limit::TYPE_BYTES_MAX,
        matches: is_type,
    }
}

name! {
    /// The name of a caveat: `on_weekdays`, `acme/on_weekdays`.
    CaveatName,
    Grammar {
        kind: "caveat",
        expected: "lower-case letters, digits and `_`, a letter first, parts joined by `/`",
        bytes_max: limit::TYPE_BYTES_MAX,
        matches: is_type,
    }
}

name! {
    /// The name of a relation: `member`, `parent`.
    RelationName,
    Grammar {
        kind: "relation",
        expected: "lower-case letters, digits and `_`, a letter first",
        bytes_max: limit::RELATION_BYTES_MAX,
        matches: is_identifier,
    }
}

name! {
    /// The name of a permission within its type: the `view` of `document#view`.
    PermissionName,
    Grammar {
        kind: "permission",
        expected: "lower-case letters, digits and `_`, a letter first",
        bytes_max: limit::RELATION_BYTES_MAX,
        matches: is_identifier,
    }
}

name! {
    /// The id of an object within its type: the `plan` of `document:plan`.
    ObjectKey,
    Grammar {
        kind: "object id",
        expected: "letters, digits and `/ _ | - = + . @ :`",
        bytes_max: limit::ID_BYTES_MAX,
        matches: is_object_key,
    }
}

name! {
    /// The id of a role within its tenant.
    RoleId,
    Grammar {
        kind: "role id",
        expected: "letters, digits and `_ - . /`, a letter or digit first",
        bytes_max: limit::ROLE_BYTES_MAX,
        matches: is_slug,
    }
}

name! {
    /// The id of a tenant, an isolated world.
    TenantId,
    Grammar {
        kind: "tenant",
        expected: "letters, digits and `_ - . /`, a letter or digit first",
        bytes_max: limit::ROLE_BYTES_MAX,
        matches: is_slug,
    }
}

impl TenantId {
    /// The tenant of callers that name none.
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }

    /// The tenant that holds the rights of callers.
    pub fn system() -> Self {
        Self(Arc::from("system"))
    }
}

name! {
    /// The id of a grant, given by the caller or made by the leader.
    GrantKey,
    Grammar {
        kind: "grant id",
        expected: "letters, digits and `_ - . /`, a letter or digit first",
        bytes_max: limit::ID_BYTES_MAX,
        matches: is_slug,
    }
}

name! {
    /// The label of a region: `eu-west`.
    RegionName,
    Grammar {
        kind: "region",
        expected: "letters, digits and `_ - . /`, a letter or digit first",
        bytes_max: limit::ROLE_BYTES_MAX,
        matches: is_slug,
    }
}

name! {
    /// The id of a join token.
    JoinTokenId,
    Grammar {
        kind: "join token id",
        expected: "letters, digits and `_ - . /`, a letter or digit first",
        bytes_max: limit::ROLE_BYTES_MAX,
        matches: is_slug,
    }
}

fn is_printable(value: &str) -> bool {
    value.bytes().all(|b| (b'!'..=b'~').contains(&b))
}

name! {
    /// What a caller names a write by, so that sending it again does not do it again.
    IdempotencyKey,
    Grammar {
        kind: "idempotency key",
        expected: "printable ASCII characters without spaces",
        bytes_max: limit::IDEMPOTENCY_KEY_BYTES_MAX,
        matches: is_printable,
    }
}

fn is_prose(value: &str) -> bool {
    !value.contains('\0')
}

name! {
    /// Why something is done, in the caller's words.
    Reason,
    Grammar {
        kind: "reason",
        expected: "text without NUL",
        bytes_max: limit::REASON_BYTES_MAX,
        matches: is_prose,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in ["a", "document", "acme/document", "a_1"] {
            assert_eq!(TypeName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "Document", "1a", "a/", "/a", "a-b", "a b", "é"] {
            assert!(TypeName::new(bad).is_err(), "{bad}");
        }
        for good in ["plan", "a/b|c=d+e-f_g", "alice@example.com", "spiffe:x"] {
            assert!(ObjectKey::new(good).is_ok(), "{good}");
        }
        for bad in ["", "*", "a b", "a#b", "a\0", "ü"] {
            assert!(ObjectKey::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_value_and_the_remedy() {
        assert_eq!(
            RoleId::new("-x").unwrap_err().to_string(),
            "`-x` is not a valid role id: give letters, digits and `_ - . /`, a letter or digit first"
        );
        assert_eq!(
            RelationName::new(&"x".repeat(65)).unwrap_err().to_string(),
            format!("relation `{}…` is 65 bytes long: the most is 64", "x".repeat(40))
        );
    }
}
