//! `portcullis`: a node, a local cluster for development, and every client command.

mod args;
mod bench;
mod command;
mod dev;
mod failpoints;
mod logging;
mod output;
mod papers;
mod planted;
mod secret;
mod serve;
mod settings;

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use crate::args::{Cli, Command, Global};

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
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(output::FAILED)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = runtime("portcullis")?;
    match cli.command {
        Command::Serve(flags) => {
            let clients = self::runtime("clients")?;
            runtime.block_on(serve::run(flags, clients.handle()))
        }
        command => runtime.block_on(do_command(cli.global, command)),
    }
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name(name).build();
    runtime.context("the runtime does not start")
}

async fn do_command(global: Global, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(_) => unreachable!("INVARIANT: it has runtimes of its own"),
        Command::Dev(flags) => dev::run(&flags).await,
        Command::Config(flags) => settings::print(flags, global.output),
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
        Command::Bench(flags) => bench::run(&global, flags).await,
        Command::EmptyService => bench::serve_nothing().await,
        command => command::run(&global, command).await,
    }
}
