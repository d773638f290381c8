//! Rules that a node can be told to break, and points at which it can be stopped, so that what checks it can show that it notices.
//!
//! That a check finds nothing means something only if it finds what is there. [`Faults`] and [`Points`] are values like any other
//! that are handed to a node when it starts: in every build for users they are empty and cannot be anything else.
//!
//! INVARIANT: no build without debug assertions can break a rule, or is told of a point. The feature `planted-faults` does not
//! compile in one.

mod fault;
mod plan;
mod point;
mod points;

pub use fault::{Fault, Faults};
pub use plan::{Act, Plan, PlanError};
pub use point::{Kind, NoSuchPoint, Point};
pub use points::{Deed, Failed, Hook, Points};
