//! Values while an expression is evaluated.

pub(crate) mod number;

use core::net::IpAddr;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;
use crate::limit;
use crate::meter::{Meter, bytes_steps};
use crate::moment::Moment;
use crate::span::Span;
use number::Number;

/// A value. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    Duration(Span),
    Timestamp(Moment),
    Address(IpAddr),
    List(Arc<List>),
    Map(Arc<Map>),
}

/// Values in order.
///
/// INVARIANT: no value is deeper than `limit::VALUE_NESTING_MAX`, so that comparing and dropping one may recurse.
#[derive(Debug)]
pub(crate) struct List {
    items: Vec<Value>,
    depth: u32,
}

/// Values by key, in the order of their keys, which is the same everywhere.
#[derive(Debug)]
pub(crate) struct Map {
    entries: BTreeMap<Key, Value>,
    depth: u32,
}

/// How two values are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Is(Ordering),
    /// One of them is not a number, though its type is one of numbers.
    NotNumber,
}

/// A key of a map. Whole numbers are equal when they are the same number.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Arc<str>),
}

impl Value {
    pub(crate) fn list(items: Vec<Self>) -> Result<Self, Box<Error>> {
        let depth = level_above(items.iter())?;
        Ok(Self::List(Arc::new(List { items, depth })))
    }

    pub(crate) fn map(entries: BTreeMap<Key, Self>) -> Result<Self, Box<Error>> {
        let depth = level_above(entries.values())?;
        Ok(Self::Map(Arc::new(Map { entries, depth })))
    }

    /// A text that the expression put together.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Duration(_)
            | Self::Timestamp(_)
            | Self::Address(_) => 0,
        }
    }

    /// Its type, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "duration",
            Self::Timestamp(_) => "timestamp",
            Self::Address(_) => "ipaddress",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// As messages show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => crate::error::shortened(text),
            Self::Duration(span) => span.to_string(),
            Self::Timestamp(moment) => moment.to_string(),
            Self::Address(address) => address.to_string(),
            Self::Null | Self::Bytes(_) | Self::List(_) | Self::Map(_) => self.kind().to_owned(),
        }
    }

    /// The key that this is as an index of a map. Numbers that are whole are whole numbers.
    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Self::Bool(value) => Some(Key::Bool(*value)),
            Self::Int(value) => Some(Key::Int(*value)),
            Self::Uint(value) => Some(Key::Uint(*value)),
            Self::Double(value) => number::whole(*value).map(|whole| match i64::try_from(whole) {
                Ok(whole) => Key::Int(whole),
                Err(_) => Key::Uint(u64::try_from(whole).unwrap_or(u64::MAX)),
            }),
            Self::Text(text) => Some(Key::Text(Arc::clone(text))),
            Self::Null
            | Self::Bytes(_)
            | Self::Duration(_)
            | Self::Timestamp(_)
            | Self::Address(_)
            | Self::List(_)
            | Self::Map(_) => None,
        }
    }

    /// Whether two values are equal. Values of different types are not, but numbers are compared as numbers.
    pub(crate) fn equals(&self, other: &Self, meter: &mut Meter) -> Result<bool, Box<Error>> {
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => {
                meter.charge(bytes_steps(one.len().min(two.len())))?;
                one == two
            }
            (Self::Bytes(one), Self::Bytes(two)) => {
                meter.charge(bytes_steps(one.len().min(two.len())))?;
                one == two
            }
            (Self::Duration(one), Self::Duration(two)) => one == two,
            (Self::Timestamp(one), Self::Timestamp(two)) => one == two,
            (Self::Address(one), Self::Address(two)) => one == two,
            (Self::List(one), Self::List(two)) => {
                one.items.len() == two.items.len() && all_equal(one.items.iter().zip(&two.items), meter)?
            }
            (Self::Map(one), Self::Map(two)) => {
                // Both are in the same order.
                one.entries.len() == two.entries.len()
                    && one.entries.keys().eq(two.entries.keys())
                    && all_equal(one.entries.values().zip(two.entries.values()), meter)?
            }
            _ => match (Number::of(self), Number::of(other)) {
                (Some(one), Some(two)) => one.compare(two) == Some(Ordering::Equal),
                _ => false,
            },
        })
    }

    /// How two values are ordered, if they have an order.
    pub(crate) fn compare(&self, other: &Self) -> Option<Order> {
        Some(Order::Is(match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Bytes(one), Self::Bytes(two)) => one.cmp(two),
            (Self::Duration(one), Self::Duration(two)) => one.cmp(two),
            (Self::Timestamp(one), Self::Timestamp(two)) => one.cmp(two),
            _ => return Some(Number::of(self)?.compare(Number::of(other)?).map_or(Order::NotNumber, Order::Is)),
        }))
    }
}

fn all_equal<'v>(pairs: impl Iterator<Item = (&'v Value, &'v Value)>, meter: &mut Meter) -> Result<bool, Box<Error>> {
    for (one, two) in pairs {
        meter.charge(1)?;
        if !one.equals(two, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn level_above<'v>(values: impl Iterator<Item = &'v Value>) -> Result<u32, Box<Error>> {
    let depth = 1 + values.map(Value::depth).max().unwrap_or(0);
    let most = limit::VALUE_NESTING_MAX;
    if depth > most { Err(Box::new(Error::TooDeep { most })) } else { Ok(depth) }
}

impl List {
    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    pub(crate) fn entries(&self) -> &BTreeMap<Key, Value> {
        &self.entries
    }
}

impl Key {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Text(text) => Value::Text(Arc::clone(text)),
        }
    }

    /// As messages show it.
    pub(crate) fn shown(&self) -> String {
        self.value().shown()
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            // `None` is before `Some`, as bool is before numbers.
            _ => self.whole().cmp(&other.whole()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_and_numbers_are_equal_as_numbers() {
        let keys = [
            Key::Bool(false),
            Key::Bool(true),
            Key::Int(-1),
            Key::Uint(0),
            Key::Int(1),
            Key::Uint(u64::MAX),
            Key::Text("".into()),
            Key::Text("a".into()),
        ];
        assert!(keys.is_sorted_by(|one, two| one < two));
        assert_eq!(Key::Int(1), Key::Uint(1));
        assert_eq!(Value::Double(1.0).key(), Some(Key::Uint(1)));
        assert_eq!(Value::Double(1.5).key(), None);
    }

    #[test]
    fn a_value_has_a_deepest_level() {
        let mut value = Value::Null;
        for _ in 0..limit::VALUE_NESTING_MAX {
            value = Value::list(vec![value]).unwrap();
        }
        let too_deep = Error::TooDeep { most: limit::VALUE_NESTING_MAX };
        assert_eq!(Value::list(vec![value]).unwrap_err(), Box::new(too_deep));
    }

    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 24, "{}", size_of::<Value>());
    }
}
