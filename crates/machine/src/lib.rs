//! The replicated state machine: a command and the state it meets go in, an outcome, effects and one change record
//! come out.
//!
//! Everything here is a pure function of its arguments, because every node runs it on its own copy and all copies
//! must agree to the byte. Time, randomness and identity reach it inside the [`Envelope`], stamped once by the
//! leader. What the state is kept in is not known here: it is read through [`State`], and changed by whoever carries
//! out the [`Effect`]s.
//!
//! INVARIANT: a command touches nothing that its [`Footprint`] did not declare; [`apply`] asserts it in every build,
//! since readers rely on footprints of commands that are not applied yet.

mod apply;
mod change;
pub mod command;
mod effect;
mod envelope;
mod footprint;
pub mod memory;
mod outcome;
mod precondition;
mod refusal;
pub mod script;
mod state;

pub use apply::{Applied, Fault, apply};
pub use change::Change;
pub use command::Command;
pub use effect::{Effect, Remembered, StoredSchema};
pub use envelope::{Envelope, Idempotency, Stamp, VERSION_SUPPORTED, since};
pub use footprint::{Footprint, Touch};
pub use outcome::Outcome;
pub use precondition::{Precondition, Target};
pub use refusal::{Refusal, RefusalKind};
pub use state::{MemoryKey, Read, RoleUser, State, Unreadable};

#[cfg(test)]
mod tests;
