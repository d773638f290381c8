//! Walking upwards: from a subject through its groups, from a resource through its ancestors.
//!
//! What is certain is walked first, what is only possible after it. So a node is certain exactly if it was reached in
//! the first part, though a possible way to it may be shorter.

use std::collections::BTreeMap;

use portcullis_model::{Object, Subject};

use crate::bounds::Bounds;
use crate::budget::{Error, Meter};
use crate::snapshot::{Edge, NodeKey, RelationKey, Snapshot};

/// Memory that evaluations use again, so that they need not ask for it each time. Holds nothing between them.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) subjects: Reached,
    pub(crate) scopes: Reached,
}

/// What was reached, in the order of its distance, and from where.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// The nodes, each once; a loop in the data ends where it repeats.
    pub(crate) nodes: Vec<NodeKey>,
    /// How many of the nodes, from the first, are certain.
    certain: usize,
    /// For each node the one that led to it, by position, and the length of the way; a start leads to itself.
    from: Vec<(usize, u32)>,
    /// The positions of the nodes, when there are too many to scan.
    positions: BTreeMap<NodeKey, usize>,
    /// Steps that are only possible, from nodes that are certain.
    possible: Vec<(usize, NodeKey)>,
}

/// Up to this many nodes a scan is quicker than a sorted map.
const SCAN_MAX: usize = 32;

impl Reached {
    /// Whether a node was reached.
    pub(crate) fn bounds(&self, node: NodeKey) -> Bounds {
        match self.position(node) {
            Some(position) if position < self.certain => Bounds::YES,
            Some(_) => Bounds::MAYBE,
            None => Bounds::NO,
        }
    }

    /// The way from a start to a node that was reached, both included.
    pub(crate) fn way_to(&self, node: NodeKey) -> Vec<NodeKey> {
        let mut position = self.position(node).expect("INVARIANT: only ways to nodes that were reached are asked for");
        let mut way = vec![node];
        while self.from[position].0 != position {
            position = self.from[position].0;
            way.push(self.nodes[position]);
        }
        way.reverse();
        way
    }

    /// Reaches all that can be reached from `starts`, which are certain.
    pub(crate) fn walk<I: Iterator<Item = Edge>>(
        &mut self,
        starts: impl IntoIterator<Item = NodeKey>,
        meter: &mut Meter<'_>,
        next: impl Fn(NodeKey) -> I,
    ) -> Result<(), Error> {
        self.clear();
        for start in starts {
            self.add(start, (self.nodes.len(), 0));
        }
        let mut position = 0;
        while position < self.nodes.len() {
            for edge in next(self.nodes[position]) {
                meter.visit()?;
                if edge.certainty.lower {
                    self.step(position, edge.node, meter)?;
                } else if edge.certainty.upper {
                    self.possible.push((position, edge.node));
                }
            }
            position += 1;
        }
        self.certain = self.nodes.len();
        for at in 0..self.possible.len() {
            let (from, node) = self.possible[at];
            self.step(from, node, meter)?;
        }
        while position < self.nodes.len() {
            for edge in next(self.nodes[position]) {
                meter.visit()?;
                if edge.certainty.upper {
                    self.step(position, edge.node, meter)?;
                }
            }
            position += 1;
        }
        Ok(())
    }

    fn step(&mut self, from: usize, node: NodeKey, meter: &Meter<'_>) -> Result<(), Error> {
        if self.position(node).is_none() {
            let depth = self.from[from].1 + 1;
            meter.descend(depth)?;
            self.add(node, (from, depth));
        }
        Ok(())
    }

    fn position(&self, node: NodeKey) -> Option<usize> {
        if self.nodes.len() <= SCAN_MAX {
            self.nodes.iter().position(|reached| *reached == node)
        } else {
            self.positions.get(&node).copied()
        }
    }

    fn add(&mut self, node: NodeKey, from: (usize, u32)) {
        self.nodes.push(node);
        self.from.push(from);
        match self.nodes.len() {
            few if few <= SCAN_MAX => {}
            few if few == SCAN_MAX + 1 => self.positions.extend(self.nodes.iter().copied().zip(0..)),
            many => {
                self.positions.insert(node, many - 1);
            }
        }
    }

    fn clear(&mut self) {
        let Self { nodes, certain, from, positions, possible } = self;
        nodes.clear();
        *certain = 0;
        from.clear();
        positions.clear();
        possible.clear();
    }
}

/// The wildcard that stands for a subject among others.
pub(crate) fn wildcard_of(subject: &Subject) -> Option<Subject> {
    match subject {
        Subject::Object(object) => Some(Subject::Wildcard(object.object_type.clone())),
        // The members of a group need not be all of one type.
        Subject::Userset { .. } | Subject::Wildcard(_) => None,
    }
}

/// Where the walk upwards from a subject starts: itself, and the wildcard of its type.
pub(crate) fn starts<S: Snapshot>(snapshot: &S, subject: &Subject) -> impl Iterator<Item = NodeKey> + use<S> {
    let wildcard = wildcard_of(subject).and_then(|wildcard| snapshot.subject(&wildcard));
    snapshot.subject(subject).into_iter().chain(wildcard)
}

/// Walks both sides: all that the subject is, and all that the resource lies in.
pub(crate) fn both<S: Snapshot>(
    snapshot: &S,
    (subject, resource): (&Subject, &Object),
    scratch: &mut Scratch,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let Scratch { subjects, scopes } = scratch;
    subjects.walk(starts(snapshot, subject), meter, |node| groups_of(snapshot, node))?;
    scopes.walk(snapshot.object(resource).map(NodeKey::object), meter, |node| parents_of(snapshot, node))
}

/// The groups that contain a subject directly.
pub(crate) fn groups_of<S: Snapshot>(snapshot: &S, subject: NodeKey) -> impl Iterator<Item = Edge> {
    snapshot.usersets_of(subject, RelationKey::MEMBER)
}

/// The parents of an object.
pub(crate) fn parents_of<S: Snapshot>(snapshot: &S, object: NodeKey) -> impl Iterator<Item = Edge> {
    let parents = snapshot.subjects_of(NodeKey { relation: RelationKey::PARENT, object: object.object });
    // Scopes are objects.
    parents.filter(|edge| edge.node.relation == RelationKey::NONE)
}
