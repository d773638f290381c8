//! Values that conditions are asked about, and sets of them by name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limit;

/// A value as JSON has them. Numbers that are whole are integers, however they were written, so that a value is the same
/// whether it came as text or as a message that knows floating-point numbers only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is too large for [`Value::Int`].
    Uint(u64),
    /// Any other number.
    Double(Double),
    /// A text.
    Text(Arc<str>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in the order of their names.
    Map(BTreeMap<Arc<str>, Value>),
}

/// A floating-point number that is a number. Ordered and compared by its bits, so that equal means the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Double(u64);

/// Values by name: what a question is asked with, or what a relationship says for it.
///
/// Prints as the JSON object that it is parsed from, without spaces and with its names in order. At most
/// [`limit::CONTEXT_BYTES_MAX`] bytes long as such.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Context(Arc<BTreeMap<Arc<str>, Value>>);

/// Why something is no context. Nothing was changed; correct it and call again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The text is not JSON.
    #[error("the context is not JSON: {problem}; give an object, for example {{\"ip\": \"10.0.0.1\"}}")]
    NotJson {
        /// What the parser says, with line and column.
        problem: String,
    },
    /// The text is JSON, but not an object.
    #[error("the context is not a JSON object: give one, for example {{\"ip\": \"10.0.0.1\"}}")]
    NotObject,
    /// A number is not finite.
    #[error("the context has a number that is infinite or none: give finite numbers only")]
    NotFinite,
    /// There is too much of it.
    #[error("the context is {length} bytes long: the most is {most}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
}

/// The first whole number that a floating-point number cannot tell from its neighbour.
const WHOLE_END: f64 = 9_007_199_254_740_992.0;

impl Value {
    /// A number, however it was written.
    pub fn number(number: f64) -> Result<Self, ContextError> {
        if !number.is_finite() {
            return Err(ContextError::NotFinite);
        }
        if number.fract() == 0.0 && number.abs() < WHOLE_END {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
            return Ok(Self::Int(number as i64));
        }
        Ok(Self::Double(Double(number.to_bits())))
    }

    fn of(json: serde_json::Value) -> Result<Self, ContextError> {
        Ok(match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), _, _) => Self::Int(whole),
                (None, Some(whole), _) => Self::Uint(whole),
                (None, None, number) => Self::number(number.ok_or(ContextError::NotFinite)?)?,
            },
            serde_json::Value::String(text) => Self::Text(text.into()),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?),
            serde_json::Value::Object(fields) => Self::Map(fields_of(fields)?),
        })
    }
}

fn fields_of(fields: serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<Arc<str>, Value>, ContextError> {
    fields.into_iter().map(|(name, value)| Ok((name.into(), Value::of(value)?))).collect()
}

impl Double {
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Context {
    /// Makes a context of values by name.
    pub fn new(fields: BTreeMap<Arc<str>, Value>) -> Result<Self, ContextError> {
        let context = Self(Arc::new(fields));
        let (length, most) = (context.to_string().len(), limit::CONTEXT_BYTES_MAX);
        if length > most { Err(ContextError::TooLong { length, most }) } else { Ok(context) }
    }

    /// The values by name.
    pub fn fields(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Context {
    type Err = ContextError;

    fn from_str(text: &str) -> Result<Self, ContextError> {
        let json = serde_json::from_str(text).map_err(|error| ContextError::NotJson { problem: error.to_string() })?;
        match json {
            serde_json::Value::Object(fields) => Self::new(fields_of(fields)?),
            _ => Err(ContextError::NotObject),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_map(&self.0, f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Double(value) => print_as_json(&value.get(), f),
            Self::Text(text) => print_as_json(text, f),
            Self::List(items) => {
                f.write_str("[")?;
                for (nth, item) in items.iter().enumerate() {
                    f.write_str(if nth > 0 { "," } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Map(fields) => print_map(fields, f),
        }
    }
}

fn print_map(fields: &BTreeMap<Arc<str>, Value>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("{")?;
    for (nth, (name, value)) in fields.iter().enumerate() {
        f.write_str(if nth > 0 { "," } else { "" })?;
        print_as_json(name, f)?;
        write!(f, ":{value}")?;
    }
    f.write_str("}")
}

fn print_as_json<T: Serialize + ?Sized>(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&serde_json::to_string(value).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_read_as_they_print() {
        for (text, printed) in [
            (
                r#"{ "b": [1, 2.5, null], "a": {"y": "\n", "x": true} }"#,
                r#"{"a":{"x":true,"y":"\n"},"b":[1,2.5,null]}"#,
            ),
            ("{}", "{}"),
            (r#"{"n": 42.0, "m": -0.0, "u": 18446744073709551615}"#, r#"{"m":0,"n":42,"u":18446744073709551615}"#),
            (r#"{"d": 1e300}"#, r#"{"d":1e+300}"#),
        ] {
            let context: Context = text.parse().unwrap();
            assert_eq!(context.to_string(), printed);
            assert_eq!(printed.parse::<Context>().unwrap(), context);
        }
    }

    #[test]
    fn what_is_no_context_is_refused() {
        let refused = |text: &str| text.parse::<Context>().unwrap_err().to_string();
        assert!(refused("{").starts_with("the context is not JSON: EOF while parsing"), "{}", refused("{"));
        assert!(refused("[1]").starts_with("the context is not a JSON object"));
        assert!(refused(r#"{"n": 1e999}"#).starts_with("the context is not JSON"));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(limit::CONTEXT_BYTES_MAX));
        assert_eq!(refused(&long), format!("the context is {} bytes long: the most is 65536", long.len()));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(refused(&deep).contains("recursion"));
        assert_eq!(Value::number(f64::NAN), Err(ContextError::NotFinite));
    }
}
