//! The state store: what was decided, in RocksDB, and what checks read, in memory.
//!
//! One write batch holds the effects of all commands that are applied together, their change records, the state hash
//! and the position in the log, so the copy on disk is always exactly the state after some command. The batches are not
//! synced: after a crash the store reopens at an earlier command and the log brings it forward again. There is a single
//! column family, so that there is a single order in which rows reach the disk.
//!
//! INVARIANT: the log is never purged beyond what this store has flushed (see [`Store::snapshot`]).

mod batch;
mod changes;
mod compaction;
mod folder;
mod foresight;
mod hot;
mod incoming;
mod keys;
mod load;
mod moment;
mod oldest;
mod open;
mod past;
mod pending;
mod present;
mod reader;
mod reads;
mod row;
mod schemas;
mod snapshot;
mod spilled;
mod still;
mod store;
mod sum;

pub use changes::{Most, Record, Records};
pub use compaction::Ripe;
pub use foresight::Foresight;
pub use incoming::{Inbox, Incoming, ReceiveError, Received};
pub use keys::{Family, Key, Keys, place};
pub use moment::Moment;
pub use open::{OpenError, Options, Progress};
pub use past::{Past, PastError};
pub use present::Present;
pub use reader::{Due, Page, Reader, View};
pub use reads::StoreError;
pub use snapshot::{Header, Piece, Snapshot};
pub use spilled::{Reading, Spilled, Stored};
pub use store::{ApplyError, InstallError, Store};
pub use sum::Sum;

#[cfg(test)]
mod frozen;
#[cfg(test)]
mod tests;
