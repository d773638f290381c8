//! The group over wires that a test holds in its hands.

mod direct;
mod frozen;
mod foreseen;
mod notes;
mod stalled_answers;
mod suite;
pub(crate) mod wires;
