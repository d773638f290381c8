//! Programs of the system that are run to their end.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs a program with these words as arguments, and returns what it printed.
pub(super) fn run(line: &str) -> anyhow::Result<String> {
    run_with(line, "")
}

/// The same with something to read.
pub(super) fn run_with(line: &str, input: &str) -> anyhow::Result<String> {
    run_all(&line.split_whitespace().collect::<Vec<_>>(), input)
}

/// Runs a program with arguments that may be anything.
pub(super) fn run_words(words: &[&str]) -> anyhow::Result<String> {
    run_all(words, "")
}

fn run_all(words: &[&str], input: &str) -> anyhow::Result<String> {
    let line = words.join(" ");
    let mut words = words.iter();
    let program = words.next().context("there is no program")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("`{program}` cannot be started"))?;
    // INVARIANT: the input of it was made a pipe.
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .with_context(|| format!("`{line}` does not read"))?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`{line}` ends with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be found.
pub(super) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    folders.chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_says_why() {
        assert_eq!(run_with("cat", "one").unwrap(), "one");
        let error = run("ls --no-such-flag").unwrap_err().to_string();
        assert!(error.contains("no-such-flag"), "{error}");
        assert!(run("no-such-program-at-all").is_err());
        assert!(has("sh") && !has("no-such-program-at-all"));
    }
}
