//! The group over wires that a test holds in its hands.

mod stalled_answers;
mod suite;
mod wires;
