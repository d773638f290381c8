//! `portcullis dev`: a local cluster, each node a process of its own.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use portcullis_client::{Client, Kind, Options, v1};
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::secret::Secret;

/// How long the nodes may take until all of them answer.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a node may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a node is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How far the ports of two nodes are apart.
const PORTS_APART: u16 = 10;
/// Nodes of a local cluster.
const NODES_MAX: u16 = 9;

/// `portcullis dev`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: u16,
    /// Keep data here; a second start finds it. Without, a temporary folder is removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The first port: node i listens at base + 10 (i - 1), +1 for peers, +2 for HTTP. 0 takes free ports.
    #[arg(long, value_name = "PORT", default_value_t = 8620)]
    base_port: u16,
    /// What callers of `authzed.api.v1` have to give as their bearer token; without, any token will do.
    #[arg(long, value_name = "KEY")]
    authzed_key: Option<Secret>,
    /// Write where the nodes are to this file once all of them answer.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Where the nodes are.
#[derive(Debug, Serialize)]
struct Ready {
    nodes: Vec<Place>,
}

/// Where one node is.
#[derive(Clone, Debug, Serialize)]
struct Place {
    id: u64,
    client: String,
    peer: String,
    http: String,
    pid: Option<u32>,
    data_dir: PathBuf,
}

/// Runs the cluster until Ctrl-C.
pub(crate) async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    if flags.nodes == 0 || flags.nodes > NODES_MAX {
        bail!("--nodes: `{}` is not possible: give 1 to {NODES_MAX}", flags.nodes);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let temporary = match &flags.data_dir {
        None => Some(tempfile::Builder::new().prefix("portcullis-dev-").tempdir()?),
        Some(_) => None,
    };
    let folder = match (&flags.data_dir, &temporary) {
        (Some(folder), _) => folder.as_path(),
        (None, Some(temporary)) => temporary.path(),
        (None, None) => unreachable!("INVARIANT: one of the two is there"),
    };
    let mut cluster = Cluster { nodes: Vec::new() };
    let ended = tokio::select! {
        ended = cluster.start_and_watch(flags, folder) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    cluster.stop().await;
    ended?;
    Ok(ExitCode::SUCCESS)
}

struct Cluster {
    nodes: Vec<(Place, Child)>,
}

impl Cluster {
    /// Starts the nodes, tells where they are, and reports those that die. Returns only when starting fails.
    async fn start_and_watch(&mut self, flags: &Flags, folder: &Path) -> anyhow::Result<()> {
        for mut place in places(flags, folder)? {
            let join = self.nodes.first().map(|(first, _)| first.client.clone());
            let child = spawn(&place, join.as_deref(), flags.authzed_key.as_ref())?;
            place.pid = child.id();
            self.nodes.push((place, child));
        }
        self.form().await?;
        let ready = Ready { nodes: self.nodes.iter().map(|(place, _)| place.clone()).collect() };
        announce(&ready);
        if let Some(file) = &flags.ready_file {
            write_whole(file, &serde_json::to_string(&ready)?)?;
        }
        self.report_deaths().await
    }

    /// Makes a cluster of the nodes, unless they are one already.
    async fn form(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let first = self.client(0)?;
        self.until(deadline, "node 1 to answer", async || Ok(first.status(v1::StatusRequest {}).await.is_ok())).await?;
        match first.init(v1::InitRequest {}).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::AlreadyExists => {}
            Err(error) => return Err(error).context("the cluster cannot be initialised"),
        }
        for nth in 1..self.nodes.len() {
            let id = self.nodes[nth].0.id;
            let what = format!("node {id} to vote");
            self.until(deadline, &what, async || is_voter(&first, id).await).await?;
        }
        for nth in 0..self.nodes.len() {
            let client = self.client(nth)?;
            let what = format!("node {} to answer reads", self.nodes[nth].0.id);
            let ask = async || Ok(client.list_tenants(v1::ListTenantsRequest::default()).await.is_ok());
            self.until(deadline, &what, ask).await?;
        }
        Ok(())
    }

    fn client(&self, nth: usize) -> anyhow::Result<Client> {
        Ok(Client::new(Options { timeout: Duration::from_secs(2), ..Options::new([&self.nodes[nth].0.client]) })?)
    }

    /// Asks until the answer is yes; fails if a node dies or time runs out.
    async fn until(
        &mut self,
        deadline: Instant,
        what: &str,
        mut ask: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        loop {
            for (place, child) in &mut self.nodes {
                if let Some(status) = child.try_wait()? {
                    bail!(
                        "node {} ended with {status} while the cluster was starting: {}",
                        place.id,
                        last_words(place)
                    );
                }
            }
            if ask().await? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("waited {READY_TIMEOUT:?} for {what}");
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn report_deaths(&mut self) -> anyhow::Result<()> {
        let mut dead = vec![false; self.nodes.len()];
        let mut child_ended = signal(SignalKind::child())?;
        loop {
            for ((place, child), dead) in self.nodes.iter_mut().zip(&mut dead) {
                if let (false, Some(status)) = (*dead, child.try_wait()?) {
                    *dead = true;
                    // One that was killed had no time to say why.
                    let why =
                        if status.signal().is_some() { String::new() } else { format!(": {}", last_words(place)) };
                    eprintln!("node {} ended with {status}, and is not started again{why}", place.id);
                }
            }
            child_ended.recv().await;
        }
    }

    async fn stop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        for (_, child) in &self.nodes {
            if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
                // One that has ended meanwhile needs no signal.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        for (place, child) in &mut self.nodes {
            if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
                eprintln!("node {} did not stop within {STOP_TIMEOUT:?} and is killed", place.id);
                if let Err(error) = child.kill().await {
                    eprintln!("node {} cannot be killed: {error}", place.id);
                }
            }
        }
    }
}

