//! `partition`: nodes are cut off from each other.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Ways, between, from_each, nodes, to_each, ways};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct Partition;

/// How the network is cut.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One node neither hears nor is heard.
    Isolate(Whom),
    /// One node hears nobody, and is heard.
    Deafen(Whom),
    /// One node is heard by nobody, and hears.
    Mute(Whom),
    /// One node and enough others to make a minority are cut off from the majority.
    Halve(Whom),
    /// One node and another cannot hear each other; everybody else hears both.
    Pair(Whom),
    /// Each node hears its neighbours, which are a majority with it, and each has another majority.
    Ring,
    /// Two halves hear each other only through one node in the middle.
    Bridge,
}

#[derive(Clone, Copy, Debug)]
struct Cut(Shape);

impl Kind for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }

    fn describe(&self) -> &'static str {
        "cuts the network: one node isolated, deaf or mute; halves; a pair; a ring of majorities; two halves and a bridge"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Namespaces]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        // Beyond an election and the length of a lease, so that writes are acknowledged meanwhile.
        (3_000, 10_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        if simple {
            return Arc::new(Cut(Shape::Isolate(whom)));
        }
        Arc::new(Cut(match dice.random_range(0..8) {
            0 | 1 => Shape::Isolate(whom),
            2 => Shape::Deafen(whom),
            3 => Shape::Mute(whom),
            4 => Shape::Halve(whom),
            5 => Shape::Pair(whom),
            6 => Shape::Ring,
            _ => Shape::Bridge,
        }))
    }
}

impl Fault for Cut {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let (what, victims, cuts) = aim(self.0, chooser);
        Blow { victims, what, act: Box::new(Cutting(cuts)) }
    }
}

/// These ways are cut while it lasts.
struct Cutting(Ways);

impl Act for Cutting {
    fn strike(&mut self, _victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        field.cut(&self.0)
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        // Cuts were seen to cut before the nodes started.
        field.join_again().map(|()| Bite::Bit)
    }
}

fn aim(shape: Shape, chooser: &mut Chooser<'_>) -> (String, Vec<u64>, Ways) {
    let all = chooser.all();
    match shape {
        Shape::Isolate(whom) => {
            let node = chooser.one(whom);
            let cuts = ways([to_each(node, &all), from_each(&all, node)].concat());
            (format!("isolate node {node}"), vec![node], cuts)
        }
        Shape::Deafen(whom) => {
            let node = chooser.one(whom);
            (format!("deafen node {node}"), vec![node], ways(from_each(&all, node)))
        }
        Shape::Mute(whom) => {
            let node = chooser.one(whom);
            (format!("mute node {node}"), vec![node], ways(to_each(node, &all)))
        }
        Shape::Halve(whom) => {
            let first = chooser.one(whom);
            let few = chooser.minority_with(first);
            let many: Vec<u64> = all.iter().copied().filter(|node| !few.contains(node)).collect();
            let cuts = ways(between(&few, &many));
            (format!("cut {} off from the others", nodes(&few)), few, cuts)
        }
        Shape::Pair(whom) => pair(whom, chooser),
        Shape::Ring | Shape::Bridge if all.len() < 4 => pair(Whom::Anybody, chooser),
        Shape::Ring => ring(chooser),
        Shape::Bridge => bridge(chooser),
    }
}

fn pair(whom: Whom, chooser: &mut Chooser<'_>) -> (String, Vec<u64>, Ways) {
    let one = chooser.one(whom);
    let others: Vec<u64> = chooser.all().into_iter().filter(|node| *node != one).collect();
    let other = chooser.any_of(&others).unwrap_or(one);
    (format!("cut nodes {one} and {other} off from each other"), vec![one, other], ways(between(&[one], &[other])))
}

fn ring(chooser: &mut Chooser<'_>) -> (String, Vec<u64>, Ways) {
    let mut ring = chooser.all();
    ring.shuffle(&mut chooser.dice);
    // As many neighbours on either side as make a majority together with the node.
    let reach = (ring.len() / 2).div_ceil(2);
    let distance = |one: usize, other: usize| one.abs_diff(other).min(ring.len() - one.abs_diff(other));
    let mut cuts = Vec::new();
    for (place, from) in ring.iter().enumerate() {
        let far = ring.iter().enumerate().filter(|(other, _)| distance(place, *other) > reach);
        cuts.extend(far.map(|(_, to)| (*from, *to)));
    }
    let told: Vec<String> = ring.iter().map(u64::to_string).collect();
    (format!("join nodes in the ring {}", told.join("-")), ring.clone(), ways(cuts))
}

fn bridge(chooser: &mut Chooser<'_>) -> (String, Vec<u64>, Ways) {
    let mut line = chooser.all();
    line.shuffle(&mut chooser.dice);
    let half = (line.len() - 1) / 2;
    let (left, right) = (&line[..half], &line[line.len() - half..]);
    let told =
        format!("join {} and {} only through {}", nodes(left), nodes(right), nodes(&line[half..line.len() - half]));
    (told, [left, right].concat(), ways(between(left, right)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::samples::{five, three};

    fn cut(shape: Shape) -> (Vec<u64>, Ways) {
        let (_, victims, cuts) = aim(shape, &mut Chooser::new(&five(), 11));
        (victims, cuts)
    }

    /// Whom a node hears, itself included.
    fn heard(cuts: &Ways, node: u64) -> usize {
        (1..=5).filter(|other| !cuts.contains(&(*other, node))).count()
    }

    #[test]
    fn a_node_is_cut_off_both_ways_or_one_way() {
        let (_, isolated) = cut(Shape::Isolate(Whom::Leader));
        assert_eq!((isolated.len(), heard(&isolated, 3), heard(&isolated, 1)), (8, 1, 4));
        let (_, deaf) = cut(Shape::Deafen(Whom::Leader));
        assert_eq!((deaf.len(), heard(&deaf, 3), heard(&deaf, 1)), (4, 1, 5));
        let (_, mute) = cut(Shape::Mute(Whom::Leader));
        assert_eq!((mute.len(), heard(&mute, 3), heard(&mute, 1)), (4, 5, 4));
        let (victims, pair) = cut(Shape::Pair(Whom::Leader));
        assert_eq!((pair.len(), victims[0]), (2, 3));
    }

    #[test]
    fn halves_leave_a_majority_without_the_leader() {
        let (victims, halves) = cut(Shape::Halve(Whom::Leader));
        assert!(victims.len() == 2 && victims.contains(&3));
        assert_eq!((halves.len(), heard(&halves, 3)), (12, 2));
    }

    #[test]
    fn in_a_ring_everybody_hears_a_majority() {
        let (_, ring) = cut(Shape::Ring);
        assert!((1..=5).all(|node| heard(&ring, node) == 3), "{ring:?}");
    }

    #[test]
    fn a_bridge_hears_everybody_and_the_halves_do_not() {
        let (_, bridge) = cut(Shape::Bridge);
        let mut heard: Vec<usize> = (1..=5).map(|node| heard(&bridge, node)).collect();
        heard.sort_unstable();
        assert_eq!(heard, [3, 3, 3, 3, 5]);
    }

    #[test]
    fn three_nodes_make_neither_ring_nor_bridge() {
        for shape in [Shape::Ring, Shape::Bridge] {
            assert_eq!(aim(shape, &mut Chooser::new(&three(), 11)).2.len(), 2);
        }
    }
}
