//! What a fault of the schedule comes to among nodes whose roles are known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::{Fault, Links, Orderly, Shape, Step, Whom};

/// How often a storm stops its node, at the least and at the most.
const STORM_STOPS: (usize, usize) = (3, 5);
/// How long a storm lets its node be after a start, in milliseconds.
const STORM_MOMENT_MS: (u64, u64) = (50, 1_500);

/// Who is what, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// How many nodes there are; they are numbered from 1.
    pub nodes: u64,
    /// Who leads.
    pub leader: Option<u64>,
    /// Who holds a read lease.
    pub holders: BTreeSet<u64>,
}

/// What is to be done to which node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blow {
    /// Whom it is done to.
    pub victims: Vec<u64>,
    /// Who is not heard by whom, as (speaker, listener).
    pub cuts: BTreeSet<(u64, u64)>,
    /// How many packets of a hundred are lost from whom to whom, as (speaker, listener).
    pub losses: BTreeMap<(u64, u64), u8>,
    /// Who is stopped in order and started again, one after another.
    pub turns: Vec<Turn>,
    /// The same in words.
    pub what: String,
}

/// One orderly restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Of which node.
    pub node: u64,
    /// What it takes for the next one.
    pub then: Then,
}

/// What it takes, after a start, for a restart to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The node answers reads.
    Ready,
    /// Some time, whether the node is ready or not.
    Pause(Duration),
}

impl Step {
    /// What this comes to now: the same for the same situation, always.
    pub fn blow(&self, situation: &Situation) -> Blow {
        let mut chooser = Chooser { situation, dice: StdRng::seed_from_u64(self.dice) };
        match self.fault {
            Fault::Kill(whom) => Blow::of_processes("kill", chooser.choose(whom)),
            Fault::Freeze(whom) => Blow::of_processes("freeze", chooser.choose(whom)),
            Fault::Cut(shape) => chooser.cut(shape),
            Fault::Restart(orderly) => chooser.restart(orderly),
            Fault::Lose(links, percent) => chooser.lose(links, percent),
        }
    }
}

impl Blow {
    fn of_processes(verb: &str, victims: Vec<u64>) -> Self {
        Self { what: format!("{verb} {}", nodes(&victims)), victims, ..Self::default() }
    }

    fn cutting(what: String, victims: Vec<u64>, cuts: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self { victims, cuts: cuts.into_iter().filter(|(from, to)| from != to).collect(), what, ..Self::default() }
    }

    fn restarting(what: String, victims: Vec<u64>, turns: Vec<Turn>) -> Self {
        Self { victims, turns, what, ..Self::default() }
    }

    fn losing(what: String, victims: Vec<u64>, ways: impl IntoIterator<Item = (u64, u64)>, percent: u8) -> Self {
        let ways = ways.into_iter().filter(|(from, to)| from != to);
        Self { victims, what, losses: ways.map(|way| (way, percent)).collect(), ..Self::default() }
    }
}

struct Chooser<'a> {
    situation: &'a Situation,
    dice: StdRng,
}

