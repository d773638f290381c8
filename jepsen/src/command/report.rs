//! `jepsen report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use portcullis_jepsen::run::{REPORT, conclude};

use super::{output, tell};

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The folder of a run
    dir: PathBuf,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let judgement = conclude(&flags.dir)?;
    output::line(flags.dir.join(REPORT).display());
    Ok(tell(&judgement))
}
