//! A cluster of nodes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::future::join_all;
use nix::sys::signal::Signal;
use portcullis_client::{Client, Error, Kind, Options, v1};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::node::Node;
use crate::wait;

/// How long a cluster may take for anything that it should do by itself.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client of all nodes tries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

static TURN: Mutex<()> = Mutex::const_new(());

/// A cluster of real processes. They are killed when it is dropped.
pub struct Cluster {
    nodes: BTreeMap<u64, Node>,
    flags: Vec<String>,
    finished: bool,
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts nodes 1 to `count` and makes a cluster of them, all voters.
    pub async fn start(count: u64) -> anyhow::Result<Self> {
        Self::start_with(count, &[]).await
    }

    /// The same, and the last node has no memory for relationships, so that it reads them from the disk.
    pub async fn start_with_spilling_node(count: u64) -> anyhow::Result<Self> {
        let mut cluster = Self::start(count).await?;
        cluster.kill(count)?;
        cluster.set_flags(count, &["--memory-budget-mib", "0"]);
        cluster.restart(count).await?;
        Ok(cluster)
    }

    /// The same with further flags of `portcullis serve`.
    pub async fn start_with(count: u64, flags: &[&str]) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(flags).await?;
        for id in 1..=count {
            let join = (id > 1).then_some(1);
            cluster.launch(id, join)?;
        }
        cluster.until_answers(1).await?;
        cluster.node(1).client().init(v1::InitRequest {}).await?;
        for id in 2..=count {
            cluster.promote(id).await?;
        }
        for id in 1..=count {
            cluster.until_ready(id).await?;
        }
        cluster.until_leased().await?;
        Ok(cluster)
    }

    /// A cluster without nodes.
    pub(crate) async fn empty(flags: &[&str]) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let folder = tempfile::Builder::new().prefix("portcullis-test-").tempdir()?;
        Ok(Self { nodes: BTreeMap::new(), flags, finished: false, folder, _turn: turn })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a node with an id that was not used before, and has it ask node `join` to let it in.
    pub async fn add_node(&mut self, id: u64, join: u64) -> anyhow::Result<()> {
        self.launch(id, Some(join))?;
        self.until_role(id, |_| true).await.map(|_| ())
    }

    /// Lets a learner vote, as soon as it is one.
    pub async fn promote(&mut self, id: u64) -> anyhow::Result<()> {
        self.until_role(id, |_| true).await?;
        let client = self.client_of_all()?;
        wait::until_true(&format!("node {id} to vote"), PATIENCE, async || {
            // Only one change of the membership can be under way, so a refusal now means nothing.
            Ok(client.promote_node(v1::PromoteNodeRequest { id }).await.is_ok())
        })
        .await?;
        self.until_role(id, |role| role != v1::NodeRole::Learner).await.map(|_| ())
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// If there is none with this id.
    pub fn node(&self, id: u64) -> &Node {
        self.nodes.get(&id).unwrap_or_else(|| panic!("there is no node {id}"))
    }

    /// A client of one node alone.
    pub fn client(&self, id: u64) -> &Client {
        self.node(id).client()
    }

    /// A client that asks whichever node answers.
    pub fn client_of_all(&self) -> anyhow::Result<Client> {
        let endpoints = self.nodes.values().map(|node| node.client_address.clone());
        let trust = self.nodes.values().find_map(Node::trust);
        Ok(Client::new(Options { timeout: CALL_TIMEOUT, trust, ..Options::new(endpoints) })?)
    }

    /// The nodes that can answer.
    pub fn up(&self) -> Vec<u64> {
        self.nodes.values().filter(|node| node.is_up()).map(|node| node.id).collect()
    }

    /// Asks every node that is up the same question at the same time.
    pub async fn ask(&self, question: &v1::CheckRequest) -> Vec<(u64, Result<v1::Decision, Error>)> {
        let answers = self.up().into_iter().map(async |id| {
            let answer = self.client(id).check(question.clone()).await;
            (id, answer.map(|answer| answer.decision()))
        });
        join_all(answers).await
    }

    /// The leader, once every node that is up agrees on one that is up.
    pub async fn leader(&self) -> anyhow::Result<u64> {
        wait::until("the nodes to agree on a leader", PATIENCE, async || {
            let up = self.up();
            let asked = join_all(up.iter().map(|id| self.client(*id).status(v1::StatusRequest {}))).await;
            let leaders: Vec<u64> = asked.into_iter().filter_map(Result::ok).map(|status| status.leader).collect();
            let agreed = leaders.first().filter(|first| leaders.iter().all(|leader| leader == *first));
            Ok(agreed.copied().filter(|leader| leaders.len() == up.len() && up.contains(leader)))
        })
        .await
    }

    /// The nodes that are up and do not lead.
    pub async fn followers(&self) -> anyhow::Result<Vec<u64>> {
        let leader = self.leader().await?;
        Ok(self.up().into_iter().filter(|id| *id != leader).collect())
    }

    /// Waits until every node that is up has applied the same, and returns their one hash.
    pub async fn agreed_hash(&self) -> anyhow::Result<(u64, String)> {
        wait::until("the nodes to have applied the same", PATIENCE, async || {
            let up = self.up();
            let hashes = up.iter().map(|id| self.client(*id).state_hash(v1::StateHashRequest { revision: 0 }));
            let hashes: Vec<_> = join_all(hashes).await.into_iter().filter_map(Result::ok).collect();
            let Some(first) = hashes.first().filter(|_| hashes.len() == up.len()) else { return Ok(None) };
            if hashes.iter().any(|hash| hash.revision != first.revision) {
                return Ok(None);
            }
            let same = hashes.iter().all(|hash| hash.hash == first.hash);
            ensure!(same, "nodes {up:?} differ at revision {}: {hashes:?}", first.revision);
            Ok(Some((first.revision, first.hash.clone())))
        })
        .await
    }

    /// Kills a node, as a crash would.
    pub fn kill(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).kill()
    }

    /// Asks a node to stop, waits until it has, and returns how it ended.
    pub async fn terminate(&mut self, id: u64) -> anyhow::Result<ExitStatus> {
        self.node_mut(id).signal(Signal::SIGTERM)?;
        self.until_ended(id).await
    }

    /// Waits until the process of a node has ended by itself, and returns how.
    pub async fn until_ended(&mut self, id: u64) -> anyhow::Result<ExitStatus> {
        let node = self.node_mut(id);
        wait::until(&format!("node {id} to end"), PATIENCE, async || node.ended()).await
    }

    /// Starts a node that was killed or stopped, and waits until it answers reads again.
    pub async fn restart(&mut self, id: u64) -> anyhow::Result<()> {
        self.restart_unready(id)?;
        self.until_ready(id).await
    }

    /// Starts a node that was killed or stopped, without waiting for anything.
    pub fn restart_unready(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).start()
    }

    /// Gives a node other flags from its next start on.
    pub fn set_flags(&mut self, id: u64, flags: &[&str]) {
        self.node_mut(id).set_flags(flags);
    }

    /// Freezes a node.
    pub fn pause(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).signal(Signal::SIGSTOP)
    }

    /// Lets a frozen node go on.
    pub fn resume(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).signal(Signal::SIGCONT)
    }

    /// Removes everything that a node knows. It must not be running.
    pub fn wipe(&mut self, id: u64) -> anyhow::Result<()> {
        let node = self.node(id);
        ensure!(node.pid().is_none(), "node {id} is running");
        std::fs::remove_dir_all(&node.data_dir).with_context(|| format!("the data of node {id} stays"))
    }

    /// Waits until a node answers a linearizable read.
    pub async fn until_ready(&mut self, id: u64) -> anyhow::Result<()> {
        let what = format!("node {id} to answer reads");
        let node = self.node_mut(id);
        let client = node.client_within(Duration::from_secs(1))?;
        wait::until_true(&what, PATIENCE, async || {
            if let Some(status) = node.ended()? {
                bail!("node {id} ended with {status}");
            }
            Ok(client.list_tenants(v1::ListTenantsRequest::default()).await.is_ok())
        })
        .await
    }

    /// A node without a lease answers too, but is granted one at any moment, also by a proof from before it was cut off.
    pub(crate) async fn until_leased(&self) -> anyhow::Result<()> {
        wait::until_true("every node to hold a lease", PATIENCE, async || {
            let status = self.client(1).status(v1::StatusRequest {}).await?;
            Ok(status.nodes.iter().all(|node| node.lease.as_ref().is_some_and(|lease| lease.held)))
        })
        .await
    }

    /// Ends a test that passed: no node may have ended by itself or reported an error.
    pub fn finish(mut self) -> anyhow::Result<()> {
        for node in self.nodes.values_mut().filter(|node| node.pid().is_some()) {
            if let Some(status) = node.ended()? {
                bail!("node {} ended with {status}", node.id);
            }
        }
        for node in self.nodes.values() {
            let log = node.log();
            if let Some(error) =
                log.lines().find(|line| line.contains("\"level\":\"ERROR\"") || line.contains("panicked"))
            {
                bail!("node {} reported: {error}", node.id);
            }
        }
        self.finished = true;
        Ok(())
    }

    /// Ends without asking how the nodes are.
    pub fn dismiss(mut self) {
        self.finished = true;
    }

    pub(crate) fn launch(&mut self, id: u64, join: Option<u64>) -> anyhow::Result<()> {
        let flags = self.flags.clone();
        self.launch_flagged(id, join, &flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a node with flags of its own, which asks node `join` to let it in. It may not answer yet on return.
    pub fn launch_flagged(&mut self, id: u64, join: Option<u64>, flags: &[&str]) -> anyhow::Result<()> {
        ensure!(!self.nodes.contains_key(&id), "there is a node {id} already");
        let join = join.map(|join| self.node(join).client_address.clone());
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut node = Node::new(id, self.folder.path(), join, &flags)?;
        node.start()?;
        self.nodes.insert(id, node);
        Ok(())
    }

    pub(crate) fn node_mut(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("there is no node {id}"))
    }

    pub(crate) async fn until_answers(&mut self, id: u64) -> anyhow::Result<()> {
        let node = self.node_mut(id);
        let client = node.client_within(Duration::from_secs(1))?;
        wait::until_true(&format!("node {id} to answer"), PATIENCE, async || {
            if let Some(status) = node.ended()? {
                bail!("node {id} ended with {status}");
            }
            match client.status(v1::StatusRequest {}).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == Kind::Unavailable => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Waits until a node is a member in a role.
    async fn until_role(&mut self, id: u64, is: impl Fn(v1::NodeRole) -> bool) -> anyhow::Result<v1::NodeRole> {
        let client = self.client_of_all()?;
        let node = self.node_mut(id);
        wait::until(&format!("node {id} to be a member"), PATIENCE, async || {
            if let Some(status) = node.ended()? {
                bail!("node {id} ended with {status}");
            }
            let Ok(status) = client.status(v1::StatusRequest {}).await else { return Ok(None) };
            let found = status.nodes.iter().find(|node| node.id == id).map(v1::Node::role);
            Ok(found.filter(|role| is(*role)))
        })
        .await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            if let Err(error) = node.kill() {
                eprintln!("node {} cannot be killed: {error:#}", node.id);
            }
        }
        if !self.finished {
            for node in self.nodes.values() {
                eprintln!("-- the log of node {}\n{}", node.id, node.log_tail());
            }
        }
    }
}