/// Whether a node votes; a learner that has caught up is promoted.
async fn is_voter(first: &Client, id: u64) -> anyhow::Result<bool> {
    let Ok(status) = first.status(v1::StatusRequest {}).await else { return Ok(false) };
    let Some(node) = status.nodes.iter().find(|node| node.id == id) else { return Ok(false) };
    if node.role() != v1::NodeRole::Learner {
        return Ok(true);
    }
    // Only one change of the membership can be under way, so a refusal now means nothing.
    let _ = first.promote_node(v1::PromoteNodeRequest { id }).await;
    Ok(false)
}

fn places(flags: &Flags, folder: &Path) -> anyhow::Result<Vec<Place>> {
    let free = if flags.base_port == 0 { free_ports(usize::from(flags.nodes) * 3)? } else { Vec::new() };
    let mut places = Vec::new();
    for nth in 0..flags.nodes {
        let port = |offset: u16| match free.get(usize::from(nth * 3 + offset)) {
            Some(port) => Ok(*port),
            None => (nth * PORTS_APART)
                .checked_add(offset)
                .and_then(|offset| flags.base_port.checked_add(offset))
                .ok_or_else(|| anyhow!("--base-port: `{}` leaves no room for all nodes", flags.base_port)),
        };
        let address = |offset| anyhow::Ok(format!("127.0.0.1:{}", port(offset)?));
        let id = u64::from(nth) + 1;
        let data_dir = folder.join(format!("node-{id}"));
        places.push(Place { id, client: address(0)?, peer: address(1)?, http: address(2)?, pid: None, data_dir });
    }
    Ok(places)
}

/// Ports that nobody listens at now.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    Ok(listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()?)
}

/// The last line of a node's log.
fn last_words(place: &Place) -> String {
    let log = std::fs::read_to_string(log_path(place)).unwrap_or_default();
    log.lines().last().unwrap_or("its log is empty").to_owned()
}

fn log_path(place: &Place) -> PathBuf {
    place.data_dir.join("node.log")
}

fn spawn(place: &Place, join: Option<&str>, authzed_key: Option<&Secret>) -> anyhow::Result<Child> {
    std::fs::create_dir_all(&place.data_dir)
        .with_context(|| format!("`{}` cannot be made", place.data_dir.display()))?;
    let log = std::fs::File::options().create(true).append(true).open(log_path(place))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").args(["--node-id", &place.id.to_string()]).arg("--data-dir").arg(&place.data_dir);
    command.args(["--listen", &place.client, "--peer-listen", &place.peer, "--http-listen", &place.http]);
    // They all have the clock of this machine, right or wrong.
    command.args(["--clock-sync", "ignore"]);
    if let Some(join) = join {
        command.args(["--join", join]);
    }
    if let Some(key) = authzed_key {
        // Not among the arguments, which other users of the machine can see.
        command.env("PORTCULLIS_AUTHZED_KEY", key.reveal());
    }
    // A group of its own, so that Ctrl-C reaches only this process, which stops the nodes in order.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0).kill_on_drop(true);
    command.spawn().context("a node cannot be started")
}

fn announce(ready: &Ready) {
    println!("A cluster of {} nodes is ready; Ctrl-C stops it.", ready.nodes.len());
    for node in &ready.nodes {
        println!(
            "  node {}  clients {}  http {}  pid {}  data {}",
            node.id,
            node.client,
            node.http,
            node.pid.unwrap_or(0),
            node.data_dir.display()
        );
    }
    println!("Try:  portcullis --endpoint {} cluster status", ready.nodes[0].client);
}

/// Writes a file so that whoever waits for it never reads half of it.
fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).with_context(|| format!("`{}` cannot be written", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.persist(path).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(())
}
