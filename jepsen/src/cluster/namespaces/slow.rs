//! What nodes send each other is late, overtaken, or comes twice, and the proof that it is.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{Namespaces, host, within};
use crate::cluster::switch::Slowness;

/// How late a packet is made to see whether it is.
const PROBE: Slowness = Slowness { delay_ms: 200, jitter_ms: 0, overtake_percent: 0, twice_percent: 100 };
/// How long a packet is waited for.
const PROBE_WAIT: Duration = Duration::from_millis(600);
/// The port of such packets.
const PROBE_PORT: u16 = 8603;

impl Namespaces {
    /// Does this to what is sent on exactly these ways, as (speaker, listener), by dice of this seed.
    pub(in crate::cluster) fn slow(&self, ways: BTreeMap<(u64, u64), Slowness>, seed: u64) -> anyhow::Result<()> {
        self.switch.as_ref().context("nodes are joined by devices of the kernel")?.slow(ways, seed);
        Ok(())
    }

    /// Says why it cannot be done, if so.
    pub(in crate::cluster) fn try_slow(&self) -> anyhow::Result<()> {
        ensure!(self.nodes >= 2, "it takes two nodes");
        self.slow(BTreeMap::from([((1, 2), PROBE)]), 0)?;
        let (there, back) = (self.arrivals(1, 2), self.arrivals(2, 1));
        // Whatever came of it, nothing may be late that no fault delays.
        self.slow(BTreeMap::new(), 0)?;
        let (there, back, healed) = (there?, back?, self.arrivals(1, 2)?);
        let delay = Duration::from_millis(PROBE.delay_ms.into());
        ensure!(
            there.len() == 2 && there[0] >= delay,
            "a packet that is to be late and to come twice comes after {there:?}"
        );
        for (what, arrivals) in [("in the other direction", back), ("after that", healed)] {
            ensure!(arrivals.len() == 1 && arrivals[0] < delay, "{what} a packet comes after {arrivals:?}");
        }
        Ok(())
    }

    /// After how long one packet arrives, each time that it does.
    fn arrivals(&self, from: u64, to: u64) -> anyhow::Result<Vec<Duration>> {
        let address = (host(to), PROBE_PORT);
        let bound = address.clone();
        let listener = within(&self.name(to), move || UdpSocket::bind(bound))??;
        listener.set_read_timeout(Some(PROBE_WAIT))?;
        let speaker = within(&self.name(from), || UdpSocket::bind(("0.0.0.0", 0)))??;
        speaker.connect(address)?;
        let began = Instant::now();
        speaker.send(b"?")?;
        Ok(std::iter::from_fn(|| listener.recv(&mut [0]).ok().map(|_| began.elapsed())).collect())
    }
}
