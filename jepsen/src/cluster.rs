//! A cluster of real nodes, and what can be done to it.

pub mod binary;
pub mod cgroups;
pub mod clocks;
pub mod disks;
pub mod facility;
pub mod leftovers;
pub mod machine;
mod namespaces;
pub mod network;
pub mod newcomer;
mod node;
mod reported;
pub mod rig;
mod shell;
pub mod shim;
pub mod switch;
pub mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::join_all;
use nix::sys::signal::Signal;
use portcullis_client::{Client, Kind, Options, v1};

use network::Network;
use node::Node;
use rig::Rig;

use crate::history::{Alarm, StateHash};

/// How long a cluster may take for anything that it should do by itself.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How long one look at a node may take while it is waited for.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// How far the clock of a node is moved to see whether it moves, in seconds.
const CLOCK_PROOF_S: f64 = 5.0;
/// How long that may take to show. What a node reports it looks up once a second.
const CLOCK_PATIENCE: Duration = Duration::from_secs(20);

/// A cluster. Its processes are killed when it is dropped.
pub struct Cluster {
    nodes: Vec<Node>,
    alarms: Vec<Alarm>,
    /// What faults reach nodes by.
    pub rig: Rig,
    network: Network,
    binary: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Starts nodes 1 to `count` with their data and logs in `folder`, and makes a cluster of them, all voters.
    pub async fn start(network: Network, rig: Rig, count: u64, binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        // From here on it is dropped if anything fails.
        let (binary, folder) = (binary.to_path_buf(), folder.to_path_buf());
        let mut cluster = Self { nodes: Vec::new(), alarms: Vec::new(), rig, network, binary, folder };
        for id in 1..=count {
            cluster.place(id)?;
        }
        cluster.restart(1)?;
        cluster.until_answers(1).await?;
        cluster.prove_clock(1).await?;
        cluster.client(1, LOOK_TIMEOUT)?.init(v1::InitRequest {}).await?;
        for id in 2..=count {
            cluster.restart(id)?;
        }
        for id in 2..=count {
            cluster.until_joined(id).await?;
            cluster.prove_clock(id).await?;
            newcomer::let_vote(&cluster.client(1, LOOK_TIMEOUT)?, id).await?;
        }
        for id in 1..=count {
            cluster.until_ready(id).await?;
        }
        Ok(cluster)
    }

    /// Makes everything that a node needs before it starts.
    fn place(&mut self, id: u64) -> anyhow::Result<()> {
        let data_dir = self.rig.prepare(id, &self.folder)?;
        self.nodes.push(Node::new(id, self.network.host(id), &self.binary, data_dir, &self.folder));
        Ok(())
    }

    /// The ids of the nodes.
    pub fn ids(&self) -> impl Iterator<Item = u64> + use<> {
        1..=self.nodes.len() as u64
    }

    /// A client of one node alone, with connections of its own.
    pub fn client(&self, id: u64, timeout: Duration) -> anyhow::Result<Client> {
        Ok(Client::new(Options { timeout, ..Options::new([self.node(id).client_address()]) })?)
    }

    /// A client of every node that belongs to the cluster, as far as is known.
    pub fn client_of_all(&self, timeout: Duration) -> anyhow::Result<Client> {
        let members = self.nodes.iter().filter(|node| node.retired.is_none());
        Ok(Client::new(Options { timeout, ..Options::new(members.map(Node::client_address)) })?)
    }

    /// The folder with the data of a node.
    pub fn data_dir(&self, id: u64) -> &Path {
        &self.node(id).data_dir
    }

    /// How the nodes are joined.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Whether its process was started and has not been killed, and belongs to the cluster.
    pub fn runs(&self, id: u64) -> bool {
        self.node(id).runs() && !self.is_retired(id)
    }

    /// Whether a node is out of the cluster for good.
    pub fn is_retired(&self, id: u64) -> bool {
        self.node(id).retired.is_some()
    }

    /// Kills a node, as a crash would.
    pub fn kill(&mut self, id: u64) -> anyhow::Result<()> {
        self.rig.let_go(id)?;
        self.node_mut(id).kill()
    }

