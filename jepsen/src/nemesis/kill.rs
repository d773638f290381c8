//! `kill`: processes end as in a crash, and start again.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, alone, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct Killer;

#[derive(Clone, Copy, Debug)]
struct Kill(Whom);

impl Kind for Killer {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn describe(&self) -> &'static str {
        "kill -9 of the leader, a lease holder, anybody, a minority or all at once, and a start again"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (100, 5_000)
    }

    fn draw_whom(&self, dice: &mut StdRng) -> Whom {
        draw_whom(dice)
    }

    fn draw(&self, whom: Whom, _simple: bool, _dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Kill(whom))
    }
}

/// One node, and now and then a minority, or all.
pub(super) fn draw_whom(dice: &mut StdRng) -> Whom {
    match dice.random_range(0..8) {
        0 => Whom::Minority,
        1 => Whom::Everybody,
        _ => alone(dice),
    }
}

impl Fault for Kill {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let victims = chooser.choose(self.0);
        Blow { what: format!("kill {}", nodes(&victims)), victims, act: Box::new(Killing) }
    }
}

struct Killing;

impl Act for Killing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        // Who is dead already cannot be killed.
        victims.retain(|node| field.cluster.runs(*node));
        victims.iter().try_for_each(|node| field.kill(*node))
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        victims.iter().try_for_each(|node| field.revive(*node))?;
        Ok(Bite::Bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::samples::five;

    #[test]
    fn roles_become_nodes() {
        let victims = |whom| Kill(whom).blow(&mut Chooser::new(&five(), 11)).victims;
        assert_eq!((victims(Whom::Leader), victims(Whom::Holder)), (vec![3], vec![2]));
        assert_eq!((victims(Whom::Everybody).len(), victims(Whom::Minority).len()), (5, 2));
    }
}
