//! Conversions within an expression: `int(…)`, `string(…)`, `timestamp(…)` and their like.

use std::sync::Arc;

use super::{Applied, wrong_operands};
use crate::error::Error;
use crate::function::{Function, Target};
use crate::meter::{Meter, bytes_steps};
use crate::moment::Moment;
use crate::span::Span;
use crate::types::Type;
use crate::value::Value;
use crate::value::number::{Number, truncate};

pub(super) fn convert(target: Target, value: Value, meter: &mut Meter) -> Applied {
    if let Value::Text(text) = &value {
        meter.charge(bytes_steps(text.len()))?;
    }
    let converted = match target {
        Target::Any => return Ok(value),
        Target::Bool => boolean(&value),
        Target::Int => int(&value),
        Target::Uint => uint(&value),
        Target::Double => double(&value),
        Target::Text => return text(value, meter),
        Target::Bytes => match value {
            Value::Bytes(_) => return Ok(value),
            Value::Text(text) => return Ok(Value::Bytes(text.as_bytes().into())),
            _ => None,
        },
        Target::Duration => match &value {
            Value::Duration(span) => Some(Some(Value::Duration(*span))),
            Value::Text(text) => Some(Span::parse(text).map(Value::Duration)),
            _ => None,
        },
        Target::Timestamp => match &value {
            Value::Timestamp(moment) => Some(Some(Value::Timestamp(*moment))),
            Value::Text(text) => Some(Moment::parse(text).map(Value::Timestamp)),
            Value::Int(seconds) => Some(Moment::from_seconds(*seconds).map(Value::Timestamp)),
            _ => None,
        },
    };
    match converted {
        Some(Some(converted)) => Ok(converted),
        Some(None) => Err(unconvertible(target, &value)),
        None => Err(wrong_operands(Function::Convert(target), &[&value])),
    }
}

fn unconvertible(target: Target, value: &Value) -> Box<Error> {
    let expected = match target {
        Target::Bool => Type::Bool,
        Target::Int => Type::Int,
        Target::Uint => Type::Uint,
        Target::Double => Type::Double,
        Target::Text => Type::String,
        Target::Bytes => Type::Bytes,
        Target::Duration => Type::Duration,
        Target::Timestamp => Type::Timestamp,
        Target::Any => Type::Any,
    };
    let form = match (&expected, value) {
        (Type::Timestamp, Value::Int(_)) => "seconds within the years 1 to 9999",
        (Type::String, _) => "bytes of UTF-8",
        _ => expected.form(),
    };
    Box::new(Error::Unconvertible { expected, given: value.shown(), form })
}

/// What became of a value: `None` if its type does not convert, `Some(None)` if the value does not.
type Outcome = Option<Option<Value>>;

fn boolean(value: &Value) -> Outcome {
    match value {
        Value::Bool(value) => Some(Some(Value::Bool(*value))),
        Value::Text(text) => Some(match text.as_ref() {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Some(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => Some(Value::Bool(false)),
            _ => None,
        }),
        _ => None,
    }
}

fn int(value: &Value) -> Outcome {
    match value {
        Value::Text(text) => Some(text.parse().ok().map(Value::Int)),
        Value::Timestamp(moment) => Some(Some(Value::Int(moment.seconds()))),
        number => whole(number).map(|whole| whole.and_then(|whole| i64::try_from(whole).ok()).map(Value::Int)),
    }
}

fn uint(value: &Value) -> Outcome {
    match value {
        Value::Text(text) => Some(text.parse().ok().map(Value::Uint)),
        number => whole(number).map(|whole| whole.and_then(|whole| u64::try_from(whole).ok()).map(Value::Uint)),
    }
}

/// A number without what is behind its point. `Some(None)` if it is none or far too large.
fn whole(value: &Value) -> Option<Option<i128>> {
    Some(match Number::of(value)? {
        Number::Whole(whole) => Some(whole),
        Number::Double(double) => (double.abs() < 1e20).then(|| truncate(double)),
    })
}

fn double(value: &Value) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    match value {
        Value::Int(value) => Some(Some(Value::Double(*value as f64))),
        Value::Uint(value) => Some(Some(Value::Double(*value as f64))),
        Value::Double(value) => Some(Some(Value::Double(*value))),
        Value::Text(text) => Some(text.parse().ok().map(Value::Double)),
        _ => None,
    }
}

fn text(value: Value, meter: &mut Meter) -> Applied {
    Ok(match &value {
        Value::Text(_) => value,
        Value::Bool(value) => Value::text(if *value { "true" } else { "false" }),
        Value::Int(value) => Value::text(&value.to_string()),
        Value::Uint(value) => Value::text(&value.to_string()),
        Value::Double(value) => Value::text(&decimal(*value)),
        Value::Timestamp(moment) => Value::text(&moment.to_string()),
        Value::Duration(span) => Value::text(&span.to_string()),
        Value::Address(address) => Value::text(&address.to_string()),
        Value::Bytes(bytes) => {
            meter.charge(bytes_steps(bytes.len()))?;
            match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(Arc::from(text)),
                Err(_) => return Err(unconvertible(Target::Text, &value)),
            }
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            return Err(wrong_operands(Function::Convert(Target::Text), &[&value]));
        }
    })
}

/// The shortest text of a double, with an exponent where that is far from 0, as CEL prints it.
fn decimal(double: f64) -> String {
    if double.is_nan() {
        return "NaN".to_owned();
    }
    if double.is_infinite() {
        return if double > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{double:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => double.to_string(),
    }
}
