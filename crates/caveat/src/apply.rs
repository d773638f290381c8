//! What operators and functions do with values.
//!
//! Types that are known beforehand were checked; the others are checked here. Work that grows with its input is charged.

mod arithmetic;
mod conversion;
mod part;

use std::cmp::Ordering;
use std::sync::Arc;

use crate::address::Range;
use crate::error::{Error, shortened};
use crate::function::Function;
use crate::limit;
use crate::meter::{Meter, PATTERN_STEPS, bytes_steps, match_steps};
use crate::pattern::Pattern;
use crate::value::{Map, Order, Value};

pub(crate) type Applied = Result<Value, Box<Error>>;

/// Applies a function to what it takes: one value or two.
pub(crate) fn apply(function: Function, first: &Value, second: Option<&Value>, meter: &mut Meter) -> Applied {
    match second {
        None => apply_to_one(function, first, meter),
        Some(second) => apply_to_two(function, first, second, meter),
    }
}

fn apply_to_one(function: Function, value: &Value, meter: &mut Meter) -> Applied {
    match function {
        Function::Negate => arithmetic::negate(value),
        Function::Size => size(value, meter),
        Function::Part(part) => part::of(part, value, None),
        Function::Convert(target) => conversion::convert(target, value, meter),
        Function::Equal
        | Function::NotEqual
        | Function::Less
        | Function::LessEqual
        | Function::Greater
        | Function::GreaterEqual
        | Function::In
        | Function::Add
        | Function::Subtract
        | Function::Multiply
        | Function::Divide
        | Function::Remainder
        | Function::Index
        | Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::Matches
        | Function::InCidr
        | Function::IsSubtreeOf => wrong_operands(function, &[value]),
    }
}

fn apply_to_two(function: Function, one: &Value, two: &Value, meter: &mut Meter) -> Applied {
    match function {
        Function::Equal => one.equals(two, meter).map(Value::Bool),
        Function::NotEqual => one.equals(two, meter).map(|equal| Value::Bool(!equal)),
        Function::Less => order(function, one, two, meter, |order| order == Ordering::Less),
        Function::LessEqual => order(function, one, two, meter, |order| order != Ordering::Greater),
        Function::Greater => order(function, one, two, meter, |order| order == Ordering::Greater),
        Function::GreaterEqual => order(function, one, two, meter, |order| order != Ordering::Less),
        Function::In => is_in(one, two, meter),
        Function::Add => arithmetic::add(one, two, meter),
        Function::Subtract => arithmetic::subtract(one, two),
        Function::Multiply => arithmetic::multiply(one, two),
        Function::Divide => arithmetic::divide(one, two),
        Function::Remainder => arithmetic::remainder(one, two),
        Function::Index => index(one, two, meter),
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Matches => {
            let (Value::Text(text), Value::Text(part)) = (one, two) else {
                return wrong_operands(function, &[one, two]);
            };
            texts(function, text, part, meter).map(Value::Bool)
        }
        Function::InCidr => match (one, two) {
            (Value::Address(address), Value::Text(range)) => Ok(Value::Bool(range_of(range)?.contains(*address))),
            _ => wrong_operands(function, &[one, two]),
        },
        Function::IsSubtreeOf => match (one, two) {
            (Value::Map(one), Value::Map(two)) => is_subtree(one, two, meter).map(Value::Bool),
            _ => wrong_operands(function, &[one, two]),
        },
        Function::Part(part) => part::of(part, one, Some(two)),
        Function::Negate | Function::Size | Function::Convert(_) => wrong_operands(function, &[one, two]),
    }
}

/// The error of values that a function does not take.
pub(crate) fn wrong_operands<T>(function: Function, given: &[&Value]) -> Result<T, Box<Error>> {
    let kinds: Vec<&str> = given.iter().map(|value| value.kind()).collect();
    Err(Box::new(Error::WrongOperands { operation: function.name(), given: kinds.join(" and ") }))
}

/// Reads a range of addresses.
pub(crate) fn range_of(text: &str) -> Result<Range, Box<Error>> {
    Range::parse(text).ok_or_else(|| Box::new(Error::NotRange { given: shortened(text) }))
}

