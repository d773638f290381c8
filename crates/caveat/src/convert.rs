//! From what a context says to what a parameter takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_model as model;

use crate::error::{Error, shortened};
use crate::moment::Moment;
use crate::span::Span;
use crate::types::Type;
use crate::value::number::whole;
use crate::value::{Key, Value};

/// The first whole number that a floating-point number cannot tell from its neighbour.
const EXACT_END: i64 = 9_007_199_254_740_992;

/// Reads a value of a context as one of a parameter.
pub(crate) fn convert(parameter: &Arc<str>, expected: &Type, given: &model::Value) -> Result<Value, Box<Error>> {
    match read(expected, given) {
        Ok(value) => Ok(value),
        Err(Misfit::Nesting(error)) => Err(error),
        Err(Misfit::Type { given, form }) => {
            let (parameter, expected) = (Arc::clone(parameter), expected.clone());
            Err(Box::new(Error::WrongType { parameter, expected, given: shortened(&given), form }))
        }
    }
}

/// Why a value is not one of a type.
enum Misfit {
    /// It, or a part of it, is another.
    Type { given: String, form: &'static str },
    /// It is too deep.
    Nesting(Box<Error>),
}

fn read(expected: &Type, given: &model::Value) -> Result<Value, Misfit> {
    let value = match (expected, given) {
        (Type::Any, given) => Some(any(given)?),
        (Type::Bool, model::Value::Bool(value)) => Some(Value::Bool(*value)),
        (Type::String, model::Value::Text(text)) => Some(Value::Text(Arc::clone(text))),
        (Type::Int, given) => integer(given).and_then(|whole| i64::try_from(whole).ok()).map(Value::Int),
        (Type::Uint, given) => integer(given).and_then(|whole| u64::try_from(whole).ok()).map(Value::Uint),
        (Type::Double, given) => double(given).map(Value::Double),
        (Type::Bytes, model::Value::Text(text)) => {
            STANDARD.decode(text.as_bytes()).ok().map(|bytes| Value::Bytes(bytes.into()))
        }
        (Type::Duration, model::Value::Text(text)) => Span::parse(text).map(Value::Duration),
        (Type::Timestamp, model::Value::Text(text)) => Moment::parse(text).map(Value::Timestamp),
        (Type::IpAddress, model::Value::Text(text)) => text.parse().ok().map(Value::Address),
        (Type::List(element), model::Value::List(items)) => {
            let items: Result<Vec<Value>, Misfit> = items.iter().map(|item| read(element, item)).collect();
            Some(Value::list(items?).map_err(Misfit::Nesting)?)
        }
        (Type::Map(element), model::Value::Map(fields)) => Some(map(fields, |value| read(element, value))?),
        (
            Type::Bool
            | Type::String
            | Type::Bytes
            | Type::Duration
            | Type::Timestamp
            | Type::IpAddress
            | Type::List(_)
            | Type::Map(_),
            _,
        ) => None,
    };
    value.ok_or_else(|| Misfit::Type { given: shown(given), form: expected.form() })
}

/// A value as it is. Numbers are floating-point numbers where those are exact, as with everyone who sends JSON.
fn any(given: &model::Value) -> Result<Value, Misfit> {
    Ok(match given {
        model::Value::Null => Value::Null,
        model::Value::Bool(value) => Value::Bool(*value),
        #[expect(clippy::cast_precision_loss, reason = "it was looked at whether it is exact")]
        model::Value::Int(value) if (-EXACT_END..=EXACT_END).contains(value) => Value::Double(*value as f64),
        model::Value::Int(value) => Value::Int(*value),
        model::Value::Uint(value) => Value::Uint(*value),
        model::Value::Double(value) => Value::Double(value.get()),
        model::Value::Text(text) => Value::Text(Arc::clone(text)),
        model::Value::List(items) => {
            let items: Result<Vec<Value>, Misfit> = items.iter().map(any).collect();
            Value::list(items?).map_err(Misfit::Nesting)?
        }
        model::Value::Map(fields) => map(fields, any)?,
    })
}

fn map(
    fields: &BTreeMap<Arc<str>, model::Value>,
    read: impl Fn(&model::Value) -> Result<Value, Misfit>,
) -> Result<Value, Misfit> {
    let entries = fields.iter().map(|(name, value)| Ok((Key::Text(Arc::clone(name)), read(value)?)));
    let entries: Result<BTreeMap<Key, Value>, Misfit> = entries.collect();
    Value::map(entries?).map_err(Misfit::Nesting)
}

/// A whole number, or the text of one.
fn integer(given: &model::Value) -> Option<i128> {
    match given {
        model::Value::Int(value) => Some(i128::from(*value)),
        model::Value::Uint(value) => Some(i128::from(*value)),
        model::Value::Double(value) => whole(value.get()),
        model::Value::Text(text) => match text.parse() {
            Ok(whole) => Some(whole),
            // Such as `42.0`; only as far as nothing is rounded.
            Err(_) => number(text).filter(|number| number.abs() < 9_007_199_254_740_992.0).and_then(whole),
        },
        model::Value::Null | model::Value::Bool(_) | model::Value::List(_) | model::Value::Map(_) => None,
    }
}

fn double(given: &model::Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    match given {
        model::Value::Int(value) => Some(*value as f64),
        model::Value::Uint(value) => Some(*value as f64),
        model::Value::Double(value) => Some(value.get()),
        model::Value::Text(text) => number(text),
        model::Value::Null | model::Value::Bool(_) | model::Value::List(_) | model::Value::Map(_) => None,
    }
}

/// The number of a text. Infinity and what is no number have no text here.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|letter| letter.is_ascii_digit() || b"+-.eE".contains(&letter));
    text.parse().ok().filter(|number: &f64| is_plain && number.is_finite())
}

/// A value as messages show it. Only its beginning is printed, because it may be large.
fn shown(given: &model::Value) -> String {
    match given {
        model::Value::List(_) => "a list".to_owned(),
        model::Value::Map(_) => "an object".to_owned(),
        simple => simple.to_string(),
    }
}
