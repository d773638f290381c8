//! Keeping the certificates of a node as new as the cluster wants them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_model::Timestamp;
use portcullis_node::Node;
use portcullis_pki::tls::Credentials;
use tokio::time::MissedTickBehavior;

use crate::join_tokens;

/// How often the node looks whom the cluster trusts, and how long its certificate is good.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The hosts that the certificate of a node names which is reached at these addresses, `host:port` each.
pub fn hosts<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    join_tokens::hosts(addresses)
}

/// Renews the papers of a node until it is gone. They are on disk in its data folder before any connection uses them.
///
/// # Panics
///
/// When it is called outside of a runtime.
pub fn keep(node: &Arc<Node>, credentials: Credentials, data_dir: PathBuf, hosts: Vec<String>) {
    let node = Arc::downgrade(node);
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(node) = node.upgrade() else { return };
            if let Some(ends) = ends(&credentials) {
                node.set_certificate_ends(ends);
            }
            if let Err(why) = renew(&node, &credentials, &data_dir, &hosts) {
                tracing::error!(%why, "the certificate of this node is not renewed");
            }
        }
    });
}

fn renew(node: &Node, credentials: &Credentials, data_dir: &Path, hosts: &[String]) -> Result<(), String> {
    let trust = node.trust_here().map_err(|error| error.to_string())?;
    let renewed = credentials.papers().renewed(&trust.authorities, hosts, SystemTime::now());
    let Some(renewed) = renewed.map_err(|error| error.to_string())? else { return Ok(()) };
    renewed.write(data_dir).map_err(|error| error.to_string())?;
    tracing::info!(authorities = renewed.authorities.len(), "the certificates of this node are new");
    credentials.replace(renewed).map_err(|error| error.to_string())
}

/// When the certificate that is used now ends.
fn ends(credentials: &Credentials) -> Option<Timestamp> {
    let since = credentials.papers().ends()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}
