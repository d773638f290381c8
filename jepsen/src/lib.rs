//! A harness that tries hard to break the promise: when a revocation returns, no node may still say yes.
//!
//! It drives real binaries, each in a network namespace of its own where the machine allows that, from outside and through the
//! client library only. Clients grant, revoke and check; a nemesis cuts the network, kills and freezes nodes; everything is
//! written to a [`history`], and judged afterwards.
//!
//! The core takes data and returns data: [`history`], the judges of [`checker`], [`coverage`], [`verdict`], and the schedule
//! of faults, which is a function of the seed. The rim owns processes, namespaces, sockets and the clock.
//!
//! INVARIANT: what has not been tried does not pass. A run that met too little is rejected, one that could not be judged is
//! unknown, and what a machine cannot do is said and counted.

pub mod checker;
pub mod cluster;
pub mod coverage;
pub mod foreign;
pub mod hashes;
pub mod history;
pub mod messages;
pub mod mutants;
pub mod nemesis;
pub mod observer;
pub mod outcome;
pub mod recorder;
pub mod report;
pub mod run;
pub mod schedule;
pub mod system;
pub mod torment;
pub mod traffic;
pub mod verdict;
pub mod workload;
