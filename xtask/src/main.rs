//! The one way in: everything a person or CI does to this repository is a command of xtask.
//!
//! It is compiled before anything else, so it has few dependencies; and it starts every other build, so that RocksDB is
//! compiled once (`rocksdb`) and everyone builds in the same environment (`cargo`).

mod build;
mod cache;
mod cargo;
mod demo;
mod differential;
mod env;
mod jepsen;
mod layering;
mod model;
mod rocksdb;
mod setup;
mod sim;
mod source;
mod test;
mod tidy;
mod toolchain;
mod tree;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use cargo::Cargo;
use tree::Tree;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup             install what is missing and compile RocksDB, once per machine
  build             build the release binaries; the last line printed is the path of `portcullis`
  demo [--keep]     show a cluster at work on this machine; --keep leaves it running
  test [FILTER...]  everything that must hold before a commit; filters choose among the tests
  model [--deep] [SLICE [RULE]]
                    check the lease protocol in every order of events, and that every broken rule is noticed
  sim [--seed N | --from N --seeds N | --mutants | --regions] [--seconds N]
                    run the real node in a simulated world; a seed replays a run exactly
  differential [--cases N] [--seed S] [--keep-going]
                    compare the evaluator with a real SpiceDB on random worlds; a seed replays a world exactly
  jepsen ARGS...    torment a cluster of real nodes and judge what it answered; `jepsen --help` tells what there is
  layering          which crate uses which, and what the pure ones must not reach
  tidy              rules on files and words that no compiler checks
  env               print the environment for calling cargo directly: eval \"$(cargo xtask env)\"
";

const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = workspace::root();
    let cargo = || {
        let metadata = workspace::metadata(&root)?;
        Cargo::prepare(&root, &metadata).map(|cargo| (cargo, metadata))
    };
    match words.as_slice() {
        ["setup"] => {
            let (cargo, _) = cargo()?;
            println!("nothing is missing\n{}", env::exports(&cargo)?.trim_end());
        }
        ["build"] => {
            let (cargo, metadata) = cargo()?;
            println!("{}", build::release(&cargo, &metadata)?.display());
        }
        ["demo", ..] => {
            let (cargo, metadata) = cargo()?;
            let status = demo::run(&cargo, &metadata, &args[1..])?;
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        ["test", filters @ ..] => return test::run(&root, filters),
        ["model", args @ ..] => model::run(&cargo()?.0, args)?,
        ["sim", ..] => {
            let (cargo, _) = cargo()?;
            let status = sim::run(&cargo, &args[1..])?;
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        ["differential", ..] => {
            let status = differential::run(&cargo()?.0, &root, &args[1..])?;
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        ["jepsen", args @ ..] => {
            let status = jepsen::run(&cargo()?.0, &root, args)?;
            return Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from));
        }
        ["layering"] => return Ok(report(&layering::check(&workspace::metadata(&root)?, &Tree::read(&root)?)?)),
        ["tidy"] => return Ok(report(&tidy::check(&Tree::read(&root)?))),
        ["env"] => print!("{}", env::exports(&cargo()?.0)?),
        _ => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints findings, if any, one a line.
fn report(findings: &[tree::Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
