//! Compares what nodes have at the same revision while the run is under way, and not only at its end.
//!
//! One node, another each time, is asked for the last revision that it applied; the others are asked for the hash at the same
//! one, as soon as they get there. Who does not get there for a while, or started behind it, says nothing: only who differs is
//! wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use portcullis_client::{Client, v1};
use tokio::task::JoinHandle;

use crate::history::{Record, StateHash};
use crate::recorder::Recorder;

/// The pause between two comparisons, and between two questions to a node that is not there yet.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a node is asked for a hash that it does not have yet.
const ATTEMPTS_MAX: usize = 4;

/// Comparisons under way, until it is dropped.
pub struct Comparison(JoinHandle<()>);

impl Comparison {
    /// Begins to compare.
    pub fn start(recorder: &Arc<Recorder>, clients: BTreeMap<u64, Client>) -> Self {
        let recorder = Arc::clone(recorder);
        Self(tokio::spawn(async move {
            for place in (0..clients.len()).cycle() {
                tokio::time::sleep(PAUSE).await;
                for hash in compare(&clients, place).await {
                    recorder.record(&Record::StateHash(hash));
                }
            }
        }))
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What every node has at the revision that one of them has reached, as far as they say.
async fn compare(clients: &BTreeMap<u64, Client>, place: usize) -> Vec<StateHash> {
    let Some(client) = clients.values().nth(place) else { return Vec::new() };
    let Ok(last) = client.state_hash(v1::StateHashRequest { revision: 0 }).await else { return Vec::new() };
    let revision = last.revision;
    let told = join_all(clients.iter().map(|(node, client)| at(*node, client, revision))).await;
    told.into_iter().flatten().collect()
}

async fn at(node: u64, client: &Client, revision: u64) -> Option<StateHash> {
    for _ in 0..ATTEMPTS_MAX {
        match client.state_hash(v1::StateHashRequest { revision }).await {
            Ok(told) => return Some(StateHash { node, revision: told.revision, hash: told.hash }),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    None
}
