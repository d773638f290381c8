//! `portcullis`: a node, a local cluster for development, and every client command.

mod args;
mod bench;
mod command;
mod dev;
mod logging;
mod output;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};

/// A node makes and drops many small values on many threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            // Nothing is left to report to if the terminal is gone.
            let _ = error.print();
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(output::FAILED) };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return ExitCode::from(output::FAILED);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(output::FAILED)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(flags) => serve::run(flags).await,
        Command::Dev(flags) => dev::run(&flags).await,
        Command::Config(flags) => settings::print(flags, cli.global.output),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
            output::line(String::from_utf8(script)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            output::line(concat!("portcullis ", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(flags) => bench::run(&cli.global, flags).await,
        Command::EmptyService => bench::serve_nothing().await,
        command => command::run(&cli.global, command).await,
    }
}
