//! `build`: the release binaries, in one folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;

use crate::cargo::Cargo;
use crate::workspace;

/// Builds the release binaries and returns the absolute path of `portcullis`.
pub(crate) fn release(cargo: &Cargo, metadata: &Metadata) -> Result<PathBuf> {
    let portcullis = workspace::owner_of_binary(metadata, "portcullis");
    let portcullis = portcullis.context("no package of the workspace has a binary `portcullis`")?;
    let mut args = vec!["build", "--release", "--locked", "--bins", "--package", portcullis.name.as_str()];
    if let Some(jepsen) = workspace::owner_of_binary(metadata, "jepsen") {
        args.extend(["--package", jepsen.name.as_str()]);
    }
    cargo.run(args)?;
    Ok(cargo.binaries("release").join("portcullis"))
}
