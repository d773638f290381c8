//! `cpu`: a node gets next to nothing of the processor, as on a machine with too much to do.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How much of one processor is left, in percent, at the least and at the most.
const LEFT_PERCENT: (u8, u8) = (2, 15);

pub(super) struct Cpu;

/// Leave so much of one processor.
#[derive(Clone, Copy, Debug)]
struct Starve(Whom, u8);

impl Kind for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn describe(&self) -> &'static str {
        "leaves 2 to 15 % of one processor to the leader, a lease holder, anybody or all"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Cpu]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (2_000, 10_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let percent = dice.random_range(LEFT_PERCENT.0..=LEFT_PERCENT.1);
        let everybody = dice.random_range(0..8) == 0;
        Arc::new(Starve(if everybody && !simple { Whom::Everybody } else { whom }, percent))
    }
}

impl Fault for Starve {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, percent) = *self;
        let victims = chooser.choose(whom);
        let what = format!("leave {percent} % of a processor to {}", nodes(&victims));
        Blow { victims, what, act: Box::new(Starving { percent, throttled: 0 }) }
    }
}

struct Starving {
    percent: u8,
    /// How often the victims had been kept waiting before.
    throttled: u64,
}

impl Act for Starving {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        let groups = field.cluster.rig.cpu()?;
        self.throttled = throttled(victims, field)?;
        victims.iter().try_for_each(|node| groups.limit_cpu(*node, Some(self.percent)))
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        let groups = field.cluster.rig.cpu()?;
        victims.iter().try_for_each(|node| groups.limit_cpu(*node, None))?;
        if throttled(victims, field)? > self.throttled {
            return Ok(Bite::Bit);
        }
        Ok(Bite::Nothing(format!("{} wanted no more of the processor", nodes(victims))))
    }
}

fn throttled(victims: &[u64], field: &Field<'_>) -> anyhow::Result<u64> {
    let groups = field.cluster.rig.cpu()?;
    victims.iter().map(|node| groups.throttled(*node)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::samples::five;

    #[test]
    fn one_node_or_all_are_starved() {
        let victims = |whom| Starve(whom, 5).blow(&mut Chooser::new(&five(), 11)).victims;
        assert_eq!((victims(Whom::Leader), victims(Whom::Everybody).len()), (vec![3], 5));
    }
}
