//! The only crate that names RocksDB: the log store, the state store, and what checks read.
//!
//! Two databases per node. The [`log`] holds entries and votes and syncs every write before it is acknowledged. The
//! [`state`] holds what the commands decided; it is not synced, since it can be rebuilt from the log. The
//! [`resident`] index is the part of the state that checks read, kept in memory and published as a whole with every
//! batch that is applied.

pub mod codec;
pub mod freeze;
mod journal;
pub mod log;
pub mod resident;
pub mod state;

/// How many threads open the tables of a database, unless it is told otherwise.
pub const OPENING_THREADS: u16 = 16;

#[cfg(test)]
mod dice;
#[cfg(test)]
mod frozen;
