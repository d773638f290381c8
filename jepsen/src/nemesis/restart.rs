//! `restart`: nodes stop in order, and start again.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Progress, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::{Field, Then, Turn, Turns};

/// How often a storm stops its node, at the least and at the most.
const STORM_STOPS: (usize, usize) = (3, 5);
/// How long a storm lets its node be after a start, in milliseconds.
const STORM_MOMENT_MS: (u64, u64) = (50, 1_500);

pub(super) struct Restarter;

/// Which nodes are stopped in order and started again.
#[derive(Clone, Copy, Debug)]
enum Orderly {
    /// One node.
    Once(Whom),
    /// Each node in turn, once the one before is ready again.
    Rolling,
    /// One node several times in a row, ready or not.
    Storm(Whom),
}

#[derive(Clone, Copy, Debug)]
struct Restart(Orderly);

impl Kind for Restarter {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn describe(&self) -> &'static str {
        "SIGTERM and a start again: the leader, a lease holder, anybody; each node in turn; one several times in a row"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        // A restart ends when all is started again, and this is the time that is left to it.
        (1_000, 5_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        if simple {
            return Arc::new(Restart(Orderly::Once(whom)));
        }
        Arc::new(Restart(match dice.random_range(0..6) {
            0 | 1 => Orderly::Once(whom),
            2 | 3 => Orderly::Rolling,
            _ => Orderly::Storm(whom),
        }))
    }
}

impl Fault for Restart {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let (what, turns) = aim(self.0, chooser);
        let mut victims: Vec<u64> = turns.iter().map(|turn| turn.node).collect();
        victims.dedup();
        Blow { victims, act: Box::new(Restarting { turns: Turns::new(&turns), whole: what.clone() }), what }
    }
}

struct Restarting {
    turns: Turns,
    whole: String,
}

impl Act for Restarting {
    fn strike(&mut self, _victims: &mut Vec<u64>, _field: &mut Field<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn strikes_at_once(&self) -> bool {
        // Each stop is a strike of its own, since roles change between them.
        false
    }

    fn bears_another(&self) -> bool {
        true
    }

    fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Progress> {
        if let Some(node) = self.turns.go_on(field)? {
            return Ok(Progress::Struck { node, what: format!("stop node {node}: {}", self.whole) });
        }
        Ok(if self.turns.are_over() { Progress::Over } else { Progress::UnderWay })
    }

    fn finish(&mut self) {
        self.turns.finish();
    }

    fn end(&mut self, _victims: &[u64], _field: &mut Field<'_>) -> anyhow::Result<Bite> {
        Ok(Bite::Bit)
    }
}

fn aim(orderly: Orderly, chooser: &mut Chooser<'_>) -> (String, Vec<Turn>) {
    let ready = |node: u64| Turn { node, then: Then::Ready };
    match orderly {
        Orderly::Once(whom) => {
            let node = chooser.one(whom);
            (format!("restart node {node}"), vec![ready(node)])
        }
        Orderly::Rolling => {
            let mut row = chooser.all();
            row.shuffle(&mut chooser.dice);
            (format!("restart {} in turn", nodes(&row)), row.iter().copied().map(ready).collect())
        }
        Orderly::Storm(whom) => {
            let node = chooser.one(whom);
            let stops = chooser.dice.random_range(STORM_STOPS.0..=STORM_STOPS.1);
            let mut turns = vec![ready(node)];
            while turns.len() < stops {
                let ms = chooser.dice.random_range(STORM_MOMENT_MS.0..=STORM_MOMENT_MS.1);
                turns.insert(0, Turn { node, then: Then::Pause(Duration::from_millis(ms)) });
            }
            (format!("restart node {node} {stops} times in a row"), turns)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schedule::samples::five;

    #[test]
    fn each_node_is_restarted_once_and_a_storm_is_for_one() {
        let turns = |orderly| aim(orderly, &mut Chooser::new(&five(), 11)).1;
        assert_eq!(turns(Orderly::Once(Whom::Leader)), [Turn { node: 3, then: Then::Ready }]);
        let rolling = turns(Orderly::Rolling);
        assert!(rolling.iter().all(|turn| turn.then == Then::Ready));
        assert_eq!(rolling.iter().map(|turn| turn.node).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3, 4, 5]));
        assert_eq!(rolling, turns(Orderly::Rolling), "the same dice, the same row");
        let storm = turns(Orderly::Storm(Whom::Holder));
        assert!(storm.len() >= STORM_STOPS.0 && storm.iter().all(|turn| turn.node == 2), "{storm:?}");
        assert_eq!(storm.iter().filter(|turn| turn.then == Then::Ready).count(), 1);
        assert_eq!(storm.last().map(|turn| turn.then), Some(Then::Ready));
    }
}
