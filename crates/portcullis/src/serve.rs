//! `portcullis serve`: one node.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis_client::{Client, Options, Trust, v1};
use portcullis_consensus::Timing;
use portcullis_model::{ClusterId, NodeId};
use portcullis_node::{ClockSync, Config, Databases, Node, Seams};
use portcullis_pki::Papers;
use portcullis_pki::tls::Credentials;
use portcullis_server::{GrpcTransport, Listeners, Serving, check_insecure, renew};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::{self, Flags, Settings};
use crate::{failpoints, logging, output, papers, planted};

const MIB: u64 = 1_024 * 1_024;
/// How long one attempt to join may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before a node that belongs to no cluster yet is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long a leader waits for another to take over before it stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a node until it is told to stop, or fails.
/// Clients are served by a runtime of their own, `clients`.
pub(crate) async fn run(flags: Flags, clients: &Handle) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(flags)?;
    logging::start(&settings.log_level.value);
    let listeners = open_listeners(&settings).await?;
    let config = config(&settings, &listeners)?;
    let papers = papers::get(&settings, &config).await?;
    let credentials = papers.clone().map(Credentials::new).transpose()?;
    let transport = match &credentials {
        Some(credentials) => GrpcTransport::proving(config.id, credentials.clone()),
        None => GrpcTransport::new(config.id),
    };
    let faults = planted::faults()?;
    let points = failpoints::points()?;
    let seams = Seams { faults, points, ..Seams::system(Arc::clone(&transport) as Arc<_>) };
    let node = Node::start(config.clone(), seams).await.context("the node does not start")?;
    transport.identify(&node);
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics do not start")?;
    if let (Some(credentials), Some(papers)) = (&credentials, &papers) {
        if papers.founding.is_none() {
            node.adopt(papers.name.cluster).map_err(|why| anyhow!(why))?;
        }
        renew::keep(&node, credentials.clone(), config.data_dir.clone(), papers::hosts(&config));
    }
    let authzed_key = settings.authzed_key.value.as_ref().map(|key| key.reveal().to_owned());
    let running = listeners.serve(&node, metrics, clients, &Serving { authzed_key, credentials })?;
    tracing::info!(node = config.id.0, client = %config.client, peer = %config.peer, "serving");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let code = tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        why = node.failed() => {
            tracing::error!(%why, "consensus failed");
            ExitCode::from(output::FAILED)
        }
        joined = join(&node, &config, &settings.join.value, papers.as_ref()) => return Err(joined.expect_err("INVARIANT: a node that has joined waits")),
    };
    tracing::info!("stopping");
    node.drain(DRAIN_TIMEOUT).await;
    running.stop().await;
    node.stop().await;
    Ok(code)
}

async fn open_listeners(settings: &Settings) -> anyhow::Result<Listeners> {
    let insecure = settings.insecure.value;
    let (client, peer, http) = (settings.listen.value, settings.peer_listen.value, settings.http_listen.value);
    let nothing = "has neither TLS nor authentication";
    let (of_peers, of_others) =
        if settings.tls.value { (None, "has no authentication") } else { (Some(nothing), nothing) };
    check_insecure("client", client, Some(of_others), insecure)?;
    check_insecure("peer", peer, of_peers, insecure)?;
    check_insecure("http", http, Some(of_others), insecure)?;
    Ok(Listeners::open(client, peer, http).await?)
}

