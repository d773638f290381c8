//! Clusters whose nodes prove to each other who they are.

use std::path::PathBuf;

use anyhow::Context;
use portcullis_client::{Trust, v1};

use crate::cluster::{Cluster, PATIENCE};
use crate::wait;

impl Cluster {
    /// Starts nodes 1 to `count` with TLS and makes a cluster of them, all voters, as [`Cluster::start`] does without.
    pub async fn start_proving(count: u64) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(&["--tls"]).await?;
        cluster.launch(1, None)?;
        let authorities = cluster.authorities(1);
        let pem = wait::until("node 1 to make an authority", PATIENCE, async || {
            Ok(std::fs::read_to_string(&authorities).ok().filter(|pem| pem.ends_with("-----END CERTIFICATE-----\n")))
        })
        .await?;
        cluster.node_mut(1).set_trust(Trust::Authorities(pem))?;
        cluster.until_answers(1).await?;
        cluster.client(1).init(v1::InitRequest {}).await?;
        for id in 2..=count {
            let token = cluster.client(1).create_join_token(v1::CreateJoinTokenRequest::default()).await?.token;
            cluster.launch_with_token(id, 1, &token)?;
            cluster.promote(id).await?;
        }
        for id in 1..=count {
            cluster.until_ready(id).await?;
        }
        cluster.until_leased().await?;
        Ok(cluster)
    }

    /// Starts a node that asks node `join` to let it in by a token.
    pub fn launch_with_token(&mut self, id: u64, join: u64, token: &str) -> anyhow::Result<()> {
        let file = self.folder().join(format!("token-{id}"));
        std::fs::write(&file, token).with_context(|| format!("`{}` cannot be written", file.display()))?;
        let trust = self.node(join).trust().context("the cluster has no TLS")?;
        let path = file.display().to_string();
        self.launch_flagged(id, Some(join), &["--tls", "--join-token-file", &path])?;
        self.node_mut(id).set_trust(trust)
    }

    /// Has the clients of a node take for nodes whomever the authorities have signed for that it knows now.
    pub fn trust_what_is_known(&mut self, id: u64) -> anyhow::Result<()> {
        let pem = std::fs::read_to_string(self.authorities(id))?;
        self.node_mut(id).set_trust(Trust::Authorities(pem))
    }

    /// The certificates of the authorities that a node knows, in a file for its clients.
    pub fn authorities(&self, id: u64) -> PathBuf {
        self.node(id).data_dir.join("tls/ca.crt")
    }
}
