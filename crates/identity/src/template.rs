//! Texts with places, such as `user:{sub}`, that make an object of what is known about a caller.
//!
//! INVARIANT: two different fillings of one template make two different objects, and all objects of a template are of one
//! type. Otherwise whoever can choose a part of a name could take the name of somebody else.

use std::fmt;
use std::str::FromStr;

use portcullis_model::{NameError, Object, ObjectKey, TypeName};
use serde::Deserialize;

use crate::Shown;

/// What makes an object of named values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    object_type: TypeName,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Place(String),
}

/// Why a text is no template. Correct the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is no type before the first `:`, or a place within it.
    #[error(
        "the template `{template}` does not begin with a type: give `type:` and then names in braces, as in `user:{{sub}}`"
    )]
    NoType {
        /// The whole template.
        template: String,
    },
    /// What stands for the type is none.
    #[error("the template `{template}` has no valid type")]
    Type {
        /// The whole template.
        template: String,
        /// What is wrong with the type.
        source: NameError,
    },
    /// A brace has no partner.
    #[error("the template `{template}` has a brace without its partner: write places as `{{name}}`")]
    Brace {
        /// The whole template.
        template: String,
    },
    /// Two places touch, so that it could not be told where the one ends.
    #[error("the template `{template}` has two places side by side: put a character between them, as in `{{a}}/{{b}}`")]
    Adjacent {
        /// The whole template.
        template: String,
    },
    /// There is nothing behind the type.
    #[error("the template `{template}` has no id: give one behind `:`, as in `user:{{sub}}`")]
    NoKey {
        /// The whole template.
        template: String,
    },
}

/// Why values make no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A value is not given.
    #[error("`{place}` is not given: let the issuer add it, or map another name")]
    Missing {
        /// The name of the value.
        place: String,
    },
    /// A value is empty.
    #[error("`{place}` is empty: let the issuer fill it, or map another name")]
    Empty {
        /// The name of the value.
        place: String,
    },
    /// A value contains what separates it from the next, so that other values could make the same object.
    #[error("`{place}` is `{value}`, which contains the separator `{separator}`: map to a template with another one")]
    Separator {
        /// The name of the value.
        place: String,
        /// The value.
        value: Shown,
        /// What follows its place.
        separator: String,
    },
    /// Put together, it is no object id.
    #[error("`{object}` is no object: an id is at most 1024 letters, digits and `/ _ | - = + . @ :`; map another name")]
    NoObject {
        /// What was put together.
        object: Shown,
    },
}

impl Template {
    /// The names of the places.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// Makes an object of the values of the places.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Object, Unfit> {
        let mut key = String::new();
        for (nth, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(text) => key.push_str(text),
                Piece::Place(name) => {
                    let value = value(name).ok_or_else(|| Unfit::Missing { place: name.clone() })?;
                    if value.is_empty() {
                        return Err(Unfit::Empty { place: name.clone() });
                    }
                    if let (Some(Piece::Literal(separator)), true) = (self.pieces.get(nth + 1), self.goes_on(nth + 1)) {
                        separated(name, value, separator)?;
                    }
                    key.push_str(value);
                }
            }
        }
        // The error of the name would repeat all of it, which a caller may have chosen.
        match ObjectKey::new(&key) {
            Ok(key) => Ok(Object { object_type: self.object_type.clone(), key }),
            Err(_) => Err(Unfit::NoObject { object: Shown::new(&format!("{}:{key}", self.object_type)) }),
        }
    }

    /// Whether a place follows a piece.
    fn goes_on(&self, nth: usize) -> bool {
        self.pieces[nth..].iter().any(|piece| matches!(piece, Piece::Place(_)))
    }
}

/// The first separator has to be where the value ends, also where both together contain it earlier.
fn separated(name: &str, value: &str, separator: &str) -> Result<(), Unfit> {
    if format!("{value}{separator}").find(separator) == Some(value.len()) {
        return Ok(());
    }
    let separator = separator.to_owned();
    Err(Unfit::Separator { place: name.to_owned(), value: Shown::new(value), separator })
}

