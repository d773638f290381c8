//! `loss`: packets between nodes are lost at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Ways, between, from_each, to_each, ways};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How many packets of a hundred are lost, at the least and at the most.
const LOST_PERCENT: (u8, u8) = (5, 30);

pub(super) struct Loss;

/// Which ways between nodes something is done to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Links {
    /// All of them.
    All,
    /// Those to one node and from it.
    Of(Whom),
    /// Those to one node.
    To(Whom),
    /// Those from one node.
    From(Whom),
}

/// Lose so many packets of a hundred.
#[derive(Clone, Copy, Debug)]
struct Lose(Links, u8);

impl Kind for Loss {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn describe(&self) -> &'static str {
        "loses 5 to 30 packets of a hundred: on all ways, to and from a node, or in one direction"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces, Facility::Loss]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        // Beyond an election and the length of a lease, so that writes are acknowledged meanwhile.
        (3_000, 10_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let percent = dice.random_range(LOST_PERCENT.0..=LOST_PERCENT.1);
        Arc::new(Lose(Links::draw(whom, simple, dice), percent))
    }
}

impl Links {
    /// Some ways; around one node if it is to be simple.
    pub(super) fn draw(whom: Whom, simple: bool, dice: &mut StdRng) -> Self {
        match dice.random_range(0..6) {
            _ if simple => Self::Of(whom),
            0 | 1 => Self::All,
            2 | 3 => Self::Of(whom),
            4 => Self::To(whom),
            _ => Self::From(whom),
        }
    }

    /// Whom it meets, the ways, and the same in words.
    pub(super) fn aim(self, chooser: &mut Chooser<'_>) -> (Vec<u64>, Ways, String) {
        let all = chooser.all();
        match self {
            Self::All => (all.clone(), ways(between(&all, &all)), "on all ways".to_owned()),
            Self::Of(whom) => {
                let node = chooser.one(whom);
                (vec![node], ways(between(&[node], &all)), format!("to and from node {node}"))
            }
            Self::To(whom) => {
                let node = chooser.one(whom);
                (vec![node], ways(from_each(&all, node)), format!("to node {node}"))
            }
            Self::From(whom) => {
                let node = chooser.one(whom);
                (vec![node], ways(to_each(node, &all)), format!("from node {node}"))
            }
        }
    }
}

impl Fault for Lose {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(links, percent) = *self;
        let (victims, ways, told) = links.aim(chooser);
        let losses = ways.into_iter().map(|way| (way, percent)).collect();
        Blow { victims, what: format!("lose {percent} % of packets {told}"), act: Box::new(Losing(losses)) }
    }
}

/// So many packets of a hundred are lost on these ways while it lasts.
struct Losing(BTreeMap<(u64, u64), u8>);

impl Act for Losing {
    fn strike(&mut self, _victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        field.cluster.lose(&self.0)
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        // Losses were seen to lose before the nodes started.
        field.cluster.lose(&BTreeMap::new()).map(|()| Bite::Bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::samples::five;

    #[test]
    fn packets_are_lost_everywhere_around_a_node_or_one_way() {
        let lossy = |links: Links| links.aim(&mut Chooser::new(&five(), 11));
        let ((everybody, all, _), (one, around, _)) = (lossy(Links::All), lossy(Links::Of(Whom::Leader)));
        assert_eq!((all.len(), everybody.len()), (20, 5));
        assert_eq!((around.len(), one), (8, vec![3]));
        let ((_, to, _), (_, from, _)) = (lossy(Links::To(Whom::Leader)), lossy(Links::From(Whom::Leader)));
        assert!(to.len() == 4 && to.iter().all(|(_, listener)| *listener == 3));
        assert!(from.len() == 4 && from.iter().all(|(speaker, _)| *speaker == 3));
    }
}
