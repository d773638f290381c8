//! Objects and subjects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{NameError, ObjectKey, RelationName, TypeName};

/// A thing that permissions are about, or somebody who has them: `document:plan`, `user:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// The `document` of `document:plan`.
    pub object_type: TypeName,
    /// The `plan` of `document:plan`.
    pub key: ObjectKey,
}

/// Who may: an object, every member of a userset, or every object of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// `user:alice`.
    Object(Object),
    /// `group:eng#member`.
    Userset {
        /// The `group:eng` of `group:eng#member`.
        object: Object,
        /// The `member` of `group:eng#member`.
        relation: RelationName,
    },
    /// `user:*`.
    Wildcard(TypeName),
}

impl FromStr for Object {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed {
            kind: "object",
            value: text.to_owned(),
            expected: "`type:id`, for example `document:plan`",
        };
        let (object_type, key) = text.split_once(':').ok_or_else(malformed)?;
        Ok(Self { object_type: TypeName::new(object_type)?, key: ObjectKey::new(key)? })
    }
}

impl FromStr for Subject {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some((object, relation)) = text.split_once('#') {
            return Ok(Self::Userset { object: object.parse()?, relation: RelationName::new(relation)? });
        }
        let malformed = || NameError::Malformed {
            kind: "subject",
            value: text.to_owned(),
            expected: "`type:id`, `type:id#relation` or `type:*`, for example `user:alice`",
        };
        let (subject_type, key) = text.split_once(':').ok_or_else(malformed)?;
        let subject_type = TypeName::new(subject_type)?;
        if key == "*" {
            return Ok(Self::Wildcard(subject_type));
        }
        Ok(Self::Object(Object { object_type: subject_type, key: ObjectKey::new(key)? }))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object_type, self.key)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => write!(f, "{object}"),
            Self::Userset { object, relation } => write!(f, "{object}#{relation}"),
            Self::Wildcard(subject_type) => write!(f, "{subject_type}:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_as_they_print() {
        for text in ["user:alice", "group:eng#member", "user:*", "acme/user:a:b"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for bad in ["alice", "user:", ":alice", "group:eng#", "group:*#member", "user:a b", ""] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
        assert!("document:*".parse::<Object>().is_err());
    }
}