fn config(settings: &Settings, listeners: &Listeners) -> anyhow::Result<Config> {
    let id = settings.node_id.value.ok_or_else(|| anyhow!("there is no node id: give one with `--node-id N`"))?;
    if id == 0 {
        bail!("`0` is not a node id: give one above 0");
    }
    if settings.history_retention_s.value == 0 {
        bail!(
            "history-retention-s: `0` is not possible: a revision is of use for a moment after it was handed out; give at least 1"
        );
    }
    if settings.watcher_patience_s.value == 0 {
        bail!("watcher-patience-s: `0` is not possible: no watcher takes a change at once; give at least 1");
    }
    let data_dir = settings.data_dir.value.clone();
    let data_dir = data_dir.ok_or_else(|| anyhow!("there is no data folder: give one with `--data-dir DIR`"))?;
    let (client, peer) = listeners.addresses()?;
    let advertise = |address: SocketAddr| match &settings.advertise.value {
        Some(host) => format!("{host}:{}", address.port()),
        None => address.to_string(),
    };
    Ok(Config {
        id: NodeId(id),
        data_dir,
        region: settings.region.value.clone(),
        peer: advertise(peer),
        client: advertise(client),
        max_clock_error_ms: settings.max_clock_error_ms.value,
        clock_sync: match settings.clock_sync.value {
            settings::ClockSync::Ignore => ClockSync::Ignore,
            settings::ClockSync::Warn => ClockSync::Warn,
            settings::ClockSync::Require => ClockSync::Require,
        },
        history_retention: Duration::from_secs(settings.history_retention_s.value),
        disk_reserve_bytes: settings.disk_reserve_mib.value.saturating_mul(MIB),
        memory_budget_bytes: settings.memory_budget_mib.value.saturating_mul(MIB),
        watchers_max: settings.watchers_max.value,
        watcher_patience: Duration::from_secs(settings.watcher_patience_s.value),
        timing: if settings.wide_area.value { Timing::WAN } else { Timing::LAN },
        snapshot_every: settings.snapshot_every.value.max(1),
        databases: Databases::default(),
    })
}

/// Asks the cluster to let this node in, until it does. Returns only an error.
async fn join(node: &Arc<Node>, config: &Config, endpoints: &[String], papers: Option<&Papers>) -> anyhow::Result<()> {
    if endpoints.is_empty() {
        return std::future::pending().await;
    }
    let trust = papers.map(|papers| Trust::Authorities(papers.authorities_pem()));
    let client = Client::new(Options { timeout: JOIN_TIMEOUT, trust, ..Options::new(endpoints.iter().cloned()) })?;
    if let Some(own) = node.cluster() {
        return check_cluster(&client, own, config, endpoints).await;
    }
    let request = v1::JoinRequest {
        id: config.id.0,
        peer: config.peer.clone(),
        client: config.client.clone(),
        region: config.region.as_ref().map(ToString::to_string).unwrap_or_default(),
        command_version: node.command_version(),
        idempotency_key: node.new_key().to_string(),
        ..v1::JoinRequest::default()
    };
    loop {
        match client.join(request.clone()).await {
            Ok(answer) => {
                let cluster: ClusterId = answer.cluster_id.parse().context("the cluster's answer")?;
                node.adopt(cluster).map_err(|why| anyhow!(why))?;
                tracing::info!(%cluster, "joined");
                return std::future::pending().await;
            }
            Err(error) if error.kind() == portcullis_client::Kind::Unavailable => {
                tracing::warn!(%error, "the cluster cannot be joined yet");
            }
            Err(error) => return Err(error).context("the cluster does not let this node in"),
        }
    }
}

/// Makes sure that the cluster that was to be joined is the one that the data folder belongs to, as soon as one of its nodes
/// answers. Returns only an error.
async fn check_cluster(client: &Client, own: ClusterId, config: &Config, endpoints: &[String]) -> anyhow::Result<()> {
    let theirs = loop {
        match client.status(v1::StatusRequest {}).await {
            Ok(status) if !status.cluster_id.is_empty() => break status.cluster_id,
            // Nodes that are down, or that cannot say yet, say nothing; this one goes on without them.
            _ => tokio::time::sleep(ASK_AGAIN).await,
        }
    };
    if theirs == own.to_string() {
        return std::future::pending().await;
    }
    bail!(
        "the data folder `{}` belongs to cluster {own}, and {} to cluster {theirs}: give this node the data folder that it has \
         in that cluster, or an empty one and an id that was never used",
        config.data_dir.display(),
        endpoints.join(","),
    )
}