    /// Tells a node to stop in order, without waiting until it has.
    pub fn terminate(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).terminate()
    }

    /// Whether a node was told to stop and has not ended yet, as far as was noticed.
    pub fn is_stopping(&self, id: u64) -> bool {
        self.node(id).is_stopping()
    }

    /// Kills a node that was told to stop and has not in so long a time, which it must not.
    pub fn give_up_stopping(&mut self, id: u64, patience: Duration) -> anyhow::Result<()> {
        self.alarms.push(Alarm { node: id, what: format!("it was told to stop and had not after {patience:?}") });
        self.kill(id)
    }

    /// Starts a node that does not run, without waiting for anything.
    pub fn restart(&mut self, id: u64) -> anyhow::Result<()> {
        let join = (id > 1).then(|| self.addresses_but(id).join(","));
        let command = self.network.command(id);
        let (variables, arguments) = (self.rig.dress(id)?, self.rig.arguments());
        let pid = self.node_mut(id).start(command, join, variables, arguments)?;
        self.rig.adopt(id, pid)
    }

    /// Freezes a node.
    pub fn freeze(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).signal(Signal::SIGSTOP)
    }

    /// Lets a frozen node go on.
    pub fn thaw(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).signal(Signal::SIGCONT)
    }

    /// Cuts exactly these ways, as (speaker, listener), and no others.
    pub fn cut(&mut self, cuts: &BTreeSet<(u64, u64)>) -> anyhow::Result<()> {
        self.network.cut(cuts)
    }

    /// Loses so many packets of a hundred on exactly these ways, as (speaker, listener), and on no others.
    pub fn lose(&mut self, losses: &BTreeMap<(u64, u64), u8>) -> anyhow::Result<()> {
        self.network.lose(losses)
    }

    /// Ends when a node answers a linearizable read, however long that takes.
    pub fn readiness(&self, id: u64) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
        let client = self.client(id, LOOK_TIMEOUT)?;
        Ok(async move {
            while client.list_tenants(v1::ListTenantsRequest::default()).await.is_err() {
                tokio::time::sleep(wait::PAUSE).await;
            }
        })
    }

    /// Waits until every node that runs answers a linearizable read. One that does not in time has failed.
    pub async fn until_all_ready(&mut self) -> anyhow::Result<()> {
        self.notice_ended()?;
        for id in self.ids().filter(|id| self.runs(*id)).collect::<Vec<_>>() {
            if let Err(error) = self.until_ready(id).await {
                self.alarms.push(Alarm { node: id, what: format!("everything was healed, and {error:#}") });
            }
        }
        Ok(())
    }

    /// What every node that runs has come to at one revision, as far as they say it in time.
    pub async fn state_hashes(&self) -> anyhow::Result<Vec<StateHash>> {
        let mut clients = Vec::new();
        for id in self.ids().filter(|id| self.runs(*id)) {
            clients.push((id, self.client(id, LOOK_TIMEOUT)?));
        }
        let last = clients.iter().map(|(_, client)| client.state_hash(v1::StateHashRequest { revision: 0 }));
        let told = join_all(last).await.into_iter().filter_map(Result::ok);
        let revision = told.map(|last| last.revision).max().unwrap_or_default();
        let told = clients.iter().map(async |(id, client)| {
            let reached = wait::until("a node to reach a revision", PATIENCE, async || {
                Ok(client.state_hash(v1::StateHashRequest { revision }).await.ok())
            });
            let last = reached.await.ok()?;
            Some(StateHash { node: *id, revision: last.revision, hash: last.hash })
        });
        Ok(join_all(told).await.into_iter().flatten().collect())
    }

    /// What the nodes say that they are.
    pub async fn version(&self) -> anyhow::Result<String> {
        let status = self.client(1, LOOK_TIMEOUT)?.status(v1::StatusRequest {}).await?;
        let versions: BTreeSet<String> = status.nodes.into_iter().map(|node| node.version).collect();
        Ok(versions.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// Notes which nodes have ended by themselves.
    pub fn notice_ended(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(status) = node.ended()? {
                self.alarms.push(Alarm { node: node.id, what: format!("it ended by itself with {status}") });
            }
        }
        Ok(())
    }

    /// Everything that nodes have done and must not: they ended by themselves, or reported errors.
    pub fn alarms(&mut self) -> anyhow::Result<Vec<Alarm>> {
        self.notice_ended()?;
        let mut alarms = self.alarms.clone();
        for node in &self.nodes {
            alarms.extend(node.errors()?.into_iter().map(|what| Alarm { node: node.id, what }));
        }
        Ok(alarms)
    }

    /// Ends all processes and returns the folders, or files, with their data.
    pub fn stop(mut self) -> anyhow::Result<Vec<PathBuf>> {
        self.ids().collect::<Vec<_>>().into_iter().try_for_each(|id| self.kill(id))?;
        let folders = || self.nodes.iter().map(|node| node.data_dir.clone()).collect();
        Ok(self.rig.images().unwrap_or_else(folders))
    }

    /// Syncs all that a node has written.
    pub fn sync(&self, id: u64) -> anyhow::Result<()> {
        let folder = self.node(id).data_dir.display().to_string();
        shell::run_words(&["sync", "-f", &folder]).map(drop)
    }

    /// Expects errors of a node from now on, since something is done to it that it must not survive in silence: it may say so,
    /// and end. That it does not panic, or is ended by a signal, is asked of it all the same.
    pub fn excuse(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id).excuse()
    }

    /// Expects no more errors.
    pub fn excuse_no_more(&mut self, id: u64) -> anyhow::Result<()> {
        self.notice_ended()?;
        self.node_mut(id).excuse_no_more()
    }

    /// The errors that a node has reported since they are expected, and whether it has ended.
    pub fn excused(&self, id: u64) -> anyhow::Result<Vec<String>> {
        self.node(id).excused_errors()
    }

    /// Where the others are that belong to the cluster.
    fn addresses_but(&self, id: u64) -> Vec<String> {
        let others = self.nodes.iter().filter(|node| node.id != id && node.retired.is_none());
        others.map(Node::client_address).collect()
    }

    async fn until_joined(&mut self, id: u64) -> anyhow::Result<()> {
        let client = self.client(id, LOOK_TIMEOUT)?;
        let node = self.node_mut(id);
        wait::until_true(&format!("node {id} to join"), PATIENCE, async || {
            node.ensure_runs()?;
            let status = client.status(v1::StatusRequest {}).await;
            Ok(status.is_ok_and(|status| !status.cluster_id.is_empty()))
        })
        .await
    }

    /// Moves the clock of a node that neither leads nor votes, by a few seconds, to see whether it moves.
    async fn prove_clock(&mut self, id: u64) -> anyhow::Result<()> {
        if !self.rig.moves_clocks() {
            return Ok(());
        }
        let address = self.node(id).http_address();
        let shows = async |off_s: std::ops::RangeInclusive<i64>| {
            let what = format!("node {id} to report a clock that is {off_s:?} s off");
            let look = async || Ok(reported::off_s(&address).await.is_some_and(|told| off_s.contains(&told)));
            wait::until_true(&what, CLOCK_PATIENCE, look).await
        };
        shows(-1..=1).await?;
        self.rig.clocks()?.jump(id, CLOCK_PROOF_S)?;
        shows(3..=7).await?;
        if self.rig.clocks()?.jumps_back(id)? { shows(-1..=1).await } else { Ok(()) }
    }

    async fn until_answers(&mut self, id: u64) -> anyhow::Result<()> {
        let client = self.client(id, LOOK_TIMEOUT)?;
        let node = self.node_mut(id);
        wait::until_true(&format!("node {id} to answer"), PATIENCE, async || {
            node.ensure_runs()?;
            match client.status(v1::StatusRequest {}).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == Kind::Unavailable => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn until_ready(&mut self, id: u64) -> anyhow::Result<()> {
        let client = self.client(id, LOOK_TIMEOUT)?;
        let node = self.node_mut(id);
        wait::until_true(&format!("node {id} to answer reads"), PATIENCE, async || {
            node.ensure_runs()?;
            Ok(client.list_tenants(v1::ListTenantsRequest::default()).await.is_ok())
        })
        .await
    }

    fn node(&self, id: u64) -> &Node {
        &self.nodes[index(id)]
    }

    fn node_mut(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[index(id)]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for id in self.ids() {
            if let Err(error) = self.kill(id) {
                eprintln!("node {id} cannot be killed: {error:#}");
            }
        }
    }
}

/// Ids are numbered from 1.
fn index(id: u64) -> usize {
    usize::try_from(id).expect("INVARIANT: there are few nodes") - 1
}

/// Makes an empty folder for a run. One that holds anything is left alone.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!("`{}` is not empty: give another folder", folder.display());
    }
    Ok(())
}
