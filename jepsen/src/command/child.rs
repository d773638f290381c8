//! A run in a process of its own, since a process moves between namespaces before it has threads.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use portcullis_jepsen::mutants::VARIABLE;
use portcullis_jepsen::run::VERDICT;
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::verdict::Judgement;

/// What to run.
pub(super) struct Child<'a> {
    pub(super) workload: &'a str,
    pub(super) nodes: u64,
    pub(super) nemeses: &'a [Nemesis],
    pub(super) seed: u64,
    pub(super) time: Duration,
    pub(super) binary: &'a Path,
    pub(super) folder: &'a Path,
    /// What the nodes are told to break.
    pub(super) broken: Option<&'a str>,
}

impl Child<'_> {
    /// Runs it to its end, and returns the verdict.
    pub(super) fn run(&self) -> anyhow::Result<Judgement> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").args([
            "--workload",
            self.workload,
            "--seed",
            &self.seed.to_string(),
            "--nodes",
            &self.nodes.to_string(),
        ]);
        command.args(["--time", &self.time.as_secs().to_string(), "--nemesis", &names(self.nemeses)]);
        command.arg("--binary").arg(self.binary).arg("--dir").arg(self.folder);
        match self.broken {
            Some(told) => command.env(VARIABLE, told),
            None => command.env_remove(VARIABLE),
        };
        let output = command.stdin(Stdio::null()).output()?;
        let verdict = self.folder.join(VERDICT);
        if !verdict.is_file() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the run in `{}` did not end: {}", self.folder.display(), said.trim());
        }
        let text = std::fs::read_to_string(&verdict)?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is no verdict", verdict.display()))
    }
}

/// The names of nemeses, as a flag takes them.
pub(super) fn names(nemeses: &[Nemesis]) -> String {
    nemeses.iter().map(|nemesis| nemesis.name()).collect::<Vec<_>>().join(",")
}
