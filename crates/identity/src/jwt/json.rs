//! JSON objects of which every name is given once.
//!
//! RFC 8259 leaves open what a name means that is given twice, and parsers differ: one that checks a token and one that
//! uses it could read two different claims. So it is refused, at any depth.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use portcullis_model::Value;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::Shown;

/// Why bytes are no such object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// They are not JSON, or too deep.
    #[error("it is no valid JSON")]
    Malformed,
    /// They are JSON of another kind.
    #[error("it is no JSON object")]
    NoObject,
    /// A name is given twice.
    #[error("`{name}` is given twice")]
    Twice {
        /// The name.
        name: Shown,
    },
}

/// The members of an object.
pub(super) type Members = BTreeMap<Arc<str>, Value>;

pub(super) fn object(bytes: &[u8]) -> Result<Members, JsonError> {
    let twice = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Once(&twice).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match (value, twice.into_inner()) {
        (Ok(Value::Map(members)), _) => Ok(members),
        (Ok(_), _) => Err(JsonError::NoObject),
        (Err(_), Some(name)) => Err(JsonError::Twice { name }),
        (Err(_), None) => Err(JsonError::Malformed),
    }
}

/// Reads any value, and leaves the name behind that is given twice.
#[derive(Clone, Copy)]
struct Once<'a>(&'a RefCell<Option<Shown>>);

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Uint(value), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Value::number(value).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if map.contains_key(name.as_str()) {
                *self.0.borrow_mut() = Some(Shown::new(&name));
                return Err(de::Error::custom("a name is given twice"));
            }
            map.insert(name.into(), value);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Context;

    use super::*;

    #[test]
    fn objects_are_read_as_contexts_are() {
        for text in
            [r#"{"b":[1,2.5,null,{"x":-0.0}],"a":{"y":"\u00e4","x":true},"n":42.0,"u":18446744073709551615}"#, "{}"]
        {
            let context: Context = text.parse().unwrap();
            assert_eq!(&object(text.as_bytes()).unwrap(), context.fields());
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for (text, expected) in [
            (r#"{"a":1,"a":1}"#, "`a` is given twice"),
            (r#"{"a":1,"\u0061":2}"#, "`a` is given twice"),
            (r#"{"x":[{"b\n":1,"b\n":2}]}"#, r"`b\n` is given twice"),
            ("[]", "it is no JSON object"),
            ("null", "it is no JSON object"),
            ("", "it is no valid JSON"),
            ("{} {}", "it is no valid JSON"),
            ("{}x", "it is no valid JSON"),
            (r#"{"a":1e999}"#, "it is no valid JSON"),
            (&deep, "it is no valid JSON"),
        ] {
            assert_eq!(object(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed));
    }
}
