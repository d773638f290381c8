//! One running node, without any transport: what a listener does for its callers, as plain async functions.
//!
//! A node owns its folder, its member of the group, and its clocks. Checks and lists are answered from its own copy,
//! after it was decided at which version they may be (`view.rs`). Writes go to the leader, wherever that is.

mod administer;
mod check;
mod config;
mod decide;
mod draft;
mod entropy;
mod expand;
mod health;
mod identity;
mod internal;
mod list;
mod lookup;
mod moment;
mod node;
mod over;
mod past;
mod retention;
mod settle;
mod start;
mod timekeeper;
mod trace;
mod upgrade;
mod view;
mod watch;
mod write;

#[cfg(test)]
mod frozen;

pub use administer::{AdministerError, Newcomer};
pub use check::{Answer, CheckError, Decision, Pair, Permissions, Question, Why};
pub use config::{ClockSync, Config};
pub use decide::DecideError;
pub use draft::{Action, Draft};
pub use entropy::{Entropy, SystemEntropy};
pub use health::{Alarm, LowDisk};
pub use list::{Listed, Source};
pub use lookup::{Beginning, Cursor, CursorError, Found, Lookup, Sought, Who};
pub use node::{Lease, MemberStatus, Node};
pub use start::{Seams, StartError};
pub use trace::Traced;
pub use view::{Freshness, Served, ServedBy, ViewError};
pub use watch::{ChangeKind, Commit, Told, Wanted, WatchError, Watched, Watcher};
pub use write::{WriteError, Written};
