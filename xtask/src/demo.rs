//! `demo`: a cluster on this machine, shown at work by the binary `demo` of the tests.

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use crate::cargo::Cargo;
use crate::workspace;

/// Builds portcullis and the demo, runs the demo with these arguments, and returns how it ended.
pub(crate) fn run(cargo: &Cargo, metadata: &Metadata, args: &[String]) -> Result<ExitStatus> {
    if workspace::owner_of_binary(metadata, "demo").is_none() {
        bail!("there is no demo yet: it is the binary `demo` of the package `portcullis-tests`, and no package has it");
    }
    // The whole workspace, because cargo unites the features of what it builds together: a smaller selection would
    // compile dependencies again that `test` has compiled already.
    cargo.run(["build", "--profile", "verify", "--workspace", "--bins", "--locked"])?;
    let binaries = cargo.binaries("verify");
    let demo = binaries.join("demo");
    Command::new(&demo)
        .args(args)
        .env("PORTCULLIS_BIN", binaries.join("portcullis"))
        .status()
        .with_context(|| format!("cannot start `{}`", demo.display()))
}
