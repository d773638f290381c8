//! `bandwidth`: the ways to and from a node hold little.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How many kilobits a second they hold, at the least and at the most.
const KILOBITS: (u32, u32) = (100, 2_000);

pub(super) struct Bandwidth;

/// Let the ways of a node hold so many kilobits a second.
#[derive(Clone, Copy, Debug)]
struct Narrow(Whom, u32);

impl Kind for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn describe(&self) -> &'static str {
        "the ways to and from the leader, a lease holder, anybody or all hold 100 to 2,000 kilobits a second"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces, Facility::Bandwidth]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (3_000, 10_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let everybody = !simple && dice.random_range(0..6) == 0;
        Arc::new(Narrow(if everybody { Whom::Everybody } else { whom }, dice.random_range(KILOBITS.0..=KILOBITS.1)))
    }
}

impl Fault for Narrow {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, kilobits) = *self;
        let victims = chooser.choose(whom);
        let what = format!("let the ways of {} hold {kilobits} kbit/s", nodes(&victims));
        Blow { victims, what, act: Box::new(Narrowing(kilobits)) }
    }
}

struct Narrowing(u32);

impl Act for Narrowing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.iter().try_for_each(|node| field.cluster.network().limit(*node, Some(self.0)))
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        victims.iter().try_for_each(|node| field.cluster.network().limit(*node, None))?;
        // That it holds no more was seen before the nodes started.
        Ok(Bite::Bit)
    }
}