fn order(function: Function, one: &Value, two: &Value, meter: &mut Meter, wanted: fn(Ordering) -> bool) -> Applied {
    if let (Value::Text(one), Value::Text(two)) = (one, two) {
        meter.charge(bytes_steps(one.len().min(two.len())))?;
    }
    if let (Value::Bytes(one), Value::Bytes(two)) = (one, two) {
        meter.charge(bytes_steps(one.len().min(two.len())))?;
    }
    match one.compare(two) {
        Some(Order::Is(order)) => Ok(Value::Bool(wanted(order))),
        // It is neither less nor greater.
        Some(Order::NotNumber) => Ok(Value::Bool(false)),
        None => wrong_operands(function, &[one, two]),
    }
}

fn is_in(value: &Value, within: &Value, meter: &mut Meter) -> Applied {
    match within {
        Value::List(list) => {
            for item in list.items() {
                meter.charge(1)?;
                if value.equals(item, meter)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        Value::Map(map) => {
            charge_key(value, meter)?;
            Ok(Value::Bool(value.key().is_some_and(|key| map.entries().contains_key(&key))))
        }
        _ => wrong_operands(Function::In, &[value, within]),
    }
}

fn index(within: &Value, index: &Value, meter: &mut Meter) -> Applied {
    match within {
        Value::List(list) => {
            let position = match index {
                Value::Int(_) | Value::Uint(_) | Value::Double(_) => index.key(),
                _ => return wrong_operands(Function::Index, &[within, index]),
            };
            let position = match position {
                Some(crate::value::Key::Int(position)) => usize::try_from(position).ok(),
                Some(crate::value::Key::Uint(position)) => usize::try_from(position).ok(),
                _ => None,
            };
            position
                .and_then(|position| list.items().get(position))
                .cloned()
                .ok_or_else(|| Box::new(Error::NoSuchElement { index: index.shown(), length: list.items().len() }))
        }
        Value::Map(map) => {
            charge_key(index, meter)?;
            let found = index.key().and_then(|key| map.entries().get(&key));
            found.cloned().ok_or_else(|| Box::new(Error::NoSuchKey { key: index.shown() }))
        }
        _ => wrong_operands(Function::Index, &[within, index]),
    }
}

fn charge_key(key: &Value, meter: &mut Meter) -> Result<(), Box<Error>> {
    match key {
        Value::Text(text) => meter.charge(bytes_steps(text.len())),
        _ => Ok(()),
    }
}

fn size(value: &Value, meter: &mut Meter) -> Applied {
    let size = match value {
        Value::Text(text) => {
            meter.charge(bytes_steps(text.len()))?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        _ => return wrong_operands(Function::Size, &[value]),
    };
    // INVARIANT: nothing in memory has more parts than an i64 counts.
    Ok(Value::Int(i64::try_from(size).expect("sizes fit")))
}

fn texts(function: Function, text: &str, part: &str, meter: &mut Meter) -> Result<bool, Box<Error>> {
    if function == Function::Matches {
        meter.charge(PATTERN_STEPS)?;
        let pattern = Pattern::new(part, limit::GIVEN_PATTERN_MEMORY_BYTES_MAX)
            .map_err(|problem| Box::new(Error::NotPattern { given: shortened(part), problem }))?;
        return is_match(text, &pattern, meter);
    }
    meter.charge(bytes_steps(text.len() + part.len()))?;
    Ok(match function {
        Function::StartsWith => text.starts_with(part),
        Function::EndsWith => text.ends_with(part),
        _ => text.contains(part),
    })
}

/// Tries a pattern on a text.
pub(crate) fn is_match(text: &str, pattern: &Pattern, meter: &mut Meter) -> Result<bool, Box<Error>> {
    meter.charge(match_steps(pattern.states(), text.len() as u64))?;
    Ok(pattern.is_in(text))
}

/// Whether all that is in a map is in another as well: other values are equal, and maps are subtrees again.
fn is_subtree(one: &Arc<Map>, two: &Arc<Map>, meter: &mut Meter) -> Result<bool, Box<Error>> {
    for (key, value) in one.entries() {
        meter.charge(1)?;
        let Some(other) = two.entries().get(key) else { return Ok(false) };
        let held = match (value, other) {
            (Value::Map(value), Value::Map(other)) => is_subtree(value, other, meter)?,
            _ => value.equals(other, meter)?,
        };
        if !held {
            return Ok(false);
        }
    }
    Ok(true)
}
