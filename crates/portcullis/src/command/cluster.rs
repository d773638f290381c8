//! `portcullis cluster`.

use clap::Subcommand;
use portcullis_client::{Client, v1};

use super::{authority, join_token, lease_config};
use crate::args::Output;
use crate::output;

/// `portcullis cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a cluster of the node that is called; it becomes the first voter.
    Init,
    /// Show the cluster as the called node sees it.
    Status,
    /// Add a node as a learner before it joins.
    AddNode {
        /// Its id, never used before.
        id: u64,
        /// Its peer listener.
        #[arg(long, value_name = "HOST:PORT")]
        peer: String,
        /// Its client listener.
        #[arg(long, value_name = "HOST:PORT")]
        client: String,
        /// Its region.
        #[arg(long, default_value = "")]
        region: String,
    },
    /// Let a learner vote.
    Promote {
        /// Its id.
        id: u64,
    },
    /// Remove a node for good; its id is never used again.
    RemoveNode {
        /// Its id.
        id: u64,
    },
    /// Make and revoke the tokens that let nodes in, where nodes prove who they are.
    #[command(subcommand)]
    JoinToken(join_token::Command),
    /// Show and replace who signs the certificates of nodes.
    #[command(subcommand)]
    Authority(authority::Command),
    /// Show and change how read leases are granted, and to whom.
    #[command(subcommand)]
    LeaseConfig(lease_config::Command),
    /// Hand leadership to another voter.
    TransferLeader {
        /// To whom; by default the voter that is furthest.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        to: u64,
    },
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init => {
            let answer = client.init(v1::InitRequest {}).await?;
            output::one(output, &answer, |answer| format!("cluster {} initialised", answer.cluster_id));
        }
        Command::Status => {
            let status = client.status(v1::StatusRequest {}).await?;
            output::one(output, &status, describe);
        }
        Command::AddNode { id, peer, client: address, region } => {
            let answer = client.add_node(v1::AddNodeRequest { id, peer, client: address, region }).await?;
            output::one(output, &answer, |_| format!("node {id} is a learner"));
        }
        Command::Promote { id } => {
            let answer = client.promote_node(v1::PromoteNodeRequest { id }).await?;
            output::one(output, &answer, |_| format!("node {id} votes"));
        }
        Command::RemoveNode { id } => {
            let answer = client.remove_node(v1::RemoveNodeRequest { id }).await?;
            output::one(output, &answer, |_| format!("node {id} is removed"));
        }
        Command::JoinToken(command) => join_token::run(client, output, command).await?,
        Command::Authority(command) => authority::run(client, output, command).await?,
        Command::LeaseConfig(command) => lease_config::run(client, output, command).await?,
        Command::TransferLeader { to } => {
            let answer = client.transfer_leader(v1::TransferLeaderRequest { to }).await?;
            output::one(output, &answer, |answer| format!("node {} leads", answer.leader));
        }
    }
    Ok(())
}

fn describe(status: &v1::StatusResponse) -> String {
    let leader = if status.leader == 0 { "none".to_owned() } else { format!("node {}", status.leader) };
    let cluster = if status.cluster_id.is_empty() { "not initialised" } else { &status.cluster_id };
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header([
        "ID",
        "REGION",
        "ROLE",
        "CLIENT",
        "LAST LOG",
        "APPLIED",
        "BEHIND",
        "LEASE",
        "DISK FREE",
        "VERSION",
    ]);
    let newest = status.nodes.iter().map(|node| node.applied).max().unwrap_or(0);
    for node in &status.nodes {
        let known = |value: u64| if node.reachable { value.to_string() } else { "-".to_owned() };
        table.add_row([
            node.id.to_string(),
            node.region.clone(),
            node.role().as_str_name().to_owned(),
            node.client.clone(),
            node.last_log.to_string(),
            known(node.applied),
            known(newest.saturating_sub(node.applied)),
            node.lease.as_ref().map_or_else(|| "-".to_owned(), lease),
            if node.disk_free_bytes > 0 { gibibytes(node.disk_free_bytes) } else { "-".to_owned() },
            if node.reachable { node.version.clone() } else { "unreachable".to_owned() },
        ]);
    }
    let alarms = status.nodes.iter().flat_map(|node| node.alarms.iter().map(move |alarm| (node.id, alarm)));
    let alarms: Vec<String> = alarms.map(|(id, alarm)| format!("\nALARM at node {id}: {alarm}")).collect();
    format!(
        "cluster {cluster}, leader {leader}, term {}, as node {} sees it\n{}{}",
        status.term,
        status.answered_by,
        table.trim_fmt(),
        alarms.concat()
    )
}

/// What is left of a lease, or why there is none.
fn lease(lease: &v1::Lease) -> String {
    match lease.reason.as_str() {
        _ if lease.held => format!("{:.1} s", lease.seconds_left),
        "" => "none".to_owned(),
        why => format!("none: {why}"),
    }
}

fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / (1_024 * 1_024 * 1_024 / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
