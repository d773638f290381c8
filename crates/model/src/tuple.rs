//! Relationships with what they hold under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{CaveatName, Context, ContextError, NameError, Relationship, Timestamp};

/// What a relationship holds under. By default it holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Qualifier {
    /// The condition under which it holds.
    pub caveat: Option<CaveatUse>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// A condition, and what the relationship itself says for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CaveatUse {
    /// Which caveat of the schema.
    pub name: CaveatName,
    /// What is known already. It counts more than what a question says.
    pub context: Context,
}

/// A relationship and what it holds under: `document:plan#viewer@user:alice[on_weekdays:{"zone":"UTC"}]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// The relationship. There is at most one tuple of each.
    pub relationship: Relationship,
    /// What it holds under.
    pub qualifier: Qualifier,
}

/// Why a text is no tuple.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// A name in it is none, or its parts are not where they belong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What it says for its caveat is no context.
    #[error("`{text}` says nothing that a caveat can be asked about")]
    Context {
        /// What is between the brackets.
        text: String,
        /// Why not.
        #[source]
        source: ContextError,
    },
}

impl Qualifier {
    /// Whether it holds always.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Relationship> for Tuple {
    fn from(relationship: Relationship) -> Self {
        Self { relationship, qualifier: Qualifier::default() }
    }
}

/// The relation that stands for the object itself, `user:alice#...`.
const ITSELF: &str = "#...";
/// What the bracket of an expiration begins with.
const EXPIRATION: &str = "expiration:";

impl FromStr for Tuple {
    type Err = TupleError;

    fn from_str(text: &str) -> Result<Self, TupleError> {
        let malformed = || NameError::Malformed {
            kind: "relationship",
            value: text.to_owned(),
            expected: "`type:id#relation@subject`, then, where they apply, `[caveat]` or `[caveat:{…}]` and \
                       `[expiration:TIME]`",
        };
        let (relationship, mut rest) = text.split_at(text.find('[').unwrap_or(text.len()));
        let relationship = relationship.strip_suffix(ITSELF).unwrap_or(relationship).parse()?;
        let mut qualifier = Qualifier::default();
        while let Some(begun) = rest.strip_prefix('[') {
            let end = end_of_bracket(begun).ok_or_else(malformed)?;
            let inner = &begun[..end];
            rest = &begun[end + 1..];
            if let Some(time) = inner.strip_prefix(EXPIRATION) {
                if qualifier.expires.replace(time.parse()?).is_some() {
                    return Err(malformed().into());
                }
            } else if qualifier.caveat.replace(caveat(inner)?).is_some() || qualifier.expires.is_some() {
                return Err(malformed().into());
            }
        }
        if rest.is_empty() { Ok(Self { relationship, qualifier }) } else { Err(malformed().into()) }
    }
}

fn caveat(text: &str) -> Result<CaveatUse, TupleError> {
    let (name, context) = match text.split_once(':') {
        None => (text, Context::default()),
        Some((name, context)) => {
            (name, context.parse().map_err(|source| TupleError::Context { text: text.to_owned(), source })?)
        }
    };
    Ok(CaveatUse { name: CaveatName::new(name)?, context })
}

/// Where the bracket that has begun before `text` ends: brackets within texts of JSON do not count.
fn end_of_bracket(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' if !quoted && depth == 0 => return Some(at),
            ']' | '}' if !quoted => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.relationship, self.qualifier)
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.caveat {
            None => {}
            Some(CaveatUse { name, context }) if context.is_empty() => write!(f, "[{name}]")?,
            Some(CaveatUse { name, context }) => write!(f, "[{name}:{context}]")?,
        }
        match &self.expires {
            None => Ok(()),
            Some(expires) => write!(f, "[{EXPIRATION}{expires}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_read_as_they_print() {
        for text in [
            "document:plan#viewer@user:alice",
            "document:plan#viewer@group:eng#member[on_weekdays]",
            r#"document:plan#viewer@user:*[acme/ip:{"a":["]","}",[1,{}]],"b":"\"]"}]"#,
            "document:plan#viewer@user:alice[expiration:2026-12-01T00:00:00Z]",
            r#"document:plan#viewer@user:alice[c:{"k":"v"}][expiration:2026-12-01T00:00:00Z]"#,
        ] {
            assert_eq!(text.parse::<Tuple>().unwrap().to_string(), text);
        }
        for (text, printed) in
            [("a:b#c@d:e#...", "a:b#c@d:e"), ("a:b#c@d:e#...[f]", "a:b#c@d:e[f]"), ("a:b#c@d:e[f:{ }]", "a:b#c@d:e[f]")]
        {
            assert_eq!(text.parse::<Tuple>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_tuple_is_refused() {
        for bad in [
            "a:b#c@d:e[",
            "a:b#c@d:e[]",
            "a:b#c@d:e[f]g",
            "a:b#c@d:e[f][g]",
            "a:b#c@d:e[f:{]",
            "a:b#c@d:e[f:{}}]",
            "a:b#c@d:e[f:1]",
            "a:b#c@d:e[expiration:tomorrow]",
            "a:b#c@d:e[expiration:2026-12-01T00:00:00Z][f]",
            "a:b#c@d:e[expiration:2026-12-01T00:00:00Z][expiration:2026-12-01T00:00:00Z]",
            "[f]",
            "a:b#c@d:e]",
        ] {
            assert!(bad.parse::<Tuple>().is_err(), "{bad}");
        }
    }
}
