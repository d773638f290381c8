//! Rules that a node can be told to break, so that what checks it can show that it notices.
//!
//! That a check finds nothing means something only if it finds what is there. [`Faults`] is a value like any other that is
//! handed to a node when it starts: in every build for users it is empty and cannot be anything else.
//!
//! INVARIANT: no build without debug assertions can break a rule. The feature `planted-faults` does not compile in one.

mod fault;

pub use fault::{Fault, Faults};
