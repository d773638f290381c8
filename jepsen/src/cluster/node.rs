//! One node: a process, and what it leaves behind.

use std::fs::File;
use std::ops::Range;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::leftovers::{Mark, VARIABLE};
use super::network::{CLIENT_PORT, HTTP_PORT, PEER_PORT};

/// How many errors of one node are told.
const ERRORS_MAX: usize = 5;

/// A node, running or not.
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) data_dir: PathBuf,
    host: String,
    binary: PathBuf,
    log_path: PathBuf,
    process: Option<Child>,
    /// Whether its process was told to stop.
    told_to_stop: bool,
    /// Why it never starts again.
    pub(super) retired: Option<String>,
    /// Where in its log errors are expected, in bytes. The last one may have no end yet.
    excused: Vec<Range<u64>>,
}

/// Where a part of a log ends that has not ended.
const NOT_YET: u64 = u64::MAX;

impl Node {
    pub(super) fn new(id: u64, host: String, binary: &Path, data_dir: PathBuf, folder: &Path) -> Self {
        let (log_path, binary) = (folder.join(format!("node-{id}.log")), binary.to_path_buf());
        let (process, told_to_stop, retired, excused) = (None, false, None, Vec::new());
        Self { id, data_dir, host, binary, log_path, process, told_to_stop, retired, excused }
    }

    pub(super) fn client_address(&self) -> String {
        format!("{}:{CLIENT_PORT}", self.host)
    }

    pub(super) fn http_address(&self) -> String {
        format!("{}:{HTTP_PORT}", self.host)
    }

    pub(super) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its process was told to stop and has not ended yet.
    pub(super) fn is_stopping(&self) -> bool {
        self.runs() && self.told_to_stop
    }

    /// Starts the process, by a command that takes it to where it belongs. It may not answer yet on return.
    /// Returns its process id.
    pub(super) fn start(
        &mut self,
        place: Option<Command>,
        join: Option<String>,
        variables: Vec<(&'static str, String)>,
        arguments: Vec<String>,
    ) -> anyhow::Result<u32> {
        ensure!(self.process.is_none(), "node {} runs already", self.id);
        let log = File::options().create(true).append(true).open(&self.log_path)?;
        let mut command = match place {
            Some(mut place) => {
                place.arg(&self.binary);
                place
            }
            None => Command::new(&self.binary),
        };
        let at = |port: u16| format!("{}:{port}", self.host);
        command.arg("serve").args(["--node-id", &self.id.to_string()]).arg("--data-dir").arg(&self.data_dir);
        command.args(["--listen", &at(CLIENT_PORT), "--peer-listen", &at(PEER_PORT), "--http-listen", &at(HTTP_PORT)]);
        // All nodes have the clock of this machine, and whether anything keeps that right is not for a run to say.
        command.args(["--insecure", "--clock-sync", "ignore"]);
        command.args(arguments);
        if let Some(join) = join {
            command.args(["--join", &join]);
        }
        command.env(VARIABLE, Mark::own()?.to_string()).envs(variables);
        // Ctrl-C on a terminal is for the harness, which ends its nodes itself.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().with_context(|| format!("node {} cannot be started", self.id))?;
        let pid = process.id();
        self.process = Some(process);
        self.told_to_stop = false;
        Ok(pid)
    }

    /// Tells its process to stop in order.
    pub(super) fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.told_to_stop = true;
        Ok(())
    }

    pub(super) fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process.as_ref().with_context(|| format!("node {} does not run", self.id))?;
        Ok(kill(Pid::from_raw(i32::try_from(process.id())?), signal)?)
    }

    /// How its process ended, if it has since the last time that was asked, and not as it was told to.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let Some(status) = process.try_wait()? else { return Ok(None) };
        self.process = None;
        // One that was only just started does not heed signals yet, so that this one ends it.
        let in_order = status.success() || status.signal() == Some(Signal::SIGTERM as i32);
        if self.told_to_stop && in_order {
            return Ok(None);
        }
        // Where errors are expected it may end, if it says why. It cannot say why a signal ended it.
        let gave_up = status.code().is_some() && self.is_excused() && !self.excused_errors()?.is_empty();
        Ok((!gave_up).then_some(status))
    }

    /// Expects errors from now on.
    pub(super) fn excuse(&mut self) -> anyhow::Result<()> {
        if !self.is_excused() {
            self.excused.push(self.log_bytes()?..NOT_YET);
        }
        Ok(())
    }

    /// Expects no more of them.
    pub(super) fn excuse_no_more(&mut self) -> anyhow::Result<()> {
        let now = self.log_bytes()?;
        if let Some(last) = self.excused.last_mut().filter(|part| part.end == NOT_YET) {
            last.end = now;
        }
        Ok(())
    }

    fn is_excused(&self) -> bool {
        self.excused.last().is_some_and(|part| part.end == NOT_YET)
    }

    /// The errors that it has reported since they are expected.
    pub(super) fn excused_errors(&self) -> anyhow::Result<Vec<String>> {
        let Some(from) = self.excused.last().map(|part| part.start) else { return Ok(Vec::new()) };
        let log = self.log()?;
        let since = log.get(usize::try_from(from)?..).unwrap_or_default();
        Ok(errors_in(since, &[]))
    }

    fn log(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(&self.log_path).with_context(|| format!("node {} has no log", self.id))
    }

    fn log_bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(&self.log_path)?.len())
    }

    pub(super) fn ensure_runs(&mut self) -> anyhow::Result<()> {
        let Some(process) = &mut self.process else { bail!("node {} does not run", self.id) };
        match process.try_wait()? {
            Some(status) => bail!("node {} ended with {status}: see `{}`", self.id, self.log_path.display()),
            None => Ok(()),
        }
    }

    /// Ends its process at once, as a crash would, and waits until it is gone. Does nothing if there is none.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// The errors that it reported and was not expected to, and its panics.
    pub(super) fn errors(&self) -> anyhow::Result<Vec<String>> {
        Ok(errors_in(&self.log()?, &self.excused).into_iter().take(ERRORS_MAX).collect())
    }
}

/// The errors of a log, and its panics, without the errors in those parts where they are expected.
fn errors_in(log: &[u8], excused: &[Range<u64>]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut at: u64 = 0;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let is_excused = excused.iter().any(|part| part.contains(&at));
        // What is said as a process ends is an error even if it is not written as one.
        let is_error = text.contains("\"level\":\"ERROR\"") || text.starts_with("error: ");
        if text.contains("panicked") || (is_error && !is_excused) {
            errors.push(text.trim_end().to_owned());
        }
        at += line.len() as u64;
    }
    errors
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("node {} cannot be killed: {error:#}", self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_reported_unless_they_are_expected_and_panics_always() {
        let (error, panic) = ("{\"level\":\"ERROR\",\"a\":1}\n", "thread 'x' panicked at y\n");
        let log = format!("{{\"level\":\"INFO\"}}\n{error}{panic}{error}");
        let second = log.rfind(error).unwrap() as u64;
        let left = |from: u64| errors_in(log.as_bytes(), std::slice::from_ref(&(from..NOT_YET))).len();
        assert_eq!([left(NOT_YET), left(second), left(0)], [3, 2, 1]);
    }
}
