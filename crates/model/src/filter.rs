//! Predicates over relationships, as far as the interfaces need them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{NameError, ObjectKey, RelationName, Relationship, RelationshipFilter, Subject, TypeName};

/// What stands for any.
const ANY: &str = "…";

/// A predicate over relationships: every part that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TupleFilter {
    /// The type of the resource.
    pub resource_type: Option<TypeName>,
    /// The id of the resource within its type.
    pub resource_key: Option<ObjectKey>,
    /// What the id of the resource begins with.
    pub resource_prefix: Option<Prefix>,
    /// The relation.
    pub relation: Option<RelationName>,
    /// What the subject is.
    pub subject: Option<SubjectFilter>,
}

/// A predicate over subjects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubjectFilter {
    /// The type.
    pub object_type: TypeName,
    /// Which of the type; without it any, wildcards included.
    pub which: Option<Which>,
    /// The relation of usersets, or none for subjects that are no usersets; without it either.
    pub relation: Option<Option<RelationName>>,
}

/// One subject of a type, or all at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Which {
    /// The one with this id.
    One(ObjectKey),
    /// The wildcard.
    Wildcard,
}

/// What an id begins with: one or more characters of ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix(ObjectKey);

impl Prefix {
    /// Parses the beginning of an id, which has the grammar of an id.
    pub fn new(text: &str) -> Result<Self, NameError> {
        ObjectKey::new(text).map(Self)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TupleFilter {
    /// Returns whether `relationship` is selected.
    pub fn matches(&self, relationship: &Relationship) -> bool {
        let resource = &relationship.resource;
        self.resource_type.as_ref().is_none_or(|wanted| *wanted == resource.object_type)
            && self.resource_key.as_ref().is_none_or(|wanted| *wanted == resource.key)
            && self.resource_prefix.as_ref().is_none_or(|wanted| resource.key.as_str().starts_with(wanted.as_str()))
            && self.relation.as_ref().is_none_or(|wanted| *wanted == relationship.relation)
            && self.subject.as_ref().is_none_or(|wanted| wanted.matches(&relationship.subject))
    }

    /// The same as a filter of the older kind, where that can say it.
    pub fn simple(&self) -> Option<RelationshipFilter> {
        if self.resource_prefix.is_some() {
            return None;
        }
        let subject = match &self.subject {
            None => None,
            Some(subject) => Some(subject.whole()?),
        };
        Some(RelationshipFilter {
            resource_type: self.resource_type.clone(),
            resource_key: self.resource_key.clone(),
            relation: self.relation.clone(),
            subject,
        })
    }
}

impl SubjectFilter {
    /// Returns whether `subject` is selected.
    pub fn matches(&self, subject: &Subject) -> bool {
        let (object_type, key, relation) = match subject {
            Subject::Object(object) => (&object.object_type, Some(&object.key), None),
            Subject::Userset { object, relation } => (&object.object_type, Some(&object.key), Some(relation)),
            Subject::Wildcard(object_type) => (object_type, None, None),
        };
        let is_which = |which: &Which| match which {
            Which::One(wanted) => key == Some(wanted),
            Which::Wildcard => key.is_none(),
        };
        *object_type == self.object_type
            && self.which.as_ref().is_none_or(is_which)
            && self.relation.as_ref().is_none_or(|wanted| wanted.as_ref() == relation)
    }

    /// The one subject that is selected, where it can be no other.
    pub fn whole(&self) -> Option<Subject> {
        let object_type = self.object_type.clone();
        match (self.which.as_ref()?, self.relation.as_ref()?) {
            (Which::Wildcard, None) => Some(Subject::Wildcard(object_type)),
            (Which::Wildcard, Some(_)) => None,
            (Which::One(key), relation) => {
                let object = crate::Object { object_type, key: key.clone() };
                Some(match relation {
                    None => Subject::Object(object),
                    Some(relation) => Subject::Userset { object, relation: relation.clone() },
                })
            }
        }
    }
}

impl From<&Subject> for SubjectFilter {
    fn from(subject: &Subject) -> Self {
        let (object_type, which, relation) = match subject {
            Subject::Object(object) => (&object.object_type, Which::One(object.key.clone()), None),
            Subject::Userset { object, relation } => {
                (&object.object_type, Which::One(object.key.clone()), Some(relation.clone()))
            }
            Subject::Wildcard(object_type) => (object_type, Which::Wildcard, None),
        };
        Self { object_type: object_type.clone(), which: Some(which), relation: Some(relation) }
    }
}

impl From<&RelationshipFilter> for TupleFilter {
    fn from(filter: &RelationshipFilter) -> Self {
        let RelationshipFilter { resource_type, resource_key, relation, subject } = filter.clone();
        let subject = subject.as_ref().map(SubjectFilter::from);
        Self { resource_type, resource_key, resource_prefix: None, relation, subject }
    }
}

impl From<RelationshipFilter> for TupleFilter {
    fn from(filter: RelationshipFilter) -> Self {
        Self::from(&filter)
    }
}

/// As filters are written, `type[:id][#relation][@subject]`, with `…` after the beginning of an id and in place of what a
/// subject may have any of.
impl fmt::Display for TupleFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resource_type {
            Some(resource_type) => write!(f, "{resource_type}")?,
            None => f.write_str("*")?,
        }
        if let Some(key) = &self.resource_key {
            write!(f, ":{key}")?;
        }
        if let Some(prefix) = &self.resource_prefix {
            write!(f, ":{}{ANY}", prefix.as_str())?;
        }
        if let Some(relation) = &self.relation {
            write!(f, "#{relation}")?;
        }
        if let Some(SubjectFilter { object_type, which, relation }) = &self.subject {
            let which = match which {
                None => ANY,
                Some(Which::One(key)) => key.as_str(),
                Some(Which::Wildcard) => "*",
            };
            write!(f, "@{object_type}:{which}")?;
            match relation {
                None => write!(f, "#{ANY}")?,
                Some(None) => {}
                Some(Some(relation)) => write!(f, "#{relation}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for TupleFilter {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (resource, subject) = halves(text);
        let subject = subject.map(str::parse).transpose()?;
        let (resource, relation) = match resource.split_once('#') {
            Some((resource, relation)) => (resource, Some(RelationName::new(relation)?)),
            None => (resource, None),
        };
        let (resource_type, id) = match resource.split_once(':') {
            Some((resource_type, id)) => (resource_type, Some(id)),
            None => (resource, None),
        };
        let prefix = id.and_then(|id| id.strip_suffix(ANY));
        Ok(Self {
            resource_type: if resource_type == "*" { None } else { Some(TypeName::new(resource_type)?) },
            resource_key: id.filter(|_| prefix.is_none()).map(ObjectKey::new).transpose()?,
            resource_prefix: prefix.map(Prefix::new).transpose()?,
            relation,
            subject,
        })
    }
}

/// The resource with its relation, and the subject. Ids may hold an `@`: it is part of the resource's where a relation follows,
/// and after that a subject. Elsewhere the first begins the subject.
pub(crate) fn halves(text: &str) -> (&str, Option<&str>) {
    let relation = text.find('#').filter(|&at| text[at..].contains('@')).unwrap_or(0);
    match text[relation..].find('@') {
        Some(at) => (&text[..relation + at], Some(&text[relation + at + 1..])),
        None => (text, None),
    }
}

impl FromStr for SubjectFilter {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (object, relation) = match text.split_once('#') {
            None => (text, Some(None)),
            Some((object, ANY)) => (object, None),
            Some((object, relation)) => (object, Some(Some(RelationName::new(relation)?))),
        };
        let malformed = || NameError::Malformed {
            kind: "subject",
            value: text.to_owned(),
            expected: "`type:id`, `type:id#relation` or `type:*`, for example `user:alice`",
        };
        let (object_type, id) = object.split_once(':').ok_or_else(malformed)?;
        let which = match id {
            ANY => None,
            "*" => Some(Which::Wildcard),
            id => Some(Which::One(ObjectKey::new(id)?)),
        };
        Ok(Self { object_type: TypeName::new(object_type)?, which, relation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::option_option, reason = "no relation is not any relation, as in `SubjectFilter`")]
    fn subject(object_type: &str, which: Option<&str>, relation: Option<Option<&str>>) -> TupleFilter {
        let which = which.map(|which| match which {
            "*" => Which::Wildcard,
            key => Which::One(key.parse().unwrap()),
        });
        let relation = relation.map(|relation| relation.map(|relation| relation.parse().unwrap()));
        let subject = Some(SubjectFilter { object_type: object_type.parse().unwrap(), which, relation });
        TupleFilter { subject, ..TupleFilter::default() }
    }

    #[test]
    fn subjects_are_selected_by_their_parts() {
        let [alice, all, members] = ["user:alice", "user:*", "group:eng#member"]
            .map(|subject| format!("document:plan#viewer@{subject}").parse::<Relationship>().unwrap());
        for (filter, text, expected) in [
            (subject("user", None, None), "*@user:…#…", [true, true, false]),
            (subject("user", Some("*"), None), "*@user:*#…", [false, true, false]),
            (subject("user", Some("alice"), Some(None)), "*@user:alice", [true, false, false]),
            (subject("group", None, Some(None)), "*@group:…", [false, false, false]),
            (subject("group", None, Some(Some("member"))), "*@group:…#member", [false, false, true]),
            (subject("group", Some("eng"), None), "*@group:eng#…", [false, false, true]),
        ] {
            assert_eq!([&alice, &all, &members].map(|one| filter.matches(one)), expected, "{filter}");
            assert_eq!((filter.to_string(), text.parse()), (text.to_owned(), Ok(filter)));
        }
    }

    #[test]
    fn ids_are_selected_by_their_beginning() {
        let prefix = Prefix::new("pl").unwrap();
        let filter = TupleFilter { resource_prefix: Some(prefix), ..TupleFilter::default() };
        assert!(filter.matches(&"document:plan#viewer@user:a".parse().unwrap()));
        assert!(!filter.matches(&"document:spec#viewer@user:a".parse().unwrap()));
        assert_eq!((filter.to_string(), filter.simple()), ("*:pl…".to_owned(), None));
        assert_eq!("*:pl…".parse(), Ok(filter));
        let mailbox = "document:a@b:c#viewer@user:x@example.org#…";
        let filter: TupleFilter = mailbox.parse().unwrap();
        assert_eq!((filter.to_string(), filter.resource_key), (mailbox.to_owned(), Some("a@b:c".parse().unwrap())));
        for bad in ["document:…", "document:pl…#", "document@user", "document@user:", "docu ment", "*@*:a"] {
            assert!(bad.parse::<TupleFilter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_of_the_older_kind_stay_what_they_are() {
        for text in
            ["*", "group", "group:eng#member", "*@user:alice", "group@user:*", "document#viewer@group:eng#member"]
        {
            let filter: RelationshipFilter = text.parse().unwrap();
            let newer = TupleFilter::from(&filter);
            assert_eq!((newer.to_string(), newer.simple()), (text.to_owned(), Some(filter)));
            assert_eq!(text.parse(), Ok(newer));
        }
    }
}
