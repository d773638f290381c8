//! `jepsen`: real nodes under faults, by the binary `jepsen` of the harness.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::cargo::Cargo;

/// What every test tries: nodes, nemeses and the seed of the faults. Longer runs are for a command of their own.
const SHORT: &[(&str, &str, &str)] = &[("3", "partition,pause", "7"), ("5", "partition,kill", "8")];
/// For how long, in seconds.
const SHORT_TIME_S: &str = "20";

/// Builds the harness and portcullis, runs the harness with these arguments, and returns how it ended.
pub(crate) fn run(cargo: &Cargo, root: &Path, args: &[&str]) -> Result<ExitStatus> {
    // The whole workspace, for the reason that `demo` gives.
    cargo.run(["build", "--profile", "verify", "--workspace", "--bins", "--locked"])?;
    let binary = match args {
        ["mutants", ..] => planted(cargo, root)?,
        _ => cargo.binaries("verify").join("portcullis"),
    };
    start(cargo, &binary, args)
}

/// Builds a portcullis that can break rules, and returns its path, which is not that of the sound one.
fn planted(cargo: &Cargo, root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/planted");
    let target = folder.to_str().context("the path of the checkout is not UTF-8; move it")?;
    let args = ["build", "--profile", "verify", "--workspace", "--bin", "portcullis", "--locked"];
    cargo.run(args.into_iter().chain(["--features", "portcullis/planted-faults", "--target-dir", target]))?;
    Ok(folder.join("verify/portcullis"))
}

/// Runs what was built for a short time, with the runs in a folder of the checkout that is made anew. Where network namespaces
/// do not work, the harness torments processes only; returns which nemeses it skipped for that, and why.
pub(crate) fn short(cargo: &Cargo, root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join("target/jepsen");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("`{}` stays", folder.display()))?;
    }
    let mut skipped = BTreeSet::new();
    for (nodes, nemeses, seed) in SHORT {
        let path = folder.join(format!("{nodes}-nodes-seed-{seed}"));
        let run = path.to_str().context("the path of the checkout is not UTF-8; move it")?;
        let args =
            ["run", "--nodes", nodes, "--nemesis", nemeses, "--seed", seed, "--time", SHORT_TIME_S, "--dir", run];
        let ended = start(cargo, &cargo.binaries("verify").join("portcullis"), &args)?;
        if !ended.success() {
            bail!("`jepsen {}` ends with {ended}; its history, logs and page are in `{run}`", args.join(" "));
        }
        skipped.extend(skipped_in(&path)?);
    }
    Ok(skipped)
}

/// What a run skipped, by the first record of its history, which is about the run itself.
fn skipped_in(run: &Path) -> Result<Vec<String>> {
    let path = run.join("history.jsonl");
    let history = File::open(&path).with_context(|| format!("`{}` is not there", path.display()))?;
    let mut record = String::new();
    BufReader::new(history).read_line(&mut record)?;
    skipped(&record).with_context(|| format!("`{}` begins otherwise", path.display()))
}

fn skipped(record: &str) -> Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Run {
        skipped: Vec<String>,
    }
    Ok(serde_json::from_str::<Run>(record)?.skipped)
}

fn start(cargo: &Cargo, binary: &Path, args: &[&str]) -> Result<ExitStatus> {
    let jepsen = cargo.binaries("verify").join("jepsen");
    let mut command = Command::new(&jepsen);
    command.args(args).env("PORTCULLIS_BIN", binary);
    command.status().with_context(|| format!("cannot start `{}`", jepsen.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_skipped_is_in_its_first_record() {
        let record = |skipped: &str| format!("{{\"record\":\"run\",\"seed\":7,\"skipped\":[{skipped}],\"nodes\":3}}");
        assert_eq!(skipped(&record("\"loss: no nft\"")).unwrap(), ["loss: no nft"]);
        assert!(skipped(&record("")).unwrap().is_empty());
        assert!(skipped("{\"record\":\"phase\"}").is_err());
    }
}
