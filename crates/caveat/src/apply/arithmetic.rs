//! `+ - * / %`. Nothing wraps around: what does not fit is an error.

use super::{Applied, wrong_operands};
use crate::error::Error;
use crate::function::Function;
use crate::limit;
use crate::meter::{Meter, bytes_steps};
use crate::value::Value;

pub(super) fn add(one: &Value, two: &Value, meter: &mut Meter) -> Applied {
    const ADD: Function = Function::Add;
    Ok(match (one, two) {
        (Value::Int(one), Value::Int(two)) => return fitting(one.checked_add(*two).map(Value::Int), ADD, "int"),
        (Value::Uint(one), Value::Uint(two)) => return fitting(one.checked_add(*two).map(Value::Uint), ADD, "uint"),
        (Value::Double(one), Value::Double(two)) => Value::Double(one + two),
        (Value::Text(one), Value::Text(two)) => {
            charge_joined(one.len(), two.len(), meter)?;
            Value::Text([one.as_ref(), two.as_ref()].concat().into())
        }
        (Value::Bytes(one), Value::Bytes(two)) => {
            charge_joined(one.len(), two.len(), meter)?;
            Value::Bytes([one.as_ref(), two.as_ref()].concat().into())
        }
        (Value::List(one), Value::List(two)) => {
            meter.charge((one.items().len() + two.items().len()) as u64)?;
            return Value::list([one.items(), two.items()].concat());
        }
        (Value::Duration(one), Value::Duration(two)) => {
            return fitting(one.plus(*two).map(Value::Duration), ADD, "duration");
        }
        (Value::Timestamp(moment), Value::Duration(span)) | (Value::Duration(span), Value::Timestamp(moment)) => {
            return fitting(moment.plus(*span).map(Value::Timestamp), ADD, "timestamp");
        }
        _ => return wrong_operands(ADD, &[one, two]),
    })
}

fn charge_joined(one: usize, two: usize, meter: &mut Meter) -> Result<(), Box<Error>> {
    let (length, most) = (one + two, limit::TEXT_BYTES_MAX);
    if length > most {
        return Err(Box::new(Error::TextTooLong { length, most }));
    }
    meter.charge(bytes_steps(length))
}

pub(super) fn subtract(one: &Value, two: &Value) -> Applied {
    const SUBTRACT: Function = Function::Subtract;
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => fitting(one.checked_sub(*two).map(Value::Int), SUBTRACT, "int"),
        (Value::Uint(one), Value::Uint(two)) => fitting(one.checked_sub(*two).map(Value::Uint), SUBTRACT, "uint"),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one - two)),
        (Value::Duration(one), Value::Duration(two)) => {
            fitting(one.minus(*two).map(Value::Duration), SUBTRACT, "duration")
        }
        (Value::Timestamp(moment), Value::Duration(span)) => {
            let moment = span.negated().and_then(|span| moment.plus(span));
            fitting(moment.map(Value::Timestamp), SUBTRACT, "timestamp")
        }
        (Value::Timestamp(one), Value::Timestamp(two)) => {
            fitting(one.since(*two).map(Value::Duration), SUBTRACT, "duration")
        }
        _ => wrong_operands(SUBTRACT, &[one, two]),
    }
}

pub(super) fn multiply(one: &Value, two: &Value) -> Applied {
    const MULTIPLY: Function = Function::Multiply;
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => fitting(one.checked_mul(*two).map(Value::Int), MULTIPLY, "int"),
        (Value::Uint(one), Value::Uint(two)) => fitting(one.checked_mul(*two).map(Value::Uint), MULTIPLY, "uint"),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one * two)),
        _ => wrong_operands(MULTIPLY, &[one, two]),
    }
}

pub(super) fn divide(one: &Value, two: &Value) -> Applied {
    const DIVIDE: Function = Function::Divide;
    match (one, two) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => by_zero(DIVIDE),
        (Value::Int(one), Value::Int(two)) => fitting(one.checked_div(*two).map(Value::Int), DIVIDE, "int"),
        (Value::Uint(one), Value::Uint(two)) => Ok(Value::Uint(one / two)),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one / two)),
        _ => wrong_operands(DIVIDE, &[one, two]),
    }
}

pub(super) fn remainder(one: &Value, two: &Value) -> Applied {
    const REMAINDER: Function = Function::Remainder;
    match (one, two) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => by_zero(REMAINDER),
        (Value::Int(one), Value::Int(two)) => fitting(one.checked_rem(*two).map(Value::Int), REMAINDER, "int"),
        (Value::Uint(one), Value::Uint(two)) => Ok(Value::Uint(one % two)),
        _ => wrong_operands(REMAINDER, &[one, two]),
    }
}

pub(super) fn negate(value: &Value) -> Applied {
    match value {
        Value::Int(value) => fitting(value.checked_neg().map(Value::Int), Function::Negate, "int"),
        Value::Double(value) => Ok(Value::Double(-value)),
        _ => wrong_operands(Function::Negate, &[value]),
    }
}

/// A result, if it fits.
fn fitting(value: Option<Value>, function: Function, result: &'static str) -> Applied {
    value.ok_or_else(|| Box::new(Error::Overflow { operation: function.name(), result }))
}

fn by_zero(function: Function) -> Applied {
    Err(Box::new(Error::DivisionByZero { operation: function.name() }))
}
