//! Numbers of all three types, compared as numbers.

use std::cmp::Ordering;

use super::Value;

/// A number. Whole ones fit into 65 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Whole(i128),
    Double(f64),
}

/// The first number beyond all whole ones: 2 to the power of 64.
const WHOLE_END: f64 = 18_446_744_073_709_551_616.0;

impl Number {
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Self::Whole(i128::from(*value))),
            Value::Uint(value) => Some(Self::Whole(i128::from(*value))),
            Value::Double(value) => Some(Self::Double(*value)),
            Value::Null
            | Value::Bool(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
            | Value::Address(_)
            | Value::List(_)
            | Value::Map(_) => None,
        }
    }

    /// `None` where one of them is not a number. Exact: nothing is rounded.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => Some(one.cmp(&two)),
            (Self::Double(one), Self::Double(two)) => one.partial_cmp(&two),
            (Self::Whole(one), Self::Double(two)) => compare_mixed(one, two),
            (Self::Double(one), Self::Whole(two)) => compare_mixed(two, one).map(Ordering::reverse),
        }
    }
}

fn compare_mixed(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= WHOLE_END {
        return Some(Ordering::Less);
    }
    if double < -WHOLE_END {
        return Some(Ordering::Greater);
    }
    let truncated = truncate(double);
    Some(whole.cmp(&truncated).then_with(|| 0.0_f64.total_cmp(&(double.fract() + 0.0))))
}

/// The whole number that a double is, if it is one that an int or uint can be.
pub(crate) fn whole(double: f64) -> Option<i128> {
    let fits = double.fract() == 0.0 && (-WHOLE_END / 2.0..WHOLE_END).contains(&double);
    fits.then(|| truncate(double))
}

/// A double without what is behind its point; it has to be within what whole numbers can be.
pub(crate) fn truncate(double: f64) -> i128 {
    #[expect(clippy::cast_possible_truncation, reason = "cutting off is what it is for")]
    let truncated = double.trunc() as i128;
    truncated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_types_are_compared_without_rounding() {
        let compare = |one: Value, two: Value| Number::of(&one).unwrap().compare(Number::of(&two).unwrap());
        for (whole, double, order) in [
            (Value::Int(1), 1.0, Ordering::Equal),
            (Value::Int(0), -0.0, Ordering::Equal),
            (Value::Int(1), 1.5, Ordering::Less),
            (Value::Int(-1), -1.5, Ordering::Greater),
            (Value::Int(0), -0.5, Ordering::Greater),
            (Value::Int(9_007_199_254_740_993), 9_007_199_254_740_992.0, Ordering::Greater),
            (Value::Int(i64::MAX), 9_223_372_036_854_775_808.0, Ordering::Less),
            (Value::Int(i64::MIN), -9_223_372_036_854_775_808.0, Ordering::Equal),
            (Value::Uint(u64::MAX), WHOLE_END, Ordering::Less),
            (Value::Uint(u64::MAX), f64::INFINITY, Ordering::Less),
            (Value::Int(i64::MIN), f64::NEG_INFINITY, Ordering::Greater),
        ] {
            assert_eq!(compare(whole.clone(), Value::Double(double)), Some(order), "{whole:?} {double}");
            assert_eq!(compare(Value::Double(double), whole.clone()), Some(order.reverse()), "{double} {whole:?}");
        }
        assert_eq!(compare(Value::Int(0), Value::Double(f64::NAN)), None);
        assert_eq!(compare(Value::Int(-1), Value::Uint(u64::MAX)), Some(Ordering::Less));
    }
}
