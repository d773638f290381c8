//! The command line of the harness. A command is a file of `command`; this one only dispatches.
//!
//! Exit status: 0 when the run passed, 1 when it failed or could not be made, 2 when its verdict is unknown or it was
//! rejected.

mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tries hard to break the promise: when a revocation returns, no node may still say yes.
#[derive(Debug, Parser)]
#[command(name = "jepsen", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Torment a cluster of real nodes, and judge what it answered
    Run(command::run::Flags),
    /// Judge a history
    Check(command::check::Flags),
    /// Judge the history in the folder of a run, and write its page
    Report(command::report::Flags),
    /// Run every combination of nemeses, in the time that there is
    Matrix(command::matrix::Flags),
    /// Have nodes break rules on purpose, and see whether it is noticed
    Mutants(command::mutants::Flags),
    /// List workloads, nemeses, judges and rules to break
    List,
    /// Say what this machine lets be done to nodes
    Doctor,
}

fn main() -> ExitCode {
    let ended = match Flags::parse().command {
        Command::Run(flags) => command::run::run(&flags),
        Command::Check(flags) => command::check::run(&flags),
        Command::Report(flags) => command::report::run(&flags),
        Command::Matrix(flags) => command::matrix::run(&flags),
        Command::Mutants(flags) => command::mutants::run(&flags),
        Command::List => {
            command::list::run();
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => command::doctor::run(),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("jepsen: error: {error:#}");
        ExitCode::FAILURE
    })
}
