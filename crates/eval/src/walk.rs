//! Walking upwards: from a subject through its groups, from a resource through its ancestors.

use std::collections::BTreeSet;

use portcullis_model::{Object, Subject};

use crate::budget::{Error, Meter};
use crate::snapshot::{NodeKey, Snapshot};

/// What was reached, in the order of its distance, and from where.
#[derive(Default)]
pub(crate) struct Reached {
    /// The nodes, each once; a loop in the data ends where it repeats.
    pub(crate) nodes: Vec<NodeKey>,
    /// For each node, the position of the one that led to it; a start leads to itself.
    from: Vec<usize>,
    /// The nodes once more, when they are too many to scan.
    sorted: BTreeSet<NodeKey>,
}

/// Up to this many nodes a scan is quicker than a sorted set.
const SCAN_MAX: usize = 32;

impl Reached {
    pub(crate) fn contains(&self, node: NodeKey) -> bool {
        if self.nodes.len() <= SCAN_MAX { self.nodes.contains(&node) } else { self.sorted.contains(&node) }
    }

    /// The way from a start to a node that was reached, both included.
    pub(crate) fn way_to(&self, node: NodeKey) -> Vec<NodeKey> {
        let position = self.nodes.iter().position(|reached| *reached == node);
        let mut position = position.expect("INVARIANT: only ways to nodes that were reached are asked for");
        let mut way = vec![node];
        while self.from[position] != position {
            position = self.from[position];
            way.push(self.nodes[position]);
        }
        way.reverse();
        way
    }

    fn add(&mut self, node: NodeKey, from: usize) {
        self.nodes.push(node);
        self.from.push(from);
        match self.nodes.len() {
            few if few <= SCAN_MAX => {}
            few if few == SCAN_MAX + 1 => self.sorted.extend(&self.nodes),
            _ => {
                self.sorted.insert(node);
            }
        }
    }

    fn walk<I: Iterator<Item = NodeKey>>(
        starts: impl IntoIterator<Item = NodeKey>,
        meter: &mut Meter<'_>,
        next: impl Fn(NodeKey) -> I,
    ) -> Result<Self, Error> {
        let mut reached = Self::default();
        for start in starts {
            reached.add(start, reached.nodes.len());
        }
        let (mut depth, mut position, mut level_end) = (0, 0, reached.nodes.len());
        while position < reached.nodes.len() {
            if position == level_end {
                depth += 1;
                level_end = reached.nodes.len();
            }
            for node in next(reached.nodes[position]) {
                meter.visit()?;
                if !reached.contains(node) {
                    meter.descend(depth + 1)?;
                    reached.add(node, position);
                }
            }
            position += 1;
        }
        Ok(reached)
    }
}

/// Everything that a subject is: itself, the wildcard of its type, and the groups that contain any of these.
pub(crate) fn subjects<S: Snapshot>(snapshot: &S, subject: &Subject, meter: &mut Meter<'_>) -> Result<Reached, Error> {
    let own = snapshot.subject(subject);
    let wildcard = match subject {
        Subject::Object(object) => snapshot.subject(&Subject::Wildcard(object.object_type.clone())),
        // The members of a group need not be all of one type.
        Subject::Userset { .. } | Subject::Wildcard(_) => None,
    };
    Reached::walk(own.into_iter().chain(wildcard), meter, |node| snapshot.usersets_of(node))
}

/// Everything that a resource lies in: itself and its ancestors.
pub(crate) fn scopes<S: Snapshot>(snapshot: &S, resource: &Object, meter: &mut Meter<'_>) -> Result<Reached, Error> {
    Reached::walk(snapshot.object(resource), meter, |node| snapshot.parents_of(node))
}
