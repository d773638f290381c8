//! The group over wires that a test holds in its hands.

mod direct;
mod foreseen;
mod frozen;
mod notes;
mod stalled_answers;
mod suite;
pub(crate) mod wires;
