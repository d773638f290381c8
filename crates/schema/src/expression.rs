//! What a permission is computed from.

use portcullis_model::RelationName;

/// The expression of a permission. At most `limit::NESTING_MAX` levels deep, so walking it may recurse.
///
/// Unions have no unions among their operands, nor intersections intersections: a row of the same operator is one node,
/// however it was parenthesised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `nil`: nobody.
    Nil,
    /// `self`: the object itself, as a subject.
    SelfObject,
    /// A relation or permission of the same definition.
    Computed(RelationName),
    /// `folder->view`: what holds on the objects that a relation leads to.
    Arrow(Arrow),
    /// `a + b`: whoever one of them holds for. At least two.
    Union(Vec<Expression>),
    /// `a & b`: whoever all of them hold for. At least two.
    Intersection(Vec<Expression>),
    /// `a - b`: whoever the first holds for and the second does not.
    Exclusion(Box<Expression>, Box<Expression>),
}

/// From an object over one or more relations to other objects, and what is asked there.
///
/// `a->b->c` has the steps `a` and `b` and the target `c`: it holds on an object if, for one of the objects `x` that `a`
/// leads to, `b->c` holds on `x`. Where a type lacks a relation or the target, nothing holds on its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The relations to follow, in order. At least one, at most `limit::ARROWS_MAX`.
    pub steps: Vec<Step>,
    /// The relation or permission that is asked for on the last objects.
    pub target: RelationName,
}

/// One relation of an arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// A relation; the first is of the definition itself, the others of the types that the one before leads to.
    pub relation: RelationName,
    /// On how many of the objects the rest has to hold.
    pub mode: Mode,
}

/// On how many of the objects that a relation leads to the rest of an arrow has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `folder->view` and `folder.any(view)`: on at least one.
    Any,
    /// `folder.all(view)`: on every one, and there is one.
    All,
}

impl Expression {
    /// The names and arrows, and `nil` and `self`, from left to right, each with whether it is right of a `-`.
    pub(crate) fn leaves(&self) -> Vec<(&Expression, bool)> {
        let mut leaves = Vec::new();
        let mut waiting = vec![(self, false)];
        while let Some((expression, subtracted)) = waiting.pop() {
            match expression {
                Self::Nil | Self::SelfObject | Self::Computed(_) | Self::Arrow(_) => {
                    leaves.push((expression, subtracted));
                }
                Self::Union(operands) | Self::Intersection(operands) => {
                    waiting.extend(operands.iter().rev().map(|operand| (operand, subtracted)));
                }
                Self::Exclusion(base, taken) => waiting.extend([(&**taken, true), (&**base, subtracted)]),
            }
        }
        leaves
    }
}
