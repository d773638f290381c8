//! The nodes that a client knows, nearest first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use tokio_rustls::TlsConnector;

use crate::client::OptionsError;
use crate::tls;

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
    connector: Option<TlsConnector>,
    /// A running mean of how long answers take, in microseconds.
    distance_us: AtomicU64,
}

impl Node {
    pub(crate) fn new(address: &str, connector: Option<TlsConnector>) -> Result<Self, OptionsError> {
        let invalid = || OptionsError::Endpoint(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(invalid());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| invalid())?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = match &connector {
            Some(connector) => tls::channel(&endpoint, connector.clone()),
            None => endpoint.connect_lazy(),
        };
        Ok(Self { address: address.to_owned(), channel, connector, distance_us: AtomicU64::new(0) })
    }

    /// The same node over a connection of its own.
    pub(crate) fn apart(&self) -> Self {
        let node = Self::new(&self.address, self.connector.clone()).expect("INVARIANT: the address was one before");
        node.distance_us.store(self.distance_us.load(Ordering::Relaxed), Ordering::Relaxed);
        node
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

/// The node to ask at the nth attempt: the leader, where the node before has named it and it is known; else the nearest
/// first, then the next.
pub(crate) fn choose<'a>(nodes: &'a [Node], attempt: usize, leader: Option<&str>) -> &'a Node {
    if let Some(leader) = nodes.iter().find(|node| Some(node.address.as_str()) == leader) {
        return leader;
    }
    let mut order: Vec<&Node> = nodes.iter().collect();
    order.sort_by_key(|node| node.distance_us.load(Ordering::Relaxed));
    order[attempt % order.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_nearest_is_asked_first_unless_a_leader_is_named() {
        let nodes: Vec<Node> =
            ["a:1", "b:2", "c:3"].iter().filter_map(|address| Node::new(address, None).ok()).collect();
        nodes[0].answered_in(Duration::from_millis(30));
        nodes[1].answered_in(Duration::from_millis(1));
        nodes[2].answered_in(Duration::from_millis(10));
        let chosen = |attempt, leader| choose(&nodes, attempt, leader).address.clone();
        assert_eq!([0, 1, 2, 3].map(|attempt| chosen(attempt, None)), ["b:2", "c:3", "a:1", "b:2"]);
        assert_eq!(chosen(1, Some("a:1")), "a:1");
        assert_eq!(chosen(1, Some("elsewhere:9")), "c:3", "a leader that the client does not know");
        nodes[1].failed();
        assert_eq!(chosen(0, None), "c:3", "one that failed is farther for a while");
    }
}
