//! `model`: the exhaustive check of the lease protocol, with every rule in place and with every rule broken.

use anyhow::Result;

use crate::cargo::{self, Cargo};

/// Runs the check. `args` may be `--deep` for larger bounds, and parts of the names of slices and of broken rules.
pub(crate) fn run(cargo: &Cargo, args: &[&str]) -> Result<()> {
    // On its own: breaking rules is a feature that nothing else may be built with.
    let package = ["-p", "portcullis-lease", "--features", "planted-faults", "--test", "model"];
    let mut command = cargo.command(["test", "--profile", "verify", "--locked"].into_iter().chain(package));
    command.arg("--").args(args);
    cargo::finish(command)
}
