//! `sim`: the real node in a simulated world, by the binary `sim` of `tests/sim`.

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::cargo::Cargo;

/// Builds the simulation, runs it with these arguments, and returns how it ended.
pub(crate) fn run(cargo: &Cargo, args: &[String]) -> Result<ExitStatus> {
    // The whole workspace, for the reason that `demo` gives.
    cargo.run(["build", "--profile", "verify", "--workspace", "--bins", "--locked"])?;
    start(cargo, args)
}

/// Runs the simulation that was built.
pub(crate) fn start(cargo: &Cargo, args: &[String]) -> Result<ExitStatus> {
    let sim = cargo.binaries("verify").join("sim");
    Command::new(&sim).args(args).status().with_context(|| format!("cannot start `{}`", sim.display()))
}
