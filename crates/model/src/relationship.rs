//! Relationships: the structure that groups and scopes are made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{NameError, Object, ObjectKey, RelationName, Subject, TupleFilter, TypeName};

/// One stored fact: `group:eng#member@user:alice`, `document:plan#parent@folder:q3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relationship {
    /// The object that has the relation.
    pub resource: Object,
    /// The relation.
    pub relation: RelationName,
    /// Who stands in it.
    pub subject: Subject,
}

/// A predicate over relationships: every part that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationshipFilter {
    /// The type of the resource.
    pub resource_type: Option<TypeName>,
    /// The id of the resource within its type.
    pub resource_key: Option<ObjectKey>,
    /// The relation.
    pub relation: Option<RelationName>,
    /// The subject, whole.
    pub subject: Option<Subject>,
}

impl RelationshipFilter {
    /// Returns whether `relationship` is selected.
    pub fn matches(&self, relationship: &Relationship) -> bool {
        let resource = &relationship.resource;
        self.resource_type.as_ref().is_none_or(|wanted| *wanted == resource.object_type)
            && self.resource_key.as_ref().is_none_or(|wanted| *wanted == resource.key)
            && self.relation.as_ref().is_none_or(|wanted| *wanted == relationship.relation)
            && self.subject.as_ref().is_none_or(|wanted| *wanted == relationship.subject)
    }
}

impl FromStr for Relationship {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed {
            kind: "relationship",
            value: text.to_owned(),
            expected: "`type:id#relation@subject`, for example `group:eng#member@user:alice`",
        };
        let (resource, rest) = text.split_once('#').ok_or_else(malformed)?;
        let (relation, subject) = rest.split_once('@').ok_or_else(malformed)?;
        Ok(Self { resource: resource.parse()?, relation: RelationName::new(relation)?, subject: subject.parse()? })
    }
}

/// Filters are written `type[:id][#relation][@subject]`; `*` stands for any type.
impl FromStr for RelationshipFilter {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let filter: TupleFilter = text.parse()?;
        filter.simple().ok_or_else(|| NameError::Malformed {
            kind: "filter",
            value: text.to_owned(),
            expected: "`type[:id][#relation][@subject]` with whole ids, for example `group:eng#member`",
        })
    }
}

impl fmt::Display for Relationship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.relation, self.subject)
    }
}

impl fmt::Display for RelationshipFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TupleFilter::from(self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relationships_read_as_they_print() {
        for text in ["group:eng#member@user:alice", "document:plan#parent@folder:q3", "group:a#member@group:b#member"] {
            assert_eq!(text.parse::<Relationship>().unwrap().to_string(), text);
        }
        for bad in ["group:eng#member", "group:eng@user:alice", "group#member@user:alice", "a:b#c@d"] {
            assert!(bad.parse::<Relationship>().is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_select() {
        let alice: Relationship = "group:eng#member@user:alice".parse().unwrap();
        for yes in ["group", "*", "group:eng", "*#member", "group#member@user:alice", "*@user:alice"] {
            let filter: RelationshipFilter = yes.parse().unwrap();
            assert!(filter.matches(&alice), "{yes}");
            assert_eq!(filter.to_string(), yes);
        }
        assert!("group:e…".parse::<RelationshipFilter>().is_err());
        for no in ["folder", "group:ops", "group#parent", "group@user:bob"] {
            assert!(!no.parse::<RelationshipFilter>().unwrap().matches(&alice), "{no}");
        }
    }
}
