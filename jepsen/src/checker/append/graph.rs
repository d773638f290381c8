//! Who must come before whom, and whether that goes round in a circle.
//!
//! That everything which had returned before another call was invoked comes before it would be an edge for nearly every two
//! calls. So returns make a chain in the order of time: who returns leads onto it, and it leads to whoever is invoked later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Calls, by their numbers, and their order.
#[derive(Default)]
pub(super) struct Graph {
    /// When each was invoked, and when it had taken effect at the latest.
    calls: BTreeMap<usize, (u64, u64)>,
    before: BTreeSet<(usize, usize)>,
}

/// A call, or a place on the chain of returns.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Call(usize),
    Return,
}

impl Graph {
    pub(super) fn add(&mut self, call: usize, invoked_us: u64, until_us: u64) {
        self.calls.insert(call, (invoked_us, until_us));
    }

    /// One must come before the other. Who was not added has no place.
    pub(super) fn before(&mut self, one: usize, other: usize) {
        if one != other && self.calls.contains_key(&one) && self.calls.contains_key(&other) {
            self.before.insert((one, other));
        }
    }

    /// A shortest circle for each set of calls that cannot be ordered.
    pub(super) fn circles(&self) -> impl Iterator<Item = Vec<usize>> {
        let (mut graph, mut places) = (DiGraph::<Stop, ()>::new(), BTreeMap::new());
        for call in self.calls.keys() {
            places.insert(*call, graph.add_node(Stop::Call(*call)));
        }
        for (one, other) in &self.before {
            graph.add_edge(places[one], places[other], ());
        }
        let mut returns: Vec<(u64, usize)> = self
            .calls
            .iter()
            .map(|(call, (_, until_us))| (*until_us, *call))
            .filter(|(us, _)| *us < u64::MAX)
            .collect();
        returns.sort_unstable();
        let mut chain: Vec<(u64, NodeIndex)> = Vec::new();
        for (until_us, call) in returns {
            let place = graph.add_node(Stop::Return);
            graph.add_edge(places[&call], place, ());
            if let Some((_, last)) = chain.last() {
                graph.add_edge(*last, place, ());
            }
            chain.push((until_us, place));
        }
        for (call, (invoked_us, _)) in &self.calls {
            // Strictly before: what happens in the same microsecond is concurrent.
            let behind = chain.partition_point(|(until_us, _)| until_us < invoked_us);
            if let Some((_, last)) = behind.checked_sub(1).map(|last| chain[last]) {
                graph.add_edge(last, places[call], ());
            }
        }
        let tied = tarjan_scc(&graph).into_iter().filter(|tied| tied.len() > 1).collect::<Vec<_>>();
        tied.into_iter().map(move |tied| shortest(&graph, &tied))
    }
}

/// The calls on a shortest way from one of these nodes back to it.
fn shortest(graph: &DiGraph<Stop, ()>, tied: &[NodeIndex]) -> Vec<usize> {
    let tied: BTreeSet<NodeIndex> = tied.iter().copied().collect();
    let circles = tied.iter().filter(|node| matches!(graph[**node], Stop::Call(_))).take(STARTS_MAX);
    let circles = circles.filter_map(|start| back_to(graph, &tied, *start));
    let shortest = circles.min_by_key(Vec::len).unwrap_or_default();
    let calls = shortest.into_iter().filter_map(|node| match graph[node] {
        Stop::Call(call) => Some(call),
        Stop::Return => None,
    });
    calls.collect()
}

/// From how many calls a shortest circle is looked for.
const STARTS_MAX: usize = 200;

fn back_to(graph: &DiGraph<Stop, ()>, tied: &BTreeSet<NodeIndex>, start: NodeIndex) -> Option<Vec<NodeIndex>> {
    let (mut came_from, mut waiting) = (BTreeMap::new(), VecDeque::from([start]));
    while let Some(node) = waiting.pop_front() {
        for next in graph.neighbors(node).filter(|next| tied.contains(next)) {
            if next == start {
                let mut way = vec![node];
                while let Some(before) = came_from.get(way.last()?) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if let std::collections::btree_map::Entry::Vacant(place) = came_from.entry(next) {
                place.insert(node);
                waiting.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(calls: &[(u64, u64)], before: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let mut graph = Graph::default();
        for (call, (from_us, until_us)) in calls.iter().enumerate() {
            graph.add(call, *from_us, *until_us);
        }
        for (one, other) in before {
            graph.before(*one, *other);
        }
        graph.circles().collect()
    }

    #[test]
    fn an_order_has_no_circle() {
        assert!(circles(&[(0, 9), (0, 9), (0, 9)], &[(0, 1), (1, 2), (0, 2)]).is_empty());
        assert!(circles(&[(0, 9), (10, 19)], &[(0, 1)]).is_empty());
        assert!(circles(&[(0, 9), (9, 19)], &[(1, 0)]).is_empty(), "at the same time is concurrent");
        assert!(circles(&[(0, u64::MAX), (10, 19)], &[(1, 0)]).is_empty(), "what is open may be late");
    }

    #[test]
    fn circles_are_found_also_by_way_of_time() {
        let sorted = |mut circle: Vec<usize>| {
            circle.sort_unstable();
            circle
        };
        let found = circles(&[(0, 9), (0, 9), (0, 9), (0, 9)], &[(0, 1), (1, 2), (2, 3), (3, 0), (1, 0)]);
        assert_eq!(found.into_iter().map(sorted).collect::<Vec<_>>(), [[0, 1]], "a shortest one");
        assert_eq!(circles(&[(0, 9), (10, 19)], &[(1, 0)]).into_iter().map(sorted).collect::<Vec<_>>(), [[0, 1]]);
    }
}
