//! Checkers: they ask every node without pause, and judge each answer by what they knew before they asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use portcullis_client::{Client, v1};
use portcullis_tests::Cluster;
use tokio::task::JoinSet;

use crate::summary::{LONGEST_US, micros};
use crate::world::{Standing, World};

/// Checkers for each node.
const PER_NODE: usize = 2;
/// Among how many of the grants that are revoked first a checker chooses every second question.
const REVOKED_FIRST: u32 = 1_000;

/// Checkers at work.
pub(crate) struct Checkers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Checked>,
}

/// What checkers saw.
pub(crate) struct Checked {
    /// Answers, as expected or not.
    pub answers: u64,
    /// ALLOW to a question that was sent after the revocation was acknowledged.
    pub stale: u64,
    /// DENY although nobody had begun to revoke the grant when the answer arrived.
    pub wrongly_denied: u64,
    /// Questions without an answer.
    pub unanswered: u64,
    /// How long answers took, in microseconds.
    pub latency_us: Histogram<u64>,
    /// The longest time between two answers of one node, by node.
    pub longest_gap: Vec<(u64, Duration)>,
}

impl Checkers {
    /// Starts them. They ask every node that is up now, and go on when it no longer answers.
    pub(crate) fn start(world: &Arc<World>, cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for node in cluster.up() {
            for _ in 0..PER_NODE {
                let client = cluster.client(node).clone();
                tasks.spawn(ask_on(Arc::clone(world), client, node, Arc::clone(&stop)));
            }
        }
        Self { stop, tasks }
    }

    /// Stops them and adds up what they saw.
    pub(crate) async fn stop(self) -> Checked {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().fold(Checked::default(), Checked::and)
    }
}

async fn ask_on(world: Arc<World>, client: Client, node: u64, stop: Arc<AtomicBool>) -> Checked {
    let mut seen = Checked::default();
    let mut longest = Duration::ZERO;
    let mut last_answer = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let nth = rand::random_range(0..if rand::random() { REVOKED_FIRST.min(world.len()) } else { world.len() });
        // Known before the question is sent: a revocation that is acknowledged later proves nothing about its answer.
        let before = world.standing(nth);
        let sent = Instant::now();
        let Ok(answer) = client.check(world.request(nth)).await else {
            seen.unanswered += 1;
            continue;
        };
        longest = longest.max(last_answer.elapsed());
        last_answer = Instant::now();
        seen.answers += 1;
        seen.latency_us.saturating_record(micros(sent.elapsed()));
        match (answer.decision(), before) {
            (v1::Decision::Allow, Standing::Ended) => seen.stale += 1,
            (v1::Decision::Deny, Standing::Held) if world.standing(nth) == Standing::Held => seen.wrongly_denied += 1,
            _ => {}
        }
    }
    seen.longest_gap.push((node, longest.max(last_answer.elapsed())));
    seen
}

impl Default for Checked {
    fn default() -> Self {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("INVARIANT: the bounds are possible");
        Self { answers: 0, stale: 0, wrongly_denied: 0, unanswered: 0, latency_us, longest_gap: Vec::new() }
    }
}

impl Checked {
    /// What both saw.
    fn and(mut self, other: Self) -> Self {
        self.answers += other.answers;
        self.stale += other.stale;
        self.wrongly_denied += other.wrongly_denied;
        self.unanswered += other.unanswered;
        self.latency_us.add(other.latency_us).expect("INVARIANT: both have the same bounds");
        for (node, gap) in other.longest_gap {
            match self.longest_gap.iter_mut().find(|(known, _)| *known == node) {
                // Any checker of the node that had an answer shows that it answered.
                Some((_, shortest)) => *shortest = gap.min(*shortest),
                None => self.longest_gap.push((node, gap)),
            }
        }
        self.longest_gap.sort_unstable();
        self
    }
}
