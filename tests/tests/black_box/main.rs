//! The binary as its users meet it: real processes on loopback, one cluster at a time.

mod acks;
mod alarms;
mod asking;
mod command_line;
mod conformance;
mod contention;
mod crashes;
mod expiry;
mod handover;
mod history;
mod interface;
mod lease_config;
mod leases;
mod minority;
mod rejoining;
mod retries;
mod revocation;
mod schemas;
mod serving;
mod shell;
mod snapshots;
mod versions;
mod watching;
mod writers;
