//! One node: a process, and what it leaves behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portcullis_client::{Client, Options, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{binary, ports};

/// How long a call of a test may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a log is printed when a test fails, in lines.
const TAIL_LINES: usize = 60;

/// A node, running or not.
pub struct Node {
    /// Its id.
    pub id: u64,
    /// Where clients reach it.
    pub client_address: String,
    /// Its data folder.
    pub data_dir: PathBuf,
    peer_address: String,
    http_address: String,
    log_path: PathBuf,
    /// Whom it asks to let it in.
    join: Option<String>,
    flags: Vec<String>,
    client: Client,
    /// Whom its clients take for a node, where they connect over TLS.
    trust: Option<Trust>,
    process: Option<Child>,
    paused: bool,
}

impl Node {
    /// A node that has not been started, with its data and its log in `folder`. Its addresses stay the same for ever.
    pub(crate) fn new(id: u64, folder: &Path, join: Option<String>, flags: &[String]) -> anyhow::Result<Self> {
        let address = || anyhow::Ok(format!("127.0.0.1:{}", ports::free()?));
        let client_address = address()?;
        Ok(Self {
            id,
            client: Client::new(Options { timeout: CALL_TIMEOUT, ..Options::new([&client_address]) })?,
            client_address,
            peer_address: address()?,
            http_address: address()?,
            data_dir: folder.join(format!("node-{id}")),
            log_path: folder.join(format!("node-{id}.log")),
            join,
            flags: flags.to_vec(),
            trust: None,
            process: None,
            paused: false,
        })
    }

    /// A client of this node alone.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client of this node alone whose calls take no longer than this.
    pub fn client_within(&self, timeout: Duration) -> anyhow::Result<Client> {
        let trust = self.trust.clone();
        Ok(Client::new(Options { timeout, trust, ..Options::new([&self.client_address]) })?)
    }

    /// Has its clients connect over TLS.
    pub(crate) fn set_trust(&mut self, trust: Trust) -> anyhow::Result<()> {
        self.trust = Some(trust);
        self.client = self.client_within(CALL_TIMEOUT)?;
        Ok(())
    }

    /// Whom its clients take for a node.
    pub(crate) fn trust(&self) -> Option<Trust> {
        self.trust.clone()
    }

    /// Whether it can answer: its process was started, has not been killed and is not paused.
    pub fn is_up(&self) -> bool {
        self.process.is_some() && !self.paused
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Asks its HTTP listener, and returns the status and the body.
    pub async fn http(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.http_address).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
        let status = head.split(' ').nth(1).context("the answer has no status")?;
        Ok((status.parse()?, body.to_owned()))
    }

    /// One of its gauges.
    pub async fn gauge(&self, name: &str) -> anyhow::Result<u64> {
        let (_, metrics) = self.http("/metrics").await?;
        let line = metrics.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }

    /// Starts with other flags from the next time on.
    pub(crate) fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Everything that it wrote to standard error since it was first started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log_path).unwrap_or_default()
    }

    /// Starts the process. It may not answer yet on return.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "node {} is running already", self.id);
        let log = File::options().create(true).append(true).open(&self.log_path)?;
        let mut command = Command::new(binary::portcullis()?);
        command.arg("serve").args(["--node-id", &self.id.to_string()]).arg("--data-dir").arg(&self.data_dir);
        command.args(["--listen", &self.client_address, "--peer-listen", &self.peer_address]);
        command.args(["--http-listen", &self.http_address]).args(&self.flags);
        // All nodes of a test have one clock, and whether anything keeps that right is not for a test to say.
        if !self.flags.iter().any(|flag| flag == "--clock-sync") {
            command.args(["--clock-sync", "ignore"]);
        }
        if let Some(join) = &self.join {
            command.args(["--join", join]);
        }
        // It stays in this process group, so that Ctrl-C on a terminal reaches it too and leaves nothing behind.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().context("a node cannot be started")?);
        self.paused = false;
        Ok(())
    }

    /// Sends its process a signal.
    pub(crate) fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().with_context(|| format!("node {} is not running", self.id))?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        match signal {
            Signal::SIGSTOP => self.paused = true,
            Signal::SIGCONT => self.paused = false,
            _ => {}
        }
        Ok(())
    }

    /// How its process ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let process = self.process.as_mut().with_context(|| format!("node {} is not running", self.id))?;
        let status = process.try_wait()?;
        if status.is_some() {
            self.process = None;
        }
        Ok(status)
    }

    /// Ends its process at once, as a crash would, and waits until it is gone. Does nothing if there is none.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        self.paused = false;
        Ok(())
    }

    /// The end of its log, without what openraft says ten times a second about a node that is down.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let is_noise = |line: &str| line.contains("\"level\":\"WARN\"") && line.contains("\"target\":\"openraft");
        let lines: Vec<&str> = log.lines().filter(|line| !is_noise(line)).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}
