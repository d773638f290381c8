//! Driving calls and measuring them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use portcullis_client::Client;
use serde::Serialize;

use super::processor;

/// Latencies above this count as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// One call, the nth of all; returns whether it succeeded.
pub(super) type Call = Arc<dyn Fn(Client, u64) -> BoxFuture<'static, bool> + Send + Sync>;

/// How much is driven, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) concurrency: usize,
    /// Calls that are started each second; without, each caller waits for its answer.
    pub(super) rate: Option<u32>,
    pub(super) warm_up: Duration,
    pub(super) period: Duration,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    /// Calls that succeeded, per second.
    pub(super) rate: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    /// Processor time that the called processes took for each call; `None` where they are not on this machine.
    pub(super) server_cpu_us: Option<f64>,
    pub(super) errors: u64,
}

impl Load {
    /// Drives calls with several clients in turn, and measures those after the warm-up.
    pub(super) async fn drive(&self, clients: &[Client], endpoints: &[String], call: Call) -> Measured {
        let (nth, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let counted = started + self.warm_up..started + self.warm_up + self.period;
        let callers: Vec<_> = (0..self.concurrency)
            .map(|caller| {
                let caller = Caller {
                    client: clients[caller % clients.len()].clone(),
                    call: Arc::clone(&call),
                    nth: Arc::clone(&nth),
                    counted: counted.clone(),
                    started,
                    rate: self.rate,
                };
                tokio::spawn(caller.run())
            })
            .collect();
        tokio::time::sleep_until(counted.start.into()).await;
        let (before, processor_before) = (nth.load(Ordering::Relaxed), processor::used(endpoints));
        tokio::time::sleep_until(counted.end.into()).await;
        let (after, processor_after) = (nth.load(Ordering::Relaxed), processor::used(endpoints));
        let mut tally = Tally::default();
        for caller in callers {
            tally.add(&caller.await.expect("INVARIANT: a caller does not panic"));
        }
        let used = processor_before.zip(processor_after).map(|(before, after)| after.saturating_sub(before));
        tally.measured(self.period, used, after - before)
    }
}

/// Latencies in microseconds, to three digits.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_US_MAX, 3).expect("INVARIANT: three digits are possible")
}

/// What a caller has seen.
struct Tally {
    latencies: Histogram<u64>,
    errors: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { latencies: latencies(), errors: 0 }
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.latencies += &other.latencies;
        self.errors += other.errors;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53")]
    fn measured(&self, period: Duration, used: Option<Duration>, calls: u64) -> Measured {
        let at = |quantile| self.latencies.value_at_quantile(quantile);
        Measured {
            rate: self.latencies.len() as f64 / period.as_secs_f64(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            server_cpu_us: used.map(|used| used.as_secs_f64() * 1e6 / calls.max(1) as f64),
            errors: self.errors,
        }
    }
}

struct Caller {
    client: Client,
    call: Call,
    nth: Arc<AtomicU64>,
    counted: std::ops::Range<Instant>,
    started: Instant,
    rate: Option<u32>,
}

impl Caller {
    async fn run(self) -> Tally {
        let mut tally = Tally::default();
        loop {
            let nth = self.nth.fetch_add(1, Ordering::Relaxed);
            let begun = match self.rate {
                // Latency counts from when the call was to start, so that waiting for a slow server is not left out.
                Some(rate) => {
                    let due =
                        self.started + Duration::from_secs(1) * u32::try_from(nth).unwrap_or(u32::MAX) / rate.max(1);
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
                None => Instant::now(),
            };
            if begun >= self.counted.end {
                return tally;
            }
            let succeeded = (self.call)(self.client.clone(), nth).await;
            let ended = Instant::now();
            if begun >= self.counted.start && ended < self.counted.end {
                if succeeded {
                    let took = u64::try_from((ended - begun).as_micros()).unwrap_or(u64::MAX);
                    tally.latencies.saturating_record(took);
                } else {
                    tally.errors += 1;
                }
            }
        }
    }
}
