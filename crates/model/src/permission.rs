//! Permissions, and the patterns by which roles name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{NameError, PermissionName, TypeName};

/// One permission of one type: `document#view`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Permission {
    /// The `document` of `document#view`.
    pub object_type: TypeName,
    /// The `view` of `document#view`.
    pub name: PermissionName,
}

/// What a role lists: one permission, or every permission of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PermissionPattern {
    /// `document#view`.
    One(Permission),
    /// `document#*`.
    All(TypeName),
}

impl PermissionPattern {
    /// The type whose permissions the pattern names.
    pub fn object_type(&self) -> &TypeName {
        match self {
            Self::One(permission) => &permission.object_type,
            Self::All(object_type) => object_type,
        }
    }
}

impl FromStr for PermissionPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed {
            kind: "permission",
            value: text.to_owned(),
            expected: "`type#permission` or `type#*`, for example `document#view`",
        };
        let (object_type, name) = text.split_once('#').ok_or_else(malformed)?;
        let object_type = TypeName::new(object_type)?;
        if name == "*" {
            return Ok(Self::All(object_type));
        }
        Ok(Self::One(Permission { object_type, name: PermissionName::new(name)? }))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.object_type, self.name)
    }
}

impl fmt::Display for PermissionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(permission) => write!(f, "{permission}"),
            Self::All(object_type) => write!(f, "{object_type}#*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_as_they_print() {
        for text in ["document#view", "document#*", "acme/document#edit"] {
            assert_eq!(text.parse::<PermissionPattern>().unwrap().to_string(), text);
        }
        for bad in ["view", "#view", "document#", "document#View", "document#**"] {
            assert!(bad.parse::<PermissionPattern>().is_err(), "{bad}");
        }
    }
}