impl Chooser<'_> {
    fn all(&self) -> Vec<u64> {
        (1..=self.situation.nodes).collect()
    }

    fn any_of(&mut self, nodes: &[u64]) -> Option<u64> {
        nodes.choose(&mut self.dice).copied()
    }

    /// One node; anybody where nobody has the role.
    fn one(&mut self, whom: Whom) -> u64 {
        let leader = self.situation.leader;
        let chosen = match whom {
            Whom::Leader => leader,
            Whom::Holder => {
                let holders = self.situation.holders.iter().copied().filter(|holder| Some(*holder) != leader);
                let holders: Vec<u64> = holders.collect();
                self.any_of(&holders)
            }
            Whom::Anybody | Whom::Minority | Whom::Everybody => None,
        };
        let all = self.all();
        chosen.or_else(|| self.any_of(&all)).expect("INVARIANT: a cluster has nodes")
    }

    fn choose(&mut self, whom: Whom) -> Vec<u64> {
        match whom {
            Whom::Leader | Whom::Holder | Whom::Anybody => vec![self.one(whom)],
            Whom::Minority => {
                let first = self.one(Whom::Anybody);
                self.minority_with(first)
            }
            Whom::Everybody => self.all(),
        }
    }

    /// A node and as many others as still leave a majority.
    fn minority_with(&mut self, first: u64) -> Vec<u64> {
        let mut others = self.all();
        others.retain(|node| *node != first);
        others.shuffle(&mut self.dice);
        let minority = others.len() / 2;
        others.truncate(minority.saturating_sub(1));
        others.push(first);
        others.sort_unstable();
        others
    }

    fn restart(&mut self, orderly: Orderly) -> Blow {
        let ready = |node: u64| Turn { node, then: Then::Ready };
        match orderly {
            Orderly::Once(whom) => {
                let node = self.one(whom);
                Blow::restarting(format!("restart node {node}"), vec![node], vec![ready(node)])
            }
            Orderly::Rolling => {
                let mut row = self.all();
                row.shuffle(&mut self.dice);
                let turns = row.iter().copied().map(ready).collect();
                Blow::restarting(format!("restart {} in turn", nodes(&row)), row, turns)
            }
            Orderly::Storm(whom) => {
                let node = self.one(whom);
                let stops = self.dice.random_range(STORM_STOPS.0..=STORM_STOPS.1);
                let mut turns = vec![ready(node)];
                while turns.len() < stops {
                    let ms = self.dice.random_range(STORM_MOMENT_MS.0..=STORM_MOMENT_MS.1);
                    turns.insert(0, Turn { node, then: Then::Pause(Duration::from_millis(ms)) });
                }
                Blow::restarting(format!("restart node {node} {stops} times in a row"), vec![node], turns)
            }
        }
    }

    fn lose(&mut self, links: Links, percent: u8) -> Blow {
        let all = self.all();
        let (victims, ways, told) = match links {
            Links::All => (all.clone(), between(&all, &all), "on all ways".to_owned()),
            Links::Of(whom) => {
                let node = self.one(whom);
                (vec![node], between(&[node], &all), format!("to and from node {node}"))
            }
            Links::To(whom) => {
                let node = self.one(whom);
                (vec![node], from_each(&all, node), format!("to node {node}"))
            }
            Links::From(whom) => {
                let node = self.one(whom);
                (vec![node], to_each(node, &all), format!("from node {node}"))
            }
        };
        Blow::losing(format!("lose {percent} % of packets {told}"), victims, ways, percent)
    }

    fn cut(&mut self, shape: Shape) -> Blow {
        let all = self.all();
        let to_all = |from: u64| to_each(from, &all);
        let from_all = |to: u64| from_each(&all, to);
        match shape {
            Shape::Isolate(whom) => {
                let node = self.one(whom);
                Blow::cutting(format!("isolate node {node}"), vec![node], [to_all(node), from_all(node)].concat())
            }
            Shape::Deafen(whom) => {
                let node = self.one(whom);
                Blow::cutting(format!("deafen node {node}"), vec![node], from_all(node))
            }
            Shape::Mute(whom) => {
                let node = self.one(whom);
                Blow::cutting(format!("mute node {node}"), vec![node], to_all(node))
            }
            Shape::Halve(whom) => {
                let first = self.one(whom);
                let few = self.minority_with(first);
                let cuts = between(&few, &all.iter().copied().filter(|node| !few.contains(node)).collect::<Vec<_>>());
                Blow::cutting(format!("cut {} off from the others", nodes(&few)), few, cuts)
            }
            Shape::Pair(whom) => self.pair(whom),
            Shape::Ring | Shape::Bridge if all.len() < 4 => self.pair(Whom::Anybody),
            Shape::Ring => self.ring(),
            Shape::Bridge => self.bridge(),
        }
    }

    fn pair(&mut self, whom: Whom) -> Blow {
        let one = self.one(whom);
        let others: Vec<u64> = self.all().into_iter().filter(|node| *node != one).collect();
        let other = self.any_of(&others).unwrap_or(one);
        Blow::cutting(
            format!("cut nodes {one} and {other} off from each other"),
            vec![one, other],
            between(&[one], &[other]),
        )
    }

    fn ring(&mut self) -> Blow {
        let mut ring = self.all();
        ring.shuffle(&mut self.dice);
        // As many neighbours on either side as make a majority together with the node.
        let reach = (ring.len() / 2).div_ceil(2);
        let distance = |one: usize, other: usize| one.abs_diff(other).min(ring.len() - one.abs_diff(other));
        let mut cuts = Vec::new();
        for (place, from) in ring.iter().enumerate() {
            let far = ring.iter().enumerate().filter(|(other, _)| distance(place, *other) > reach);
            cuts.extend(far.map(|(_, to)| (*from, *to)));
        }
        let told: Vec<String> = ring.iter().map(u64::to_string).collect();
        Blow::cutting(format!("join nodes in the ring {}", told.join("-")), ring.clone(), cuts)
    }

    fn bridge(&mut self) -> Blow {
        let mut line = self.all();
        line.shuffle(&mut self.dice);
        let half = (line.len() - 1) / 2;
        let (left, right) = (&line[..half], &line[line.len() - half..]);
        let told =
            format!("join {} and {} only through {}", nodes(left), nodes(right), nodes(&line[half..line.len() - half]));
        Blow::cutting(told, [left, right].concat(), between(left, right))
    }
}

