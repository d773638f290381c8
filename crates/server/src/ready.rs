//! Whether a node is ready: it could answer a linearizable check now, and its clock is kept right where that is required.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_node::Node;
use tokio::time::Instant;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How long a node has to prove that it is ready.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked for whoever asks by gRPC, who is told what was so last.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Says why a node is not ready.
pub(crate) async fn look(node: &Node) -> Result<(), String> {
    if let Some(why) = node.unready_clock() {
        return Err(why.clone());
    }
    node.prove_fresh(Instant::now() + TIMEOUT).await.map(|_| ()).map_err(|error| error.to_string())
}

/// Keeps the health that is reported by gRPC up to date. Ends when the node is dropped.
pub(crate) async fn report(node: Weak<Node>, reporter: HealthReporter) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(node) = node.upgrade() else { return };
        let status = if look(&node).await.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        drop::<Arc<Node>>(node);
        // The service without a name stands for all of them.
        reporter.set_service_status("", status).await;
    }
}
