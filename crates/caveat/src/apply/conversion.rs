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

pub(super) fn convert(target: Target, value: &Value, meter: &mut Meter) -> Applied {
    if let Value::Text(text) = value {
        meter.charge(bytes_steps(text.len()))?;
    }
    match target {
        Target::Any => Ok(value.clone()),
        Target::Bool => boolean(value),
        Target::Int => int(value),
        Target::Uint => uint(value),
        Target::Double => double(value),
        Target::Text => text(value, meter),
        Target::Bytes => match value {
            Value::Bytes(_) => Ok(value.clone()),
            Value::Text(text) => Ok(Value::Bytes(text.as_bytes().into())),
            other => wrong(target, other),
        },
        Target::Duration => match value {
            Value::Duration(_) => Ok(value.clone()),
            Value::Text(text) => fitting(Span::parse(text).map(Value::Duration), target, value),
            Value::Int(nanos) => Ok(Value::Duration(Span::new(*nanos))),
            other => wrong(target, other),
        },
        Target::Timestamp => match value {
            Value::Timestamp(_) => Ok(value.clone()),
            Value::Text(text) => fitting(Moment::parse(text).map(Value::Timestamp), target, value),
            Value::Int(seconds) => fitting(Moment::from_seconds(*seconds).map(Value::Timestamp), target, value),
            other => wrong(target, other),
        },
    }
}

/// The error of a value whose type does not convert.
fn wrong(target: Target, value: &Value) -> Applied {
    wrong_operands(Function::Convert(target), &[value])
}

/// What a value was converted to, if it can be.
fn fitting(converted: Option<Value>, target: Target, given: &Value) -> Applied {
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
    let form = match (&expected, given) {
        (Type::Timestamp, Value::Int(_)) => "seconds within the years 1 to 9999",
        (Type::String, _) => "bytes of UTF-8",
        _ => expected.form(),
    };
    converted.ok_or_else(|| Box::new(Error::Unconvertible { expected, given: given.shown(), form }))
}

fn boolean(value: &Value) -> Applied {
    match value {
        Value::Bool(value) => Ok(Value::Bool(*value)),
        Value::Text(text) => {
            let converted = match text.as_ref() {
                "true" | "True" | "TRUE" | "t" | "T" | "1" => Some(Value::Bool(true)),
                "false" | "False" | "FALSE" | "f" | "F" | "0" => Some(Value::Bool(false)),
                _ => None,
            };
            fitting(converted, Target::Bool, value)
        }
        other => wrong(Target::Bool, other),
    }
}

fn int(value: &Value) -> Applied {
    let converted = match value {
        Value::Text(text) => text.parse().ok(),
        Value::Timestamp(moment) => Some(moment.seconds()),
        Value::Duration(span) => Some(span.nanos()),
        other => match Number::of(other) {
            Some(number) => whole(number).and_then(|whole| i64::try_from(whole).ok()),
            None => return wrong(Target::Int, other),
        },
    };
    fitting(converted.map(Value::Int), Target::Int, value)
}

fn uint(value: &Value) -> Applied {
    let converted = match value {
        Value::Text(text) => text.parse().ok(),
        other => match Number::of(other) {
            Some(number) => whole(number).and_then(|whole| u64::try_from(whole).ok()),
            None => return wrong(Target::Uint, other),
        },
    };
    fitting(converted.map(Value::Uint), Target::Uint, value)
}

/// A number without what is behind its point. `None` if it is none or far too large.
fn whole(number: Number) -> Option<i128> {
    match number {
        Number::Whole(whole) => Some(whole),
        Number::Double(double) => (double.abs() < 1e20).then(|| truncate(double)),
    }
}

fn double(value: &Value) -> Applied {
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    match value {
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::Double(value) => Ok(Value::Double(*value)),
        Value::Text(text) => fitting(text.parse().ok().map(Value::Double), Target::Double, value),
        other => wrong(Target::Double, other),
    }
}

fn text(value: &Value, meter: &mut Meter) -> Applied {
    Ok(match value {
        Value::Text(_) => value.clone(),
        Value::Bool(value) => Value::text(if *value { "true" } else { "false" }),
        Value::Int(value) => Value::text(&value.to_string()),
        Value::Uint(value) => Value::text(&value.to_string()),
        Value::Double(value) => Value::text(&decimal(*value)),
        Value::Timestamp(moment) => Value::text(&moment.to_string()),
        Value::Duration(span) => Value::text(&span.to_string()),
        Value::Address(address) => Value::text(&address.to_string()),
        Value::Bytes(bytes) => {
            meter.charge(bytes_steps(bytes.len()))?;
            let text = std::str::from_utf8(bytes).ok().map(|text| Value::Text(Arc::from(text)));
            return fitting(text, Target::Text, value);
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            return wrong(Target::Text, value);
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
