//! The real node in a simulated world: the code that production runs, over a simulated network, clocks and disks, in one
//! thread, with everything that is drawn at random drawn from one seed. A seed replays a run exactly.
//!
//! What is simulated is behind the seams that the crates have: connections ([`network`]), clocks ([`clocks`]), randomness
//! and the syncs of the log ([`host`], [`disk`]). The runtime is turmoil's: hosts take turns, a millisecond each.
//!
//! Faults come from outside ([`fault`]), and at the points that a node passes ([`trap`]).
//!
//! What is left out: of what a power loss may do to files only lost ends are covered ([`disk`]); clients call the node itself and
//! not its listener, so the last look at an answer before it leaves (`crates/server/src/emission.rs`) is not.

pub mod check;
pub mod client;
pub mod clocks;
pub mod coverage;
mod disk;
pub mod fault;
mod formation;
pub mod history;
pub mod host;
mod links;
pub mod nemesis;
mod network;
pub mod passed;
pub mod regions;
pub mod run;
pub mod time;
pub mod trap;
pub mod watcher;
pub mod world;
