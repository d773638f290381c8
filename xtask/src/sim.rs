//! `sim`: the real node in a simulated world, by the binary `sim` of `tests/sim`.

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::cargo::Cargo;

/// Builds the simulation, runs it with these arguments, and returns how it ended.
pub(crate) fn run(cargo: &Cargo, args: &[String]) -> Result<ExitStatus> {
    build(cargo)?;
    start(cargo, args)
}

/// Builds the simulation, with rules that can be broken.
pub(crate) fn build(cargo: &Cargo) -> Result<()> {
    // The whole workspace, for the reason that `demo` gives.
    let args = ["build", "--profile", "verify", "--workspace", "--bin", "sim", "--locked"];
    cargo.run(args.into_iter().chain(["--features", "portcullis-sim/mutants"]))
}

/// Runs the simulation that was built.
pub(crate) fn start(cargo: &Cargo, args: &[String]) -> Result<ExitStatus> {
    let sim = cargo.binaries("verify").join("sim");
    Command::new(&sim).args(args).status().with_context(|| format!("cannot start `{}`", sim.display()))
}
