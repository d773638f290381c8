//! How much the ways to and from a node hold, and the proof that it is no more.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{Namespaces, host, within};
use crate::cluster::shell;

/// How much may come at once, whatever the rate, and how long it may wait.
const BUCKET: &str = "burst 15kb latency 400ms";
/// How many kilobits a second are tried, and how many bytes.
const PROBE: (u32, usize) = (500, 100_000);
/// How long they take at the least; a half of it at the most without a limit.
const PROBE_TAKES: Duration = Duration::from_secs(1);
/// How long they may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// The port of a trial.
const PROBE_PORT: u16 = 8602;

impl Namespaces {
    /// Lets the ways to a node, and those from it, hold so many kilobits a second each; without a number, what they can.
    pub(in crate::cluster) fn limit(&self, node: u64, kilobits: Option<u32>) -> anyhow::Result<()> {
        for device in [
            format!("-n {} qdisc replace dev p{node}", self.bridge()),
            format!("-n {} qdisc replace dev eth0", self.name(node)),
        ] {
            match kilobits {
                Some(rate) => shell::run(&format!("tc {device} root tbf rate {rate}kbit {BUCKET}"))?,
                // Nothing that waits is what such devices begin with.
                None => shell::run(&format!("tc {device} root pfifo"))?,
            };
        }
        Ok(())
    }

    /// Says why it cannot be limited, if so.
    pub(in crate::cluster) fn try_limit(&self) -> anyhow::Result<()> {
        ensure!(shell::has("tc"), "there is no `tc`: install iproute2");
        ensure!(self.nodes >= 2, "it takes two nodes");
        let usual = self.transfer()?;
        self.limit(2, Some(PROBE.0))?;
        let limited = self.transfer();
        // Whatever came of it, nothing may be limited that no fault limits.
        self.limit(2, None)?;
        let (limited, again) = (limited?, self.transfer()?);
        ensure!(limited >= PROBE_TAKES, "what is to take {PROBE_TAKES:?} takes {limited:?}");
        ensure!(
            usual.max(again) < PROBE_TAKES / 2,
            "without a limit it takes {usual:?} before, and {again:?} afterwards"
        );
        Ok(())
    }

    /// How long it takes to send some bytes from node 1 to node 2.
    fn transfer(&self) -> anyhow::Result<Duration> {
        let address = (host(2), PROBE_PORT);
        let bound = address.clone();
        let listener = within(&self.name(2), move || TcpListener::bind(bound))??;
        let mut speaker = within(&self.name(1), move || TcpStream::connect(address))??;
        let (mut heard, _) = listener.accept()?;
        heard.set_read_timeout(Some(PROBE_PATIENCE))?;
        let began = Instant::now();
        let sends = std::thread::spawn(move || speaker.write_all(&vec![0; PROBE.1]));
        heard.read_exact(&mut vec![0; PROBE.1]).context("nothing arrives")?;
        sends.join().expect("INVARIANT: to send does not panic")?;
        Ok(began.elapsed())
    }
}
