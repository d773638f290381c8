//! The commands.

pub(crate) mod check;
mod child;
pub(crate) mod doctor;
mod foreign;
pub(crate) mod list;
pub(crate) mod matrix;
pub(crate) mod mutants;
mod output;
pub(crate) mod report;
pub(crate) mod run;

use std::process::ExitCode;

use portcullis_jepsen::verdict::{Judgement, Verdict};

/// The exit status of what neither passed nor failed.
const UNDECIDED: u8 = 2;

/// Prints a judgement, and returns the exit status that goes with it.
fn tell(judgement: &Judgement) -> ExitCode {
    output::line(judgement);
    exit_status(judgement.verdict)
}

/// The exit status that goes with a verdict.
fn exit_status(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Pass => ExitCode::SUCCESS,
        Verdict::Fail => ExitCode::FAILURE,
        Verdict::Unknown | Verdict::Rejected => ExitCode::from(UNDECIDED),
    }
}