impl FromStr for Template {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let template = || text.to_owned();
        let (object_type, mut rest) = text.split_once(':').ok_or_else(|| Malformed::NoType { template: template() })?;
        if object_type.is_empty() || object_type.contains(['{', '}']) {
            return Err(Malformed::NoType { template: template() });
        }
        let object_type =
            TypeName::new(object_type).map_err(|source| Malformed::Type { template: template(), source })?;
        let mut pieces = Vec::new();
        while let Some(at) = rest.find(['{', '}']) {
            let (literal, behind) = rest.split_at(at);
            let place = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
            let (name, after) = place.ok_or_else(|| Malformed::Brace { template: template() })?;
            if name.contains('{') {
                return Err(Malformed::Brace { template: template() });
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            } else if !pieces.is_empty() {
                return Err(Malformed::Adjacent { template: template() });
            }
            pieces.push(Piece::Place(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        if pieces.is_empty() {
            return Err(Malformed::NoKey { template: template() });
        }
        Ok(Self { object_type, pieces })
    }
}

impl TryFrom<String> for Template {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.object_type)?;
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(text),
            Piece::Place(name) => write!(f, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str, a: &str, b: &str) -> Result<String, String> {
        let template: Template = template.parse().unwrap();
        let object = template.fill(|name| match name {
            "a" => Some(a),
            "b" => Some(b),
            _ => None,
        });
        object.map(|object| object.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn templates_read_as_they_print() {
        for text in ["user:{sub}", "acme/user:x-{a}/{b}.y", "group:{}", "service:gateway", "user:a:{b}"] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
        for bad in ["", "{sub}", "{t}:x", "User:{sub}", "user:", "user:{", "user:}", "user:{a{b}}", "user:{a}{b}", ":a"]
        {
            let refused = bad.parse::<Template>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{bad}`")), "{bad}: {refused}");
        }
    }

    #[test]
    fn values_become_an_id() {
        for (template, a, b, expected) in [
            ("user:{a}", "alice@example.com", "", Ok("user:alice@example.com")),
            ("user:{a}", "org:1/x", "", Ok("user:org:1/x")),
            ("user:{a}/{b}", "x", "y/z", Ok("user:x/y/z")),
            ("user:{a}--{b}", "x", "y", Ok("user:x--y")),
            ("user:{a}--{b}", "x-", "y", Err("`a` is `x-`, which contains the separator `--`")),
            ("user:{a}/{b}", "x/y", "z", Err("`a` is `x/y`, which contains the separator `/`")),
            ("user:{a}.x", "a.x", "", Ok("user:a.x.x")),
            ("user:{a}", "", "", Err("`a` is empty")),
            ("user:{c}", "", "", Err("`c` is not given")),
            ("user:{a}", "*", "", Err("`user:*` is no object")),
            ("user:{a}", "alice#member", "", Err("`user:alice#member` is no object")),
            ("user:{a}", "al\nice", "", Err("`user:al\\nice` is no object")),
        ] {
            match (filled(template, a, b), expected) {
                (Ok(object), Ok(expected)) => assert_eq!(object, expected),
                (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
                (found, _) => panic!("{template} of `{a}` and `{b}`: {found:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn other_values_make_another_object(
            one in ("[-a./]{1,4}", "[-a./]{1,4}"),
            two in ("[-a./]{1,4}", "[-a./]{1,4}"),
            template in prop::sample::select(vec!["user:{a}/{b}", "user:{a}--{b}", "user:a{a}-a-{b}-a", "user:{b}a{a}"]),
        ) {
            let (first, second) = (filled(template, &one.0, &one.1), filled(template, &two.0, &two.1));
            if first.is_ok() && one != two {
                prop_assert_ne!(first, second);
            }
        }
    }
}
