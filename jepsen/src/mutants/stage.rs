//! A cluster, and one access that is given and taken away: what scenes are played with.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis_client::{Client, v1};

use crate::cluster::Cluster;
use crate::cluster::network::Network;
use crate::cluster::rig::Rig;
use crate::cluster::wait;

/// How long anything may take that should happen by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a write may take: longer than the longest lease here.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often leases are renewed, at the least.
const RENEWAL_MAX: Duration = Duration::from_millis(100);
/// How long a look at a node may take.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// What a scene is played with.
pub struct Stage {
    /// The nodes.
    pub cluster: Cluster,
    /// The folder of the nodes.
    pub folder: PathBuf,
    began: Instant,
}

/// One access, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Access(pub u64);

/// Who does what.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Leads.
    pub leader: u64,
    /// Follows, and holds a lease.
    pub holder: u64,
    /// Follows as well.
    pub other: u64,
}

impl Stage {
    /// Starts so many nodes.
    pub async fn set(network: Network, nodes: u64, binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        let cluster = Cluster::start(network, Rig::default(), nodes, binary, folder).await?;
        let stage = Self { cluster, folder: folder.to_path_buf(), began: Instant::now() };
        let (id, permissions) = ("viewer".to_owned(), vec!["document#view".to_owned()]);
        let role = v1::CreateRoleRequest { id, permissions, ..<_>::default() };
        stage.writer(1)?.create_role(role).await?;
        Ok(stage)
    }

    /// Says what happens, and when.
    pub fn tell(&self, what: &str) {
        println!("{:>8.3} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// A client of one node that is patient.
    pub fn writer(&self, node: u64) -> anyhow::Result<Client> {
        self.cluster.client(node, WRITE_TIMEOUT)
    }

    /// A client of one node that soon gives up.
    pub fn looker(&self, node: u64) -> anyhow::Result<Client> {
        self.cluster.client(node, LOOK_TIMEOUT)
    }

    /// Has leases last for so long, and waits until they do, and until nothing is left of longer ones.
    pub async fn set_leases(&self, length: Duration) -> anyhow::Result<()> {
        let client = self.writer(1)?;
        let renewal = (length / 4).min(RENEWAL_MAX);
        let (length, renewal) = (length.try_into().ok(), renewal.try_into().ok());
        client.set_lease_config(v1::SetLeaseConfigRequest { length, renewal, ..<_>::default() }).await?;
        wait::until_true("leases of the new length", PATIENCE, async || {
            let Ok(config) = client.get_lease_config(v1::GetLeaseConfigRequest::default()).await else {
                return Ok(false);
            };
            Ok(config.config.is_some_and(|config| config.settled && config.length == length))
        })
        .await
    }

    /// Waits until somebody leads and all hold leases, and says who is who.
    pub async fn cast(&self) -> anyhow::Result<Cast> {
        let leader = wait::until("a leader, and a lease at each node", PATIENCE, async || {
            for node in self.cluster.ids() {
                let Ok(status) = self.looker(node)?.status(v1::StatusRequest {}).await else { return Ok(None) };
                let holds = |node: &v1::Node| node.lease.as_ref().is_some_and(|lease| lease.held);
                if status.leader == node && status.nodes.iter().all(holds) {
                    return Ok(Some(node));
                }
            }
            Ok(None)
        });
        let leader = leader.await?;
        let others: Vec<u64> = self.cluster.ids().filter(|node| *node != leader).collect();
        Ok(Cast { leader, holder: others[0], other: others[1] })
    }

    /// Waits until a node holds a lease, by what it tells a client.
    pub async fn until_leased(&self, node: u64, client: &Client) -> anyhow::Result<()> {
        wait::until_true("the lease of a node", PATIENCE, async || {
            let Ok(status) = client.status(v1::StatusRequest {}).await else { return Ok(false) };
            let own = status.nodes.iter().find(|told| told.id == node).and_then(|told| told.lease.as_ref());
            Ok(own.is_some_and(|lease| lease.held))
        })
        .await
    }

    /// Kills a node and starts it again, so that things happen to it at points from then on.
    pub fn restart_with(&mut self, node: u64, plans: &'static str) -> anyhow::Result<()> {
        self.cluster.kill(node)?;
        self.cluster.rig.plan(node, plans);
        self.cluster.restart(node)
    }

    /// Cuts one node off from all others, and heals everything else.
    pub fn cut_off(&mut self, node: u64) -> anyhow::Result<()> {
        self.split(&[node])
    }

    /// Cuts some nodes off from all others, and heals everything else.
    pub fn split(&mut self, nodes: &[u64]) -> anyhow::Result<()> {
        let others: Vec<u64> = self.cluster.ids().filter(|node| !nodes.contains(node)).collect();
        let pairs = nodes.iter().flat_map(|node| others.iter().map(move |other| (*node, *other)));
        self.cluster.cut(&pairs.flat_map(|(node, other)| [(node, other), (other, node)]).collect())
    }

    /// Heals everything.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        self.cluster.cut(&<_>::default())
    }

    /// Waits until a node denies, and says whether it did.
    pub async fn denies(&self, node: u64, access: Access, patience: Duration) -> anyhow::Result<bool> {
        let client = self.looker(node)?;
        let denied = wait::until_true("a denial", patience, async || Ok(access.check(&client).await == Some(false)));
        Ok(denied.await.is_ok())
    }
}

impl Access {
    /// Gives it.
    pub async fn grant(self, client: &Client, key: &str) -> anyhow::Result<()> {
        let [id, subject, role, scope] = [self.id(), self.user(), "viewer".to_owned(), self.document()];
        let options = Some(named(key));
        client.create_grant(v1::CreateGrantRequest { id, subject, role, scope, options, ..<_>::default() }).await?;
        Ok(())
    }

    /// Takes it away, under a key of the caller's; empty for one of its own.
    pub async fn revoke(self, client: &Client, key: &str) -> anyhow::Result<()> {
        let (ids, options) = (vec![self.id()], Some(named(key)));
        client.revoke_grants(v1::RevokeGrantsRequest { ids, options, ..<_>::default() }).await?;
        Ok(())
    }

    /// Asks whether it is there; nothing if that is not answered.
    pub async fn check(self, client: &Client) -> Option<bool> {
        let (subject, resource) = (self.user(), self.document());
        let item = v1::CheckItem { subject, permission: "view".to_owned(), resource, context: String::new() };
        let answer = client.check(v1::CheckRequest { item: Some(item), ..<_>::default() }).await.ok()?;
        Some(answer.decision() == v1::Decision::Allow)
    }

    fn id(self) -> String {
        format!("grant-{}", self.0)
    }

    fn user(self) -> String {
        format!("user:u{}", self.0)
    }

    fn document(self) -> String {
        format!("document:d{}", self.0)
    }
}

fn named(key: &str) -> v1::WriteOptions {
    v1::WriteOptions { idempotency_key: key.to_owned(), ..<_>::default() }
}
