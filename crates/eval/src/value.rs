//! Answers with conditions, between two bounds.
//!
//! A condition holds, fails, or lacks parameters. So there are three answers, in the order no, conditional, yes: what
//! either of two alternatives gives is the greater answer, what both must give is the lesser, and what excludes is turned
//! round. Each of these keeps the order, so bounds on what goes in give bounds on what comes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bounds::Bounds;

/// One of the three answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    #[default]
    No,
    /// It depends on parameters that are missing.
    Conditional,
    Yes,
}

impl Truth {
    fn turned(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Conditional => Self::Conditional,
            Self::Yes => Self::No,
        }
    }
}

/// The names of parameters, shared because values are copied on the way up.
pub(crate) type Names = Option<Arc<BTreeSet<Arc<str>>>>;

/// An answer between two bounds.
///
/// INVARIANT: the lower bound is not above the upper one. Names are there exactly if one of them is conditional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) lower: Truth,
    pub(crate) upper: Truth,
    /// The parameters on which it depends.
    pub(crate) missing: Names,
    /// Whether these may become others although both bounds are conditional.
    pub(crate) doubted: bool,
}

impl Value {
    pub(crate) const YES: Self = Self { lower: Truth::Yes, upper: Truth::Yes, missing: None, doubted: false };
    pub(crate) const NO: Self = Self { lower: Truth::No, upper: Truth::No, missing: None, doubted: false };

    /// Depends on parameters.
    pub(crate) fn conditional(missing: BTreeSet<Arc<str>>) -> Self {
        Self { lower: Truth::Conditional, upper: Truth::Conditional, missing: Some(Arc::new(missing)), doubted: false }
    }

    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        let (lower, upper) = (self.lower.max(other.lower), self.upper.max(other.upper));
        Self::of(lower, upper, [self, other])
    }

    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        let (lower, upper) = (self.lower.min(other.lower), self.upper.min(other.upper));
        Self::of(lower, upper, [self, other])
    }

    /// What is not taken away by another.
    pub(crate) fn without(self, other: Self) -> Self {
        let (lower, upper) = (other.upper.turned(), other.lower.turned());
        self.and(Self { lower, upper, ..other })
    }

    /// More cannot come of any alternative.
    pub(crate) fn is_yes(&self) -> bool {
        self.lower == Truth::Yes
    }

    /// Nothing can come of it.
    pub(crate) fn is_no(&self) -> bool {
        self.upper == Truth::No
    }

    /// What is certain and what is possible, whatever the parameters turn out to be.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { lower: self.lower == Truth::Yes, upper: self.upper != Truth::No }
    }

    /// Whether it depends on parameters for certain, so that it is an answer.
    pub(crate) fn is_conditional(&self) -> bool {
        self.lower == Truth::Conditional && self.upper == Truth::Conditional && !self.doubted
    }

    /// What comes of two values.
    #[inline]
    fn of(lower: Truth, upper: Truth, parts: [Self; 2]) -> Self {
        if parts.iter().all(|part| part.missing.is_none()) {
            return Self { lower, upper, missing: None, doubted: false };
        }
        Self::of_conditional(lower, upper, parts)
    }

    /// What comes of two values of which one depends on parameters.
    fn of_conditional(lower: Truth, upper: Truth, parts: [Self; 2]) -> Self {
        if lower != Truth::Conditional && upper != Truth::Conditional {
            return Self { lower, upper, missing: None, doubted: false };
        }
        let doubted = parts.iter().any(|part| part.doubted || part.lower != part.upper);
        let [one, other] = parts;
        Self { lower, upper, missing: both(one.missing, other.missing), doubted }
    }
}

impl From<Bounds> for Value {
    fn from(bounds: Bounds) -> Self {
        let truth = |yes| if yes { Truth::Yes } else { Truth::No };
        Self { lower: truth(bounds.lower), upper: truth(bounds.upper), ..Self::NO }
    }
}

fn both(one: Names, other: Names) -> Names {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Some(Arc::new(one.union(&other).cloned().collect())),
        (names, None) | (None | Some(_), names) => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTHS: [Truth; 3] = [Truth::No, Truth::Conditional, Truth::Yes];

    fn between(lower: Truth, upper: Truth, name: &str) -> Value {
        let depends = lower == Truth::Conditional || upper == Truth::Conditional;
        let missing = depends.then(|| Arc::new(BTreeSet::from([Arc::from(name)])));
        Value { lower, upper, missing, doubted: false }
    }

    fn all() -> Vec<Value> {
        let pairs = TRUTHS.into_iter().flat_map(|lower| TRUTHS.into_iter().map(move |upper| (lower, upper)));
        let pairs = pairs.filter(|(lower, upper)| lower <= upper);
        pairs.flat_map(|(lower, upper)| ["x", "y"].map(|name| between(lower, upper, name))).collect()
    }

    /// The answers that lie within a value.
    fn within(value: &Value) -> Vec<Value> {
        let inside = TRUTHS.into_iter().filter(|truth| value.lower <= *truth && *truth <= value.upper);
        let names = value.missing.clone();
        inside.map(|truth| Value { missing: names.clone(), ..between(truth, truth, "x") }).collect()
    }

    #[test]
    fn whatever_goes_in_lies_between_the_bounds_that_come_out() {
        let operators: [fn(Value, Value) -> Value; 3] = [Value::or, Value::and, Value::without];
        for (one, other) in all().iter().flat_map(|one| all().into_iter().map(move |other| (one.clone(), other))) {
            for operator in operators {
                let bounds = operator(one.clone(), other.clone());
                assert!(bounds.lower <= bounds.upper);
                let depends = bounds.lower == Truth::Conditional || bounds.upper == Truth::Conditional;
                assert_eq!(bounds.missing.is_some(), depends, "{one:?} {other:?}");
                let answers =
                    within(&one).into_iter().flat_map(|a| within(&other).into_iter().map(move |b| (a.clone(), b)));
                let answers: Vec<Value> = answers.map(|(a, b)| operator(a, b)).collect();
                assert_eq!(answers.iter().map(|answer| answer.lower).min(), Some(bounds.lower));
                assert_eq!(answers.iter().map(|answer| answer.upper).max(), Some(bounds.upper));
                // Where the answer is that it depends, it depends on the same whatever comes.
                let is_same = |answer: &Value| answer.is_conditional() && answer.missing == bounds.missing;
                assert!(!bounds.is_conditional() || answers.iter().all(is_same), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn names_are_those_that_matter() {
        let of = |names: &[&str]| Value::conditional(names.iter().map(|name| Arc::from(*name)).collect());
        assert_eq!(of(&["x"]).or(of(&["y"])), of(&["x", "y"]));
        assert_eq!(of(&["x"]).and(of(&["y"])), of(&["x", "y"]));
        assert_eq!(of(&["x"]).or(Value::YES), Value::YES);
        assert_eq!(of(&["x"]).and(Value::NO), Value::NO);
        assert_eq!(Value::YES.without(of(&["x"])), of(&["x"]));
        assert_eq!(Value::YES.without(Value::YES), Value::NO);
    }
}
