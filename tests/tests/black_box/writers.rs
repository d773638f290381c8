//! Writers that go on while nodes come and go, and remember what was acknowledged to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portcullis_client::{Client, v1};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, wait};
use tokio::task::JoinSet;

use crate::asking::{assert_allowed, grant_ids, may_view, views};

/// Tasks that write at the same time.
const WRITERS: usize = 4;
/// Writes that have to be acknowledged in each phase.
const PHASE_WRITES: usize = 100;
/// Every how many of the acknowledged grants is asked about, at the end.
const SAMPLE: usize = 50;

/// Writers that make grants, one after the other, through whichever node answers.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<String>>,
}

/// What was acknowledged.
pub(crate) struct Acknowledged(BTreeSet<String>);

impl Writers {
    /// Starts them. The role of [`may_view`] has to be there.
    pub(crate) fn start(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(write(writer, client.clone(), Arc::clone(&stop), Arc::clone(&acknowledged)));
        }
        Self { stop, acknowledged, tasks }
    }

    /// Waits for further acknowledgements.
    pub(crate) async fn go_on(&self) -> anyhow::Result<()> {
        let enough = self.acknowledged.load(Ordering::SeqCst) + PHASE_WRITES;
        wait::until_true("writes to be acknowledged", PATIENCE, async || {
            Ok(self.acknowledged.load(Ordering::SeqCst) >= enough)
        })
        .await
    }

    /// Stops them.
    pub(crate) async fn stop(self) -> Acknowledged {
        self.stop.store(true, Ordering::SeqCst);
        Acknowledged(self.tasks.join_all().await.into_iter().flatten().collect())
    }
}

impl Acknowledged {
    /// Every node that is up lists all of it, and says yes where it is asked.
    pub(crate) async fn assert_all_there(&self, cluster: &Cluster) -> anyhow::Result<()> {
        for id in cluster.up() {
            let listed = grant_ids(cluster.client(id), v1::GrantFilter::default()).await?;
            let listed: BTreeSet<String> = listed.into_iter().collect();
            let lost: Vec<&String> = self.0.difference(&listed).collect();
            assert!(lost.is_empty(), "node {id} lost {lost:?} of {}", self.0.len());
        }
        for document in self.0.iter().step_by(SAMPLE) {
            assert_allowed(cluster, &views("alice", document)).await;
        }
        Ok(())
    }
}

async fn write(writer: usize, client: Client, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for nth in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let document = format!("doc-{writer}-{nth}");
        // One whose outcome is unknown is not counted, and may be there or not.
        if client.create_grant(may_view("alice", &document)).await.is_ok() {
            acknowledged.push(document);
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
    acknowledged
}
