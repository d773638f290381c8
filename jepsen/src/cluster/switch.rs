//! A switch in user space: what goes from one node to another can be late, overtaken, or come twice, by dice.
//!
//! Each node has a device in its own namespace and one at the bridge, where there would be a pair of the kernel's otherwise, and what
//! goes in by one comes out by the other. What a node sends to another waits here as long as it is to be late. Cuts, losses
//! and limits are at the bridge and at devices, and stay what they are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// How large a frame may be.
const FRAME_BYTES: usize = 2_048;
/// How many frames of a node may wait. What comes beyond that is lost.
const WAITING_MAX: usize = 10_000;
/// Why a lock is not poisoned.
const UNBROKEN: &str = "INVARIANT: nothing panics while holding it";

/// What is done to frames on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowness {
    /// How late they are at the least, in milliseconds.
    pub delay_ms: u32,
    /// How much later at the most.
    pub jitter_ms: u32,
    /// How many of a hundred are not late, and so overtake others.
    pub overtake_percent: u8,
    /// How many of a hundred come twice.
    pub twice_percent: u8,
}

/// What is done on which way, as (speaker, listener), and the dice for it.
#[derive(Debug)]
struct Rules {
    ways: BTreeMap<(u64, u64), Slowness>,
    dice: StdRng,
}

/// The switch. Its threads end with the process.
#[derive(Clone, Debug)]
pub(super) struct Switch(Arc<Mutex<Rules>>);

impl Switch {
    /// A switch without nodes.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Rules { ways: BTreeMap::new(), dice: StdRng::seed_from_u64(0) })))
    }

    /// Does this on exactly these ways, by dice of this seed.
    pub(super) fn slow(&self, ways: BTreeMap<(u64, u64), Slowness>, seed: u64) {
        *self.0.lock().expect(UNBROKEN) = Rules { ways, dice: StdRng::seed_from_u64(seed) };
    }

    /// Joins the device of a node and its device at the bridge.
    pub(super) fn join(&self, node: u64, own: SyncDevice, bridge: SyncDevice) -> anyhow::Result<()> {
        let (own, bridge) = (Arc::new(own), Arc::new(bridge));
        let queue = Arc::new(Queue::default());
        let (from, to) = (Arc::clone(&bridge), Arc::clone(&own));
        spawn("switch-in", move || forward(&from, |frame| drop(to.send(frame))))?;
        let (waiting, to) = (Arc::clone(&queue), Arc::clone(&bridge));
        spawn("switch-late", move || waiting.send_when_due(&to))?;
        let (rules, to) = (Arc::clone(&self.0), bridge);
        spawn("switch-out", move || {
            let mut last = BTreeMap::new();
            forward(&own, |frame| match late(&rules, node, frame, &mut last) {
                // A frame that the kernel does not take is lost, as on any network.
                None => drop(to.send(frame)),
                Some(dues) => dues.into_iter().for_each(|due| queue.push(due, frame)),
            });
        })
    }
}

/// Makes a device in the namespace that this thread is in.
pub(super) fn device(name: &str) -> anyhow::Result<SyncDevice> {
    let made = DeviceBuilder::new().name(name).layer(Layer::L2).build_sync();
    made.with_context(|| format!("the device `{name}` cannot be made"))
}

fn spawn(name: &str, act: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(act).map(drop).context("a thread cannot be started")
}

/// Takes frames until the device is gone.
fn forward(from: &SyncDevice, mut give: impl FnMut(&[u8])) {
    let mut frame = vec![0; FRAME_BYTES];
    while let Ok(length) = from.recv(&mut frame) {
        give(frame.get(..length).unwrap_or_default());
    }
}

