//! Packets lost between nodes, at random, and the proof that they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::ensure;

use super::{Cutter, Namespaces, host, within};
use crate::cluster::shell;

/// How many packets of a hundred are lost to see whether they are.
const PROBE_PERCENT: u8 = 30;
/// How many of a hundred may be missing then: what 400 packets cannot miss by chance.
const PROBE_MISSING: std::ops::RangeInclusive<usize> = 15..=45;
/// How many packets are sent, in so many parts. A part has room where they are received.
const PROBE_PARTS: usize = 8;
/// How many packets a part has.
const PROBE_PACKETS: usize = 50;
/// How long a packet of a probe is waited for. It takes microseconds.
const PROBE_WAIT: Duration = Duration::from_millis(20);
/// The port of the packets of a probe.
const PROBE_PORT: u16 = 8601;

impl Namespaces {
    /// Whether losses were seen to lose, or why they cannot be used.
    pub(in crate::cluster) fn can_lose(&self) -> Result<(), String> {
        self.can_lose.clone()
    }

    /// Loses so many packets of a hundred on exactly these ways, as (speaker, listener).
    pub(in crate::cluster) fn lose(&mut self, losses: &BTreeMap<(u64, u64), u8>) -> anyhow::Result<()> {
        if self.losses == *losses {
            return Ok(());
        }
        match self.cutter {
            Cutter::Nft => {
                shell::run_with(&format!("ip netns exec {} nft -f -", self.bridge()), &script(losses))?;
            }
            Cutter::Iptables => {
                for (node, rule) in rules(&self.losses, losses) {
                    shell::run(&format!("ip netns exec {} {rule}", self.name(node)))?;
                }
            }
        }
        self.losses.clone_from(losses);
        Ok(())
    }

    /// Loses packets between two nodes, one way, and says why that cannot be relied on, if so. A loss that loses nothing
    /// would make every run pass.
    pub(super) fn try_losses(&mut self) -> Result<(), String> {
        let proven = self.prove_losses();
        // Whatever came of it, nothing may be lost that no fault loses.
        let healed = self.lose(&BTreeMap::new());
        proven.and(healed).map_err(|error| format!("packets cannot be lost here: {error:#}"))
    }

    fn prove_losses(&mut self) -> anyhow::Result<()> {
        ensure!(self.missing(1, 2)? == 0, "packets are lost between nodes before any is to be");
        self.lose(&BTreeMap::from([((1, 2), PROBE_PERCENT)]))?;
        let (there, back) = (self.missing(1, 2)?, self.missing(2, 1)?);
        ensure!(
            PROBE_MISSING.contains(&there),
            "{there} % of packets from node 1 to node 2 are missing where {PROBE_PERCENT} % are to be"
        );
        ensure!(back == 0, "{back} % of packets from node 2 to node 1 are missing where none is to be");
        self.lose(&BTreeMap::new())?;
        ensure!(self.missing(1, 2)? == 0, "packets are lost after none is to be");
        Ok(())
    }

    /// How many packets of a hundred do not arrive.
    fn missing(&self, from: u64, to: u64) -> anyhow::Result<usize> {
        let address = (host(to), PROBE_PORT);
        let bound = address.clone();
        let listener = within(&self.name(to), move || UdpSocket::bind(bound))??;
        listener.set_read_timeout(Some(PROBE_WAIT))?;
        let speaker = within(&self.name(from), || UdpSocket::bind(("0.0.0.0", 0)))??;
        speaker.connect(address)?;
        let mut arrived = 0;
        for _ in 0..PROBE_PARTS {
            for _ in 0..PROBE_PACKETS {
                speaker.send(b"?")?;
            }
            let in_part = (0..PROBE_PACKETS).take_while(|_| listener.recv(&mut [0]).is_ok());
            arrived += in_part.count();
        }
        let sent = PROBE_PARTS * PROBE_PACKETS;
        Ok((sent - arrived) * 100 / sent)
    }
}

/// What replaces the losses of the bridge, as a whole.
fn script(losses: &BTreeMap<(u64, u64), u8>) -> String {
    let mut script = "flush chain bridge jepsen lossy\n".to_owned();
    for ((from, to), percent) in losses {
        let way = format!("iifname \"p{from}\" oifname \"p{to}\"");
        writeln!(script, "add rule bridge jepsen lossy {way} numgen random mod 100 < {percent} drop")
            .expect("INVARIANT: a string can be written to");
    }
    script
}

/// The rules that are to be taken away and added where nodes listen, to come from some losses to others.
fn rules(old: &BTreeMap<(u64, u64), u8>, new: &BTreeMap<(u64, u64), u8>) -> Vec<(u64, String)> {
    let changed = |one: &BTreeMap<(u64, u64), u8>, other: &BTreeMap<(u64, u64), u8>, change: &str| {
        let differ = one.iter().filter(|(way, percent)| other.get(way) != Some(percent));
        let told = differ.map(|((from, to), percent)| {
            let odds = format!("-m statistic --mode random --probability 0.{percent:02}");
            (*to, format!("iptables -w {change} INPUT -s {} {odds} -j DROP", host(*from)))
        });
        told.collect::<Vec<_>>()
    };
    [changed(old, new, "-D"), changed(new, old, "-A")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bridge_loses_what_it_is_told_to_and_nothing_else() {
        assert_eq!(script(&BTreeMap::new()), "flush chain bridge jepsen lossy\n");
        let losses = BTreeMap::from([((1, 2), 5), ((2, 1), 30)]);
        assert_eq!(
            script(&losses),
            "flush chain bridge jepsen lossy\n\
             add rule bridge jepsen lossy iifname \"p1\" oifname \"p2\" numgen random mod 100 < 5 drop\n\
             add rule bridge jepsen lossy iifname \"p2\" oifname \"p1\" numgen random mod 100 < 30 drop\n"
        );
    }

    #[test]
    fn listeners_are_told_what_changes() {
        let (old, new) = (BTreeMap::from([((1, 2), 5), ((3, 2), 7)]), BTreeMap::from([((1, 2), 30), ((3, 2), 7)]));
        let rule = |change, odds| {
            format!("iptables -w {change} INPUT -s 10.77.0.1 -m statistic --mode random --probability {odds} -j DROP")
        };
        assert_eq!(rules(&old, &new), [(2, rule("-D", "0.05")), (2, rule("-A", "0.30"))]);
        assert!(rules(&new, &new).is_empty());
    }
}