fn to_each(from: u64, all: &[u64]) -> Vec<(u64, u64)> {
    all.iter().map(|to| (from, *to)).collect()
}

fn from_each(all: &[u64], to: u64) -> Vec<(u64, u64)> {
    all.iter().map(|from| (*from, to)).collect()
}

fn between(ones: &[u64], others: &[u64]) -> Vec<(u64, u64)> {
    ones.iter().flat_map(|one| others.iter().flat_map(move |other| [(*one, *other), (*other, *one)])).collect()
}

fn nodes(nodes: &[u64]) -> String {
    let told: Vec<String> = nodes.iter().map(u64::to_string).collect();
    match nodes.len() {
        1 => format!("node {}", told[0]),
        _ => format!("nodes {}", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Nemesis;

    fn five() -> Situation {
        Situation { nodes: 5, leader: Some(3), holders: BTreeSet::from([2, 3]) }
    }

    fn blow(fault: Fault, situation: &Situation) -> Blow {
        let nemesis = Nemesis::Partition;
        Step { number: 1, nemesis, at_ms: 0, lasts_ms: 0, fault, aimed: false, dice: 11 }.blow(situation)
    }

    /// Whom a node hears, itself included.
    fn heard(blow: &Blow, node: u64) -> usize {
        (1..=5).filter(|other| !blow.cuts.contains(&(*other, node))).count()
    }

    #[test]
    fn roles_become_nodes() {
        assert_eq!(blow(Fault::Kill(Whom::Leader), &five()).victims, [3]);
        assert_eq!(blow(Fault::Kill(Whom::Holder), &five()).victims, [2]);
        assert_eq!(blow(Fault::Freeze(Whom::Everybody), &five()).victims, [1, 2, 3, 4, 5]);
        assert_eq!(blow(Fault::Kill(Whom::Minority), &five()).victims.len(), 2);
        let nobody = Situation { nodes: 5, ..Situation::default() };
        assert_eq!(blow(Fault::Kill(Whom::Leader), &nobody).victims.len(), 1, "somebody has to do");
        let three = Situation { nodes: 3, ..Situation::default() };
        assert_eq!(blow(Fault::Kill(Whom::Minority), &three).victims.len(), 1);
    }

    #[test]
    fn a_node_is_cut_off_both_ways_or_one_way() {
        let isolated = blow(Fault::Cut(Shape::Isolate(Whom::Leader)), &five());
        assert_eq!((isolated.cuts.len(), heard(&isolated, 3), heard(&isolated, 1)), (8, 1, 4));
        let deaf = blow(Fault::Cut(Shape::Deafen(Whom::Leader)), &five());
        assert_eq!((deaf.cuts.len(), heard(&deaf, 3), heard(&deaf, 1)), (4, 1, 5));
        let mute = blow(Fault::Cut(Shape::Mute(Whom::Leader)), &five());
        assert_eq!((mute.cuts.len(), heard(&mute, 3), heard(&mute, 1)), (4, 5, 4));
        let pair = blow(Fault::Cut(Shape::Pair(Whom::Leader)), &five());
        assert_eq!((pair.cuts.len(), pair.victims[0]), (2, 3));
    }

    #[test]
    fn halves_leave_a_majority_without_the_leader() {
        let halves = blow(Fault::Cut(Shape::Halve(Whom::Leader)), &five());
        assert!(halves.victims.len() == 2 && halves.victims.contains(&3));
        assert_eq!(halves.cuts.len(), 12);
        assert_eq!((heard(&halves, 3), halves.what.contains("off from the others")), (2, true));
    }

    #[test]
    fn in_a_ring_everybody_hears_a_majority() {
        let ring = blow(Fault::Cut(Shape::Ring), &five());
        assert!((1..=5).all(|node| heard(&ring, node) == 3), "{ring:?}");
    }

    #[test]
    fn a_bridge_hears_everybody_and_the_halves_do_not() {
        let bridge = blow(Fault::Cut(Shape::Bridge), &five());
        let mut heard: Vec<usize> = (1..=5).map(|node| heard(&bridge, node)).collect();
        heard.sort_unstable();
        assert_eq!(heard, [3, 3, 3, 3, 5]);
    }

    #[test]
    fn each_node_is_restarted_once_and_a_storm_is_for_one() {
        let once = blow(Fault::Restart(Orderly::Once(Whom::Leader)), &five());
        assert_eq!((once.turns.len(), once.turns[0]), (1, Turn { node: 3, then: Then::Ready }));
        let rolling = blow(Fault::Restart(Orderly::Rolling), &five());
        let row: Vec<u64> = rolling.turns.iter().map(|turn| turn.node).collect();
        assert!(row == rolling.victims && rolling.turns.iter().all(|turn| turn.then == Then::Ready));
        assert_eq!(row.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3, 4, 5]));
        assert_eq!(rolling, blow(Fault::Restart(Orderly::Rolling), &five()), "the same dice, the same row");
        let storm = blow(Fault::Restart(Orderly::Storm(Whom::Holder)), &five());
        assert!(storm.turns.len() >= STORM_STOPS.0 && storm.turns.iter().all(|turn| turn.node == 2), "{storm:?}");
        assert_eq!(storm.turns.iter().filter(|turn| turn.then == Then::Ready).count(), 1);
        assert_eq!(storm.turns.last().map(|turn| turn.then), Some(Then::Ready));
    }

    #[test]
    fn packets_are_lost_everywhere_around_a_node_or_one_way() {
        let lossy = |links| blow(Fault::Lose(links, 20), &five());
        let (all, around) = (lossy(Links::All), lossy(Links::Of(Whom::Leader)));
        assert_eq!((all.losses.len(), all.victims.len()), (20, 5));
        assert_eq!((around.losses.len(), around.victims), (8, vec![3]));
        let (to, from) = (lossy(Links::To(Whom::Leader)), lossy(Links::From(Whom::Leader)));
        assert!(to.losses.len() == 4 && to.losses.keys().all(|(_, listener)| *listener == 3));
        assert!(from.losses.len() == 4 && from.losses.keys().all(|(speaker, _)| *speaker == 3));
        assert!(all.losses.values().all(|percent| *percent == 20) && all.cuts.is_empty());
    }

    #[test]
    fn three_nodes_make_neither_ring_nor_bridge() {
        let three = Situation { nodes: 3, ..Situation::default() };
        assert_eq!(blow(Fault::Cut(Shape::Ring), &three).cuts.len(), 2);
        assert_eq!(blow(Fault::Cut(Shape::Bridge), &three).cuts.len(), 2);
    }
}
