//! What a node of a cluster with TLS proves itself with: found in its data folder, made for a new cluster, or given to it by the
//! cluster that it joins.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use portcullis_client::{Client, Options, Trust, v1};
use portcullis_machine::VERSION_SUPPORTED;
use portcullis_model::{Authority, ClusterId, Fingerprint};
use portcullis_node::Config;
use portcullis_pki::{Applicant, ClusterKey, JoinSecret, NodeName, Papers};
use portcullis_server::renew;

use crate::settings::Settings;

/// How long one attempt to join may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The papers of the node; `None` where nodes prove nothing to each other.
pub(crate) async fn get(settings: &Settings, config: &Config) -> anyhow::Result<Option<Papers>> {
    let data_dir = &config.data_dir;
    if !settings.tls.value {
        if Papers::are_in(data_dir) {
            bail!("the node in `{}` is one of a cluster with TLS: start it with `--tls`", data_dir.display());
        }
        return Ok(None);
    }
    if let Some(papers) = Papers::read(data_dir)? {
        if papers.name.node != config.id {
            bail!(
                "the certificate in `{}` is of node {}, and this is node {}: give the node its own data folder",
                data_dir.display(),
                papers.name.node,
                config.id
            );
        }
        return Ok(Some(papers));
    }
    if data_dir.join("log").exists() {
        bail!(
            "the node in `{}` is one of a cluster without TLS: start it without `--tls`, or let it join a cluster with TLS \
             under an id that was never used, with an empty data folder",
            data_dir.display()
        );
    }
    let papers = match settings.join.value.as_slice() {
        [] => {
            let cluster = ClusterId(rand::random());
            let papers = Papers::found(cluster, config.id, &hosts(config), SystemTime::now())?;
            tracing::info!(%cluster, "made an authority for a cluster that is yet to be initialised");
            papers
        }
        endpoints => join(settings.join_token_file.value.as_deref(), config, endpoints).await?,
    };
    papers.write(data_dir)?;
    Ok(Some(papers))
}

/// The hosts that the node's certificate names.
pub(crate) fn hosts(config: &Config) -> Vec<String> {
    renew::hosts([config.peer.as_str(), &config.client])
}

/// Asks the cluster to let this node in by a token, until it does.
async fn join(token_file: Option<&Path>, config: &Config, endpoints: &[String]) -> anyhow::Result<Papers> {
    let path = token_file.ok_or_else(|| {
        anyhow!(
            "there is no join token: make one with `cluster join-token create`, put it into a file, and give the node \
             `--join-token-file FILE`"
        )
    })?;
    let text = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let secret: JoinSecret = text.trim().parse().with_context(|| format!("`{}`", path.display()))?;
    let applicant = Applicant::of(&config.data_dir)?;
    let trust = Some(Trust::Fingerprint(secret.authority()));
    let options = Options { timeout: JOIN_TIMEOUT, trust, ..Options::new(endpoints.iter().cloned()) };
    let client = Client::new(options)?;
    let request = v1::JoinRequest {
        id: config.id.0,
        peer: config.peer.clone(),
        client: config.client.clone(),
        region: config.region.as_ref().map(ToString::to_string).unwrap_or_default(),
        command_version: VERSION_SUPPORTED,
        // The same after a restart: who asks again with the same token and the same private key is the same node.
        idempotency_key: format!("join-{}-{}", secret.id(), config.id),
        token: secret.reveal(),
        certificate_request: applicant.request.clone(),
    };
    loop {
        match client.join(request.clone()).await {
            Ok(answer) => return admitted(applicant, answer, config).context("the cluster's answer"),
            Err(error) if error.kind() == portcullis_client::Kind::Unavailable => {
                tracing::warn!(%error, "the cluster cannot be joined yet");
            }
            Err(error) => return Err(error).context("the cluster does not let this node in"),
        }
    }
}

fn admitted(applicant: Applicant, answer: v1::JoinResponse, config: &Config) -> anyhow::Result<Papers> {
    let cluster: ClusterId = answer.cluster_id.parse()?;
    let authority = |authority: v1::Authority| {
        let v1::Authority { fingerprint, certificate, cross_certificate } = authority;
        let fingerprint: Fingerprint = fingerprint.parse()?;
        anyhow::Ok(Authority { fingerprint, certificate, cross_certificate, sealed_key: Vec::new() })
    };
    let authorities: Vec<Authority> = answer.authorities.into_iter().map(authority).collect::<Result<_, _>>()?;
    let key = ClusterKey::from_bytes(&answer.cluster_key).ok_or_else(|| anyhow!("the cluster key is none"))?;
    let name = NodeName { cluster, node: config.id };
    tracing::info!(%cluster, "let in");
    Ok(applicant.admitted(name, answer.certificate, &authorities, key))
}
