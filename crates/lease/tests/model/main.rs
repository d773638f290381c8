//! Checks the lease protocol: every order of events of small clusters, on the very types that production runs.
//!
//! Each slice is a cluster with bounds on what happens in it. In every state that can be reached the rules must hold, and
//! every rule that is broken on purpose must be noticed in at least one slice.

#![expect(clippy::cast_possible_truncation, reason = "ids and indices of a model are small")]

mod answer;
mod configure;
mod direct;
mod looks;
mod message;
mod node;
mod reading;
mod report;
mod slice;
mod slices;
mod step;
mod system;
mod world;

use std::process::ExitCode;

/// States come and go by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.starts_with("--"));
    report::run(
        flags.iter().any(|flag| *flag == "--deep"),
        names.first().map(|name| name.as_str()),
        names.get(1).map(|name| name.as_str()),
    )
}
