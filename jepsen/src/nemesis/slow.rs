//! `slow`: what nodes send each other is late, by more or less, overtaken by what was sent after it, or comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::loss::Links;
use super::{Act, Bite, Blow, Facility, Fault, Kind};
use crate::cluster::switch::Slowness;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How late packets are, in milliseconds, at the least and at the most.
const DELAY_MS: (u32, u32) = (10, 400);
/// How many of a hundred overtake others or come twice, at the most.
const ODD_PERCENT_MAX: u8 = 30;

pub(super) struct Slow;

#[derive(Clone, Copy, Debug)]
struct Delay(Links, Slowness);

impl Kind for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn describe(&self) -> &'static str {
        "packets are 10 to 400 ms late, and up to as much later, overtake each other, or come twice: on all ways, to and from a \
         node, or in one direction"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces, Facility::Switch]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (3_000, 10_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let links = Links::draw(whom, simple, dice);
        let delay_ms = dice.random_range(DELAY_MS.0..=DELAY_MS.1);
        let jitter_ms = dice.random_range(0..=delay_ms);
        let mut odd = || if dice.random_bool(0.5) { dice.random_range(1..=ODD_PERCENT_MAX) } else { 0 };
        let (overtake_percent, twice_percent) = (odd(), odd());
        Arc::new(Delay(links, Slowness { delay_ms, jitter_ms, overtake_percent, twice_percent }))
    }
}

impl Fault for Delay {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(links, slowness) = *self;
        let (victims, ways, told) = links.aim(chooser);
        let Slowness { delay_ms, jitter_ms, overtake_percent, twice_percent } = slowness;
        let most_ms = delay_ms + jitter_ms;
        let odd = format!("{overtake_percent} % overtake, {twice_percent} % come twice");
        let what = format!("let packets be {delay_ms} to {most_ms} ms late {told}; {odd}");
        let ways = ways.into_iter().map(|way| (way, slowness)).collect();
        Blow { victims, what, act: Box::new(Delaying { ways, seed: chooser.dice.random() }) }
    }
}

struct Delaying {
    ways: BTreeMap<(u64, u64), Slowness>,
    seed: u64,
}

impl Act for Delaying {
    fn strike(&mut self, _victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        field.cluster.network().slow(self.ways.clone(), self.seed)
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        // That packets are late was seen before the nodes started.
        field.cluster.network().slow(BTreeMap::new(), self.seed).map(|()| Bite::Bit)
    }
}
