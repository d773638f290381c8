//! Read leases: how every node answers linearizable checks from its own copy.
//!
//! A replica that holds a lease may answer reads from its own state. A write is declared visible, and its writer is
//! answered, only when no replica with a lease can still show the state before it: each has registered the write, so
//! that its reads take it into account, or its lease has run out. A leader grants leases only while it knows from a
//! round of questions to the voters that nobody else can lead, and a new leader declares nothing until every lease of
//! the leaders before it must have run out.
//!
//! The rules carry numbers, R1 to R12, and each is named where it is kept: [`round`] and [`Authority`] keep R2,
//! [`Leader`] R3, R5 and R8, [`Gateway`] R5b, [`Holder`] R1, R4, R6 and R9, [`read`] R7.
//!
//! Both sides are plain values. Messages, log events and readings of the clocks go in; messages and decisions come out.
//! The crate reads no clock, sends nothing and knows no consensus library, so that a checker may drive the very type
//! that production runs.

mod agreement;
mod authority;
mod clock;
mod fence;
mod gateway;
mod grant;
mod holder;
mod leader;
mod log;
mod parameters;
mod quarantine;
pub mod read;
pub mod round;
mod session;
mod terms;
#[cfg(test)]
mod translation;
mod voter;

pub use agreement::{Agreement, Disagreement};
pub use authority::Authority;
pub use clock::{Limit, Reading, Wait};
pub use fence::{Fence, Promise};
pub use gateway::{Gateway, Listed, Stored};
pub use grant::{Grant, Refusal, Release, Request};
pub use holder::{Holder, REQUESTS_MAX, Refused, Registered};
pub use leader::{BASE_BEHIND_MAX, Leader};
pub use log::{Epoch, LogShape, Position};
pub use parameters::{Drift, Parameters, ParametersError};
pub use portcullis_fault::{Fault, Faults};
pub use quarantine::{FORGIVEN_AFTER, RETURN_AFTER, RETURN_AFTER_MAX, SLOW_MAX};
pub use terms::{Configuration, Outlook, Roster, Terms};
pub use voter::Voter;
