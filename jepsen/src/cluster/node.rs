//! One node: a process, and what it leaves behind.

use std::fs::File;
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
}

impl Node {
    pub(super) fn new(id: u64, host: String, binary: &Path, folder: &Path) -> Self {
        let name = format!("node-{id}");
        let (data_dir, log_path) = (folder.join(&name), folder.join(format!("{name}.log")));
        Self {
            id,
            data_dir,
            host,
            binary: binary.to_path_buf(),
            log_path,
            process: None,
            told_to_stop: false,
            retired: None,
        }
    }

    pub(super) fn client_address(&self) -> String {
        format!("{}:{CLIENT_PORT}", self.host)
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
    pub(super) fn start(&mut self, place: Option<Command>, join: Option<String>) -> anyhow::Result<u32> {
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
        if let Some(join) = join {
            command.args(["--join", &join]);
        }
        command.env(VARIABLE, Mark::own()?.to_string());
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
        Ok((!self.told_to_stop || !in_order).then_some(status))
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

    /// The errors that it reported, and its panics.
    pub(super) fn errors(&self) -> anyhow::Result<Vec<String>> {
        let log = std::fs::read(&self.log_path).with_context(|| format!("node {} has no log", self.id))?;
        let log = String::from_utf8_lossy(&log);
        let is_error = |line: &&str| line.contains("\"level\":\"ERROR\"") || line.contains("panicked");
        Ok(log.lines().filter(is_error).take(ERRORS_MAX).map(str::to_owned).collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("node {} cannot be killed: {error:#}", self.id);
        }
    }
}
