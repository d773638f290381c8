//! The binary, run as somebody at a terminal would.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use portcullis_tests::binary;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// How long a command may take that has to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `portcullis` with these arguments, and in this environment beside that of the test.
pub(crate) async fn run_in(environment: &[(&str, &str)], args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = Command::new(binary::portcullis()?);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PORTCULLIS_")) {
        command.env_remove(name);
    }
    command.args(args).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(END_TIMEOUT, command.output()).await;
    let output = ended.with_context(|| format!("`portcullis {}` did not end", args.join(" ")))??;
    Ok(Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Runs `portcullis`, reads so many lines of what it prints, and ends it.
pub(crate) async fn first_lines(args: &[&str], count: usize) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new(binary::portcullis()?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn()?;
    let mut printed = BufReader::new(process.stdout.take().context("it prints nothing")?).lines();
    let mut lines = Vec::new();
    while lines.len() < count {
        let line = tokio::time::timeout(END_TIMEOUT, printed.next_line()).await;
        let line = line.with_context(|| format!("`portcullis {}` printed only {lines:?}", args.join(" ")))??;
        lines.push(line.with_context(|| format!("`portcullis {}` ended behind {lines:?}", args.join(" ")))?);
    }
    process.kill().await?;
    Ok(lines)
}

impl Ran {
    /// It was refused: status 2, nothing on standard output, and an error that says all of this.
    pub(crate) fn assert_refused(&self, says: &[&str]) {
        assert_eq!(self.status, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        // Clap breaks lines where the terminal would end.
        let said = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in says {
            assert!(said.contains(part), "`{part}` is not said in: {said}");
        }
    }

    /// It was done, and returns what was printed.
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }
}