/// When a frame is due, once or twice; nothing if at once.
fn late(rules: &Mutex<Rules>, node: u64, frame: &[u8], last: &mut BTreeMap<u64, Instant>) -> Option<Vec<Instant>> {
    let listener = listener(frame)?;
    let mut rules = rules.lock().expect(UNBROKEN);
    let slowness = *rules.ways.get(&(node, listener))?;
    let now = Instant::now();
    let dice = &mut rules.dice;
    let delay_ms = slowness.delay_ms + dice.random_range(0..=slowness.jitter_ms);
    let due = if dice.random_range(0..100) < slowness.overtake_percent {
        now
    } else {
        // Jitter alone overtakes nobody.
        let due = (now + Duration::from_millis(delay_ms.into())).max(last.get(&listener).copied().unwrap_or(now));
        last.insert(listener, due);
        due
    };
    let twice = dice.random_range(0..100) < slowness.twice_percent;
    Some(if twice { vec![due, due] } else { vec![due] })
}

/// Which node a frame is for, by the last part of its address.
fn listener(frame: &[u8]) -> Option<u64> {
    let kind = frame.get(12..14)?;
    let address = frame.get(30..34)?;
    // Only what has an address of nodes; how they look for each other is never late.
    (kind == [0x08, 0x00] && address.starts_with(&[10, 77, 0])).then(|| address.last().copied().map(u64::from))?
}

/// Frames that wait, by when they are due and in their order.
#[derive(Debug, Default)]
struct Waiting {
    frames: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    /// How many have come so far.
    come: u64,
}

/// The same, to be waited for.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    comes: Condvar,
}

impl Queue {
    fn push(&self, due: Instant, frame: &[u8]) {
        let mut waiting = self.waiting.lock().expect(UNBROKEN);
        if waiting.frames.len() < WAITING_MAX {
            waiting.come += 1;
            let number = waiting.come;
            waiting.frames.push(Reverse((due, number, frame.to_vec())));
            self.comes.notify_one();
        }
    }

    fn send_when_due(&self, to: &SyncDevice) {
        let mut waiting = self.waiting.lock().expect(UNBROKEN);
        loop {
            let now = Instant::now();
            let due = waiting.frames.peek().map(|Reverse((due, ..))| *due);
            waiting = match due {
                Some(due) if due <= now => {
                    if let Some(Reverse((_, _, frame))) = waiting.frames.pop() {
                        drop(to.send(&frame));
                    }
                    waiting
                }
                Some(due) => self.comes.wait_timeout(waiting, due - now).expect(UNBROKEN).0,
                None => self.comes.wait(waiting).expect(UNBROKEN),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(last: u8) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12] = 0x08;
        frame[30..34].copy_from_slice(&[10, 77, 0, last]);
        frame
    }

    #[test]
    fn only_the_ways_that_are_meant_are_late_and_nobody_is_overtaken_by_jitter() {
        let slow = Slowness { delay_ms: 50, jitter_ms: 40, overtake_percent: 0, twice_percent: 100 };
        let rules = Rules { ways: BTreeMap::from([((1, 2), slow)]), dice: StdRng::seed_from_u64(7) };
        let (rules, mut last) = (Mutex::new(rules), BTreeMap::new());
        assert_eq!(late(&rules, 1, &frame(3), &mut last), None);
        assert_eq!(late(&rules, 2, &frame(1), &mut last), None);
        assert_eq!(late(&rules, 1, &[0; 20], &mut last), None);
        let mut before = Instant::now() + Duration::from_millis(50);
        for _ in 0..100 {
            let dues = late(&rules, 1, &frame(2), &mut last).unwrap();
            assert!(dues.len() == 2 && dues.iter().all(|due| *due >= before));
            before = dues[0];
        }
    }

    #[test]
    fn who_is_not_late_overtakes() {
        let slow = Slowness { delay_ms: 1_000, jitter_ms: 0, overtake_percent: 50, twice_percent: 0 };
        let rules = Rules { ways: BTreeMap::from([((1, 2), slow)]), dice: StdRng::seed_from_u64(7) };
        let (rules, mut last) = (Mutex::new(rules), BTreeMap::new());
        let soon = Instant::now() + Duration::from_millis(900);
        let early = (0..100).filter(|_| late(&rules, 1, &frame(2), &mut last).unwrap()[0] < soon).count();
        assert!((30..70).contains(&early), "{early}");
    }
}
