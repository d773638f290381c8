//! The nodes that a client knows, nearest first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::client::OptionsError;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often an idle connection is probed.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How long a probe may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a failed call adds to a node's distance, so that others are tried first for a while.
const FAILURE_PENALTY: Duration = Duration::from_secs(1);

/// One node.
pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) channel: Channel,
    /// A running mean of how long answers take, in microseconds.
    distance_us: AtomicU64,
}

impl Node {
    pub(crate) fn new(address: &str) -> Result<Self, OptionsError> {
        let invalid = || OptionsError::Endpoint(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(invalid());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| invalid())?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Ok(Self { address: address.to_owned(), channel, distance_us: AtomicU64::new(0) })
    }

    pub(crate) fn answered_in(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let old = self.distance_us.load(Ordering::Relaxed);
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.distance_us.store(new, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        let penalty = u64::try_from(FAILURE_PENALTY.as_micros()).unwrap_or(u64::MAX);
        let old = self.distance_us.load(Ordering::Relaxed);
        self.distance_us.store(old.saturating_add(penalty).min(10 * penalty), Ordering::Relaxed);
    }
}

/// The node to ask at the nth attempt: the nearest first, then the next.
pub(crate) fn choose(nodes: &[Node], attempt: usize) -> &Node {
    let mut order: Vec<&Node> = nodes.iter().collect();
    order.sort_by_key(|node| node.distance_us.load(Ordering::Relaxed));
    order[attempt % order.len()]
}
