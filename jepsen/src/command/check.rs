//! `jepsen check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use portcullis_jepsen::run::read;
use portcullis_jepsen::verdict::judge;

use super::tell;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The history, as JSON lines
    history: PathBuf,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    Ok(tell(&judge(&read(&flags.history)?)))
}
